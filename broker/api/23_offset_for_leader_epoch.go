package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// OffsetForLeaderEpoch v2-4. A diskless partition has one leader epoch for ever (kafka.LeaderEpoch), which ends at the high watermark.
var _ = registerCall(kmsg.OffsetForLeaderEpoch, 2, 4, (*Handlers).offsetForLeaderEpoch)

const noLeaderEpoch = -1

func (h *Handlers) offsetForLeaderEpoch(ctx context.Context, r *listener.Request, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	image := h.cfg.Image()
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = t.Topic
		topic, known := topicByName(image, t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			rp.Partition, rp.LeaderEpoch, rp.EndOffset = p.Partition, -1, -1
			switch {
			case !known || p.Partition < 0 || int(p.Partition) >= len(topic.Coordinators):
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case leaderEpochError(p.CurrentLeaderEpoch) != 0:
				rp.ErrorCode = leaderEpochError(p.CurrentLeaderEpoch)
			case p.LeaderEpoch == kafka.LeaderEpoch:
				bounds := h.cfg.Fetcher.ListOffset(ctx, h.partition(image, topic, p.Partition), latestTimestamp)
				rp.ErrorCode = h.code(r, bounds.Err)
				if bounds.Err == nil {
					rp.LeaderEpoch, rp.EndOffset = kafka.LeaderEpoch, bounds.Offset
				}
			case p.LeaderEpoch < noLeaderEpoch: // as Kafka: before the first epoch, which begins where the log does
				bounds := h.cfg.Fetcher.ListOffset(ctx, h.partition(image, topic, p.Partition), earliestTimestamp)
				rp.ErrorCode = h.code(r, bounds.Err)
				if bounds.Err == nil {
					rp.LeaderEpoch, rp.EndOffset = p.LeaderEpoch, bounds.Offset
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

// leaderEpochError compares the leader epoch that a client believes in with the one that there is; -1 means that the client does not say. A Fetch need not say with any
// negative number, as in Kafka.
func leaderEpochError(current int32) int16 {
	switch {
	case current == noLeaderEpoch || current == kafka.LeaderEpoch:
		return 0
	case current < kafka.LeaderEpoch:
		return kerr.FencedLeaderEpoch.Code
	default:
		return kerr.UnknownLeaderEpoch.Code
	}
}
