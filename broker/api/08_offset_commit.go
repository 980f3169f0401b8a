package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// OffsetCommit v2-10. Offsets of topics that do not exist are refused here, as in Kafka; the rest goes to the Group Coordinator. v10 names topics by id
// (KIP-848): ids are translated to names on the way there and back.
var _ = registerCall(kmsg.OffsetCommit, 2, 10, (*Handlers).offsetCommit)

func (h *Handlers) offsetCommit(ctx context.Context, r *listener.Request, req *kmsg.OffsetCommitRequest) kmsg.Response {
	image := h.cfg.Image()
	byID := req.Version >= 10
	answers := make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	known := make([]int, 0, len(req.Topics)) // indexes of the topics that are forwarded
	forwarded := *req
	forwarded.Version = min(req.Version, 9)
	forwarded.Topics = nil
	for i, t := range req.Topics {
		answers[i] = offsetCommitAnswer(t, 0)
		name, code := t.Topic, kerr.UnknownTopicOrPartition.Code
		found, ok := topicByName(image, t.Topic)
		if byID {
			code = kerr.UnknownTopicID.Code
			if found, ok = topicByID(image, t.TopicID); ok {
				name = found.Name
			}
		}
		if !ok {
			answers[i] = offsetCommitAnswer(t, code)
			continue
		}
		t.Topic = name
		known = append(known, i)
		forwarded.Topics = append(forwarded.Topics, t)
	}
	out := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	out.Topics = answers
	if len(known) == 0 && len(req.Topics) > 0 {
		return out
	}
	resp := h.forward(ctx, r, toGroup(req.Group), &forwarded, 0, func(resp kmsg.Response, code int16) {
		for _, t := range forwarded.Topics {
			resp.(*kmsg.OffsetCommitResponse).Topics = append(resp.(*kmsg.OffsetCommitResponse).Topics, offsetCommitAnswer(t, code))
		}
	}).(*kmsg.OffsetCommitResponse)
	for i, t := range resp.Topics {
		if i < len(known) {
			at := known[i]
			answers[at].Partitions = t.Partitions
		}
	}
	out.ThrottleMillis = resp.ThrottleMillis
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
