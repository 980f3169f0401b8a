package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// OffsetCommit v2-10. Offsets of topics that do not exist are refused here, as in Kafka; the rest goes to the Group Coordinator. v10 names topics by id:
// their names are added on the way.
var _ = register(kmsg.OffsetCommit, 2, 10, (*Handlers).offsetCommit)

func (h *Handlers) offsetCommit(ctx context.Context, r *listener.Request, req *kmsg.OffsetCommitRequest) kmsg.Response {
	topics := h.cfg.Topics()
	out := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	forwarded := *req
	forwarded.Topics = nil
	var known []int // indexes of the topics that are forwarded
	for i, t := range req.Topics {
		out.Topics = append(out.Topics, offsetCommitAnswer(t, 0))
		found, ok := topics.named(t.Topic)
		missing := kerr.UnknownTopicOrPartition
		if req.Version >= 10 {
			found, ok = topics.identified(t.TopicID)
			missing = kerr.UnknownTopicID
		}
		if !ok && h.isAdmin(r) {
			out.Topics[i] = offsetCommitAnswer(t, missing.Code)
			continue
		}
		if ok {
			t.Topic = found.Name
		}
		known = append(known, i)
		forwarded.Topics = append(forwarded.Topics, t)
	}
	if len(known) == 0 && len(req.Topics) > 0 {
		return out
	}
	resp := h.coordinate(ctx, r, &forwarded, func(resp kmsg.Response, code int16) {
		for _, t := range forwarded.Topics {
			resp.(*kmsg.OffsetCommitResponse).Topics = append(resp.(*kmsg.OffsetCommitResponse).Topics, offsetCommitAnswer(t, code))
		}
	}).(*kmsg.OffsetCommitResponse)
	for i, t := range resp.Topics {
		if i < len(known) {
			out.Topics[known[i]].Partitions = t.Partitions
		}
	}
	return out
}

func offsetCommitAnswer(t kmsg.OffsetCommitRequestTopic, code int16) kmsg.OffsetCommitResponseTopic {
	rt := kmsg.NewOffsetCommitResponseTopic()
	rt.Topic, rt.TopicID = t.Topic, t.TopicID
	for _, p := range t.Partitions {
		rp := kmsg.NewOffsetCommitResponseTopicPartition()
		rp.Partition, rp.ErrorCode = p.Partition, code
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}
