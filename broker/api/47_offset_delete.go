package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// OffsetDelete v0. Partitions that do not exist are refused here, as in Kafka; the rest goes to the Group Coordinator.
var _ = registerCall(kmsg.OffsetDelete, 0, 0, (*Handlers).offsetDelete)

func (h *Handlers) offsetDelete(ctx context.Context, r *listener.Request, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	image := h.cfg.Image()
	forwarded := *req
	forwarded.Topics = nil
	var refused []kmsg.OffsetDeleteResponseTopic
	for _, t := range req.Topics {
		topic, known := topicByName(image, t.Topic)
		missing := kmsg.NewOffsetDeleteResponseTopic()
		missing.Topic = t.Topic
		all := t.Partitions
		t.Partitions = nil
		for _, p := range all {
			if known && exists(topic, p.Partition) {
				t.Partitions = append(t.Partitions, p)
				continue
			}
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			missing.Partitions = append(missing.Partitions, rp)
		}
		if len(t.Partitions) > 0 {
			forwarded.Topics = append(forwarded.Topics, t)
		}
		if len(missing.Partitions) > 0 {
			refused = append(refused, missing)
		}
	}
	// The coordinator is asked in any case: it says whether there is such a group.
	out := h.forward(ctx, r, toGroup(req.Group), &forwarded, 0, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.OffsetDeleteResponse).ErrorCode = code
	}).(*kmsg.OffsetDeleteResponse)
	if out.ErrorCode == 0 {
		for _, t := range refused {
			out.Topics = mergeDeletedTopic(out.Topics, t)
		}
	}
	return out
}

// mergeDeletedTopic keeps a topic in one place of the answer.
func mergeDeletedTopic(all []kmsg.OffsetDeleteResponseTopic, t kmsg.OffsetDeleteResponseTopic) []kmsg.OffsetDeleteResponseTopic {
	for i := range all {
		if all[i].Topic == t.Topic {
			all[i].Partitions = append(all[i].Partitions, t.Partitions...)
			return all
		}
	}
	return append(all, t)
}
