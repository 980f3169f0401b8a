package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// OffsetForLeaderEpoch v2-4. What is committed by Raft is never taken back, so clients see one leader epoch for ever, and it ends at the high watermark.
var _ = register(kmsg.OffsetForLeaderEpoch, 2, 4, (*Handlers).offsetForLeaderEpoch)

func (h *Handlers) offsetForLeaderEpoch(ctx context.Context, r *listener.Request, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	topics := h.cfg.Topics()
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = t.Topic
		found, known := topics.named(t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			rp.Partition, rp.LeaderEpoch, rp.EndOffset = p.Partition, -1, -1
			partition, code := h.partition(r, found, known, p.Partition, p.CurrentLeaderEpoch)
			if rp.ErrorCode = code; code == 0 && p.LeaderEpoch == kafka.LeaderEpoch {
				if rp.ErrorCode = h.code(r, h.barrier(ctx, partition.Log)); rp.ErrorCode == 0 {
					rp.LeaderEpoch = kafka.LeaderEpoch
					_, rp.EndOffset = partition.Log.Bounds()
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}
