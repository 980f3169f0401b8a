package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/listener"
)

// OffsetFetch v1-10. Since v8 a request may name several groups, which may have different coordinators: each is asked for itself. v10 names topics by
// id: ids are translated to names on the way there and back.
var _ = registerCall(kmsg.OffsetFetch, 1, 10, (*Handlers).offsetFetch)

func (h *Handlers) offsetFetch(ctx context.Context, r *listener.Request, req *kmsg.OffsetFetchRequest) kmsg.Response {
	if req.Version < 8 {
		return h.forward(ctx, r, toGroup(req.Group), req, 0, func(resp kmsg.Response, code int16) {
			answer := resp.(*kmsg.OffsetFetchResponse)
			if answer.ErrorCode = code; req.Version >= 2 {
				return
			}
			for _, t := range req.Topics { // v1 has no code above the partitions
				rt := kmsg.NewOffsetFetchResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetFetchResponseTopicPartition()
					rp.Partition, rp.Offset, rp.ErrorCode = p, -1, code
					rt.Partitions = append(rt.Partitions, rp)
				}
				answer.Topics = append(answer.Topics, rt)
			}
		})
	}
	out := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	for _, g := range req.Groups {
		out.Groups = append(out.Groups, h.offsetFetchGroup(ctx, r, req, g))
	}
	return out
}

func (h *Handlers) offsetFetchGroup(ctx context.Context, r *listener.Request, req *kmsg.OffsetFetchRequest, g kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	image := h.cfg.Image() // one for both ways: ids and names must match
	one := *req
	one.Version = min(req.Version, firstOffsetsByID-1)
	var unknown []kmsg.OffsetFetchResponseGroupTopic
	if req.Version >= firstOffsetsByID && g.Topics != nil {
		g.Topics, unknown = namesForIDs(image, g.Topics)
	}
	one.Groups = []kmsg.OffsetFetchRequestGroup{g}
	resp := h.forward(ctx, r, toGroup(g.Group), &one, 0, func(resp kmsg.Response, code int16) {
		rg := kmsg.NewOffsetFetchResponseGroup()
		rg.Group, rg.ErrorCode = g.Group, code
		resp.(*kmsg.OffsetFetchResponse).Groups = append(resp.(*kmsg.OffsetFetchResponse).Groups, rg)
	}).(*kmsg.OffsetFetchResponse)
	if len(resp.Groups) != 1 {
		rg := kmsg.NewOffsetFetchResponseGroup()
		rg.Group, rg.ErrorCode = g.Group, kerr.UnknownServerError.Code
		return rg
	}
	rg := resp.Groups[0]
	if req.Version >= firstOffsetsByID && rg.ErrorCode == 0 {
		kept := rg.Topics[:0]
		for _, t := range rg.Topics {
			if topic, ok := topicByName(image, t.Topic); ok { // offsets of a topic that is gone have no id to answer with
				t.TopicID = topic.ID
				kept = append(kept, t)
			}
		}
		rg.Topics = append(kept, unknown...)
	}
	return rg
}

// namesForIDs fills in the names of topics; those whose id is unknown are answered here.
func namesForIDs(image *clusterimage.Image, ts []kmsg.OffsetFetchRequestGroupTopic) (known []kmsg.OffsetFetchRequestGroupTopic, unknown []kmsg.OffsetFetchResponseGroupTopic) {
	known = []kmsg.OffsetFetchRequestGroupTopic{} // not nil, which means all topics
	for _, t := range ts {
		if topic, ok := topicByID(image, t.TopicID); ok {
			t.Topic = topic.Name
			known = append(known, t)
			continue
		}
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.TopicID = t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition, rp.Offset, rp.Metadata, rp.ErrorCode = p, -1, kmsg.StringPtr(""), kerr.UnknownTopicID.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		unknown = append(unknown, rt)
	}
	return known, unknown
}
