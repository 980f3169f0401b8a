package api

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/topics"
)

// DescribeTopicPartitions v0 (KIP-966): topics by name, in pages of at most max.request.partition.size.limit partitions.
var _ = registerCall(kmsg.DescribeTopicPartitions, 0, 0, (*Handlers).describeTopicPartitions)

func (h *Handlers) describeTopicPartitions(_ context.Context, r *listener.Request, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	image := h.cfg.Image()
	place := newPlacement(h.reachable(r), zoneOf(r))
	var names []string
	for _, t := range req.Topics {
		names = append(names, t.Topic)
	}
	if req.Cursor != nil && (req.Cursor.Partition < 0 || (len(names) > 0 && !slices.Contains(names, req.Cursor.Topic))) {
		for _, name := range names { // an error above the topics has no place in this API
			out.Topics = append(out.Topics, topicPartitionsError(name, kerr.InvalidRequest.Code))
		}
		return out
	}
	if len(names) == 0 {
		for _, t := range image.Topics() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	left := max(min(h.cfg.Settings.MaxPartitionsPage, req.ResponsePartitionLimit), 1)
	for _, name := range names {
		first := int32(0)
		if req.Cursor != nil {
			if name < req.Cursor.Topic {
				continue
			}
			if name == req.Cursor.Topic {
				first = req.Cursor.Partition
			}
		}
		if left == 0 {
			out.NextCursor = nextCursor(name, first)
			return out
		}
		t, ok := topicByName(image, name)
		if !ok {
			out.Topics = append(out.Topics, topicPartitionsError(name, unknownTopic(name)))
			continue
		}
		last := int32(min(int64(len(t.Coordinators)), int64(first)+int64(left)))
		out.Topics = append(out.Topics, describedTopic(t, first, last, place))
		left -= max(last-first, 0)
		if last < int32(len(t.Coordinators)) {
			out.NextCursor = nextCursor(name, last)
			return out
		}
	}
	return out
}

func nextCursor(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	return &c
}

func topicPartitionsError(name string, code int16) kmsg.DescribeTopicPartitionsResponseTopic {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.ErrorCode = &name, code
	return rt
}

func describedTopic(t *topics.Topic, first, last int32, place placement) kmsg.DescribeTopicPartitionsResponseTopic {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.TopicID, rt.AuthorizedOperations = &t.Name, t.ID, topicOperations
	for p := first; p < last; p++ {
		rp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		rp.Partition, rp.LeaderEpoch = p, kafka.LeaderEpoch
		if rp.LeaderID = place.broker(t.ID, p); rp.LeaderID < 0 {
			rp.ErrorCode = kerr.LeaderNotAvailable.Code
		} else {
			rp.Replicas, rp.ISR = []int32{rp.LeaderID}, []int32{rp.LeaderID}
		}
		rp.EligibleLeaderReplicas, rp.LastKnownELR = []int32{}, []int32{}
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}
