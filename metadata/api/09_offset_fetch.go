package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// OffsetFetch v1-10 goes to the Group Coordinator. v10 names topics by id: their names are added on the way, and where all of a group's topics are asked for, the
// ids on the way back.
var _ = register(kmsg.OffsetFetch, 1, 10, (*Handlers).offsetFetch)

func (h *Handlers) offsetFetch(ctx context.Context, r *listener.Request, req *kmsg.OffsetFetchRequest) kmsg.Response {
	topics := h.cfg.Topics()
	if req.Version >= 10 {
		for _, g := range req.Groups {
			for i := range g.Topics {
				if t, ok := topics.identified(g.Topics[i].TopicID); ok {
					g.Topics[i].Topic = t.Name
				}
			}
		}
	}
	resp := h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		refuseOffsetFetch(req, resp.(*kmsg.OffsetFetchResponse), code)
	}).(*kmsg.OffsetFetchResponse)
	if req.Version >= 10 {
		for i := range resp.Groups {
			addTopicIDs(topics, &resp.Groups[i])
		}
	}
	return resp
}

func refuseOffsetFetch(req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse, code int16) {
	resp.ErrorCode = code
	for _, g := range req.Groups { // since v8
		rg := kmsg.NewOffsetFetchResponseGroup()
		rg.Group, rg.ErrorCode = g.Group, code
		resp.Groups = append(resp.Groups, rg)
	}
	for _, t := range req.Topics { // v1 has no code but those of partitions
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.ErrorCode = p, -1, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
}

// addTopicIDs fills in what the coordinator does not know. Offsets of a topic that is gone have no id to answer with and are left out.
func addTopicIDs(topics *Topics, g *kmsg.OffsetFetchResponseGroup) {
	kept := g.Topics[:0]
	for _, t := range g.Topics {
		if t.TopicID == ([16]byte{}) {
			found, ok := topics.named(t.Topic)
			if !ok {
				continue
			}
			t.TopicID = found.id
		}
		kept = append(kept, t)
	}
	g.Topics = kept
}
