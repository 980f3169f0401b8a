package api

import (
	"context"
	"slices"
	"sort"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// DescribeTopicPartitions v0: topics by name, in pages of at most max.request.partition.size.limit partitions. Who is no administrator is told of no topic.
var _ = register(kmsg.DescribeTopicPartitions, 0, 0, (*Handlers).describeTopicPartitions)

func (h *Handlers) describeTopicPartitions(_ context.Context, r *listener.Request, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	topics, admin := h.cfg.Topics(), h.isAdmin(r)
	left := h.cfg.MaxPartitionsPage
	if req.ResponsePartitionLimit > 0 {
		left = min(left, req.ResponsePartitionLimit)
	}
	for _, name := range describedNames(req, topics, admin) {
		first := int32(0)
		if req.Cursor != nil && name == req.Cursor.Topic {
			first = max(req.Cursor.Partition, 0)
		}
		if left == 0 {
			out.NextCursor = nextCursor(name, first)
			break
		}
		t, ok := topics.named(name)
		if !admin || !ok {
			out.Topics = append(out.Topics, undescribed(name, admin))
			continue
		}
		last := min(int32(len(t.Partitions)), first+left)
		out.Topics = append(out.Topics, described(t, first, last))
		left -= max(last-first, 0)
		if last < int32(len(t.Partitions)) {
			out.NextCursor = nextCursor(name, last)
			break
		}
	}
	return out
}

// describedNames are the topics from the request's cursor on, sorted.
func describedNames(req *kmsg.DescribeTopicPartitionsRequest, topics *Topics, admin bool) (names []string) {
	for _, t := range req.Topics {
		names = append(names, t.Topic)
	}
	if len(names) == 0 && admin {
		for _, t := range topics.sorted {
			names = append(names, t.Name)
		}
	}
	sort.Strings(names)
	names = slices.Compact(names)
	if req.Cursor != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return name < req.Cursor.Topic })
	}
	return names
}

func nextCursor(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	return &c
}

func undescribed(name string, admin bool) kmsg.DescribeTopicPartitionsResponseTopic {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.ErrorCode = &name, kerr.UnknownTopicOrPartition.Code
	if !admin {
		rt.ErrorCode = kerr.TopicAuthorizationFailed.Code
	}
	return rt
}

func described(t *topic, first, last int32) kmsg.DescribeTopicPartitionsResponseTopic {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.TopicID, rt.IsInternal = &t.Name, t.id, isInternal(t.Name)
	for p := first; p < last; p++ {
		rp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		rp.Partition, rp.LeaderEpoch = p, kafka.LeaderEpoch
		rp.Replicas, rp.ISR = t.Partitions[p].Voters, t.Partitions[p].inSync()
		rp.EligibleLeaderReplicas, rp.LastKnownELR = []int32{}, []int32{}
		if rp.LeaderID = t.Partitions[p].leader(); rp.LeaderID < 0 {
			rp.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}
