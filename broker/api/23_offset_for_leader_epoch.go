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
			default:
				if bound, known := endOfEpoch(p.LeaderEpoch); known {
					end := h.cfg.Fetcher.ListOffset(ctx, h.partition(image, topic, p.Partition), bound)
					if rp.ErrorCode = h.code(r, end.Err); end.Err == nil {
						rp.LeaderEpoch, rp.EndOffset = p.LeaderEpoch, end.Offset
					}
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

// endOfEpoch is the bound of the log at which a leader epoch ends, as a timestamp of ListOffsets. What is below none ends, as in Kafka, where the first epoch begins.
func endOfEpoch(epoch int32) (bound int64, known bool) {
	switch {
	case epoch == kafka.LeaderEpoch:
		return latestTimestamp, true
	case epoch < noLeaderEpoch:
		return earliestTimestamp, true
	}
	return 0, false
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
