package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// CreateTopics v2-7, DeleteTopics v1-6 and CreatePartitions v0-3 are the Controller's. The answer leaves when this broker's own image shows
// the change.
var (
	_ = registerCall(kmsg.CreateTopics, 2, 7, (*Handlers).createTopics)
	_ = registerCall(kmsg.DeleteTopics, 1, 6, (*Handlers).deleteTopics)
	_ = registerCall(kmsg.CreatePartitions, 0, 3, (*Handlers).createPartitions)
)

func (h *Handlers) createTopics(ctx context.Context, r *listener.Request, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := h.forward(ctx, r, toController, req, 0, func(resp kmsg.Response, code int16) {
		for _, t := range req.Topics {
			rt := kmsg.NewCreateTopicsResponseTopic()
			rt.Topic, rt.ErrorCode = t.Topic, code
			resp.(*kmsg.CreateTopicsResponse).Topics = append(resp.(*kmsg.CreateTopicsResponse).Topics, rt)
		}
	})
	for _, t := range resp.(*kmsg.CreateTopicsResponse).Topics {
		h.refusedCode(r, t.ErrorCode, t.ErrorMessage, "topic", limitedlog.Capped(t.Topic))
	}
	return resp
}

func (h *Handlers) deleteTopics(ctx context.Context, r *listener.Request, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := h.forward(ctx, r, toController, req, 0, func(resp kmsg.Response, code int16) {
		answer := resp.(*kmsg.DeleteTopicsResponse)
		for _, name := range req.TopicNames {
			rt := kmsg.NewDeleteTopicsResponseTopic()
			rt.Topic, rt.ErrorCode = kmsg.StringPtr(name), code
			answer.Topics = append(answer.Topics, rt)
		}
		for _, t := range req.Topics {
			rt := kmsg.NewDeleteTopicsResponseTopic()
			rt.Topic, rt.TopicID, rt.ErrorCode = t.Topic, t.TopicID, code
			answer.Topics = append(answer.Topics, rt)
		}
	})
	for _, t := range resp.(*kmsg.DeleteTopicsResponse).Topics {
		h.refusedCode(r, t.ErrorCode, t.ErrorMessage, "topic", limitedlog.Capped(nameOf(t)))
	}
	return resp
}

// nameOf is what the client called the topic.
func nameOf(t kmsg.DeleteTopicsResponseTopic) string {
	if t.Topic != nil {
		return *t.Topic
	}
	return kafka.TopicID(t.TopicID).String()
}

func (h *Handlers) createPartitions(ctx context.Context, r *listener.Request, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := h.forward(ctx, r, toController, req, 0, func(resp kmsg.Response, code int16) {
		for _, t := range req.Topics {
			rt := kmsg.NewCreatePartitionsResponseTopic()
			rt.Topic, rt.ErrorCode = t.Topic, code
			resp.(*kmsg.CreatePartitionsResponse).Topics = append(resp.(*kmsg.CreatePartitionsResponse).Topics, rt)
		}
	})
	for _, t := range resp.(*kmsg.CreatePartitionsResponse).Topics {
		h.refusedCode(r, t.ErrorCode, t.ErrorMessage, "topic", limitedlog.Capped(t.Topic))
	}
	return resp
}
