package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// ListOffsets v1-11, exact to the record. There is no local or tiered copy to tell apart: the earliest local offset is the log start, the latest tiered one and the
// earliest pending upload are unknown (-1), as Kafka answers for a topic without remote storage.
var _ = registerCall(kmsg.ListOffsets, 1, 11, (*Handlers).listOffsets)

const (
	latestTimestamp                = -1
	earliestTimestamp              = -2
	maxTimestamp                   = -3
	earliestLocalTimestamp         = -4
	latestTieredTimestamp          = -5
	earliestPendingUploadTimestamp = -6
)

func (h *Handlers) listOffsets(ctx context.Context, r *listener.Request, req *kmsg.ListOffsetsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	image := h.cfg.Image()
	seen := map[kafka.TopicPartition]int{}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			seen[kafka.TopicPartition{Topic: t.Topic, Partition: p.Partition}]++
		}
	}
	for _, t := range req.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		topic, known := topicByName(image, t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Timestamp, rp.Offset, rp.LeaderEpoch = p.Partition, -1, -1, -1
			tp := kafka.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			switch times := seen[tp]; {
			case !isolationKnown(req.IsolationLevel):
				rp.ErrorCode = kerr.UnknownServerError.Code
			case times == answeredTwice:
				continue
			case times > 1:
				rp.ErrorCode = kerr.InvalidRequest.Code
				seen[tp] = answeredTwice
			case !timestampKnown(p.Timestamp, req.Version):
				rp.ErrorCode = kerr.UnsupportedVersion.Code
			case !known || p.Partition < 0 || int(p.Partition) >= len(topic.Coordinators):
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case leaderEpochError(p.CurrentLeaderEpoch) != 0:
				rp.ErrorCode = leaderEpochError(p.CurrentLeaderEpoch)
			default:
				h.listOffset(ctx, r, h.partition(image, topic, p.Partition), p.Timestamp, &rp)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		if len(rt.Partitions) > 0 {
			out.Topics = append(out.Topics, rt)
		}
	}
	return out
}

// answeredTwice marks a partition that was named twice, and has had the one answer that there is, as in Kafka.
const answeredTwice = -1

// isolationKnown says whether Kafka has an isolation level (0 is read uncommitted, 1 read committed); it answers a request with another one as a failure of its own.
func isolationKnown(level int8) bool { return level == 0 || level == 1 }

// timestampKnown says whether a special timestamp is known in a version of the request.
func timestampKnown(timestamp int64, version int16) bool {
	switch {
	case timestamp >= earliestTimestamp:
		return true
	case timestamp == maxTimestamp:
		return version >= 7
	case timestamp == earliestLocalTimestamp:
		return version >= 8
	case timestamp == latestTieredTimestamp:
		return version >= 9
	case timestamp == earliestPendingUploadTimestamp:
		return version >= 11
	}
	return false
}

func (h *Handlers) listOffset(ctx context.Context, r *listener.Request, p Partition, timestamp int64, rp *kmsg.ListOffsetsResponseTopicPartition) {
	switch timestamp {
	case latestTieredTimestamp, earliestPendingUploadTimestamp:
		return
	case earliestLocalTimestamp:
		timestamp = earliestTimestamp
	}
	found := h.cfg.Fetcher.ListOffset(ctx, p, timestamp)
	if rp.ErrorCode = h.code(r, found.Err); rp.ErrorCode != 0 || found.Offset < 0 {
		return
	}
	rp.Offset, rp.LeaderEpoch = found.Offset, kafka.LeaderEpoch
	if timestamp != latestTimestamp && timestamp != earliestTimestamp { // the bounds are no records, and have no time
		rp.Timestamp = found.Timestamp
	}
}
