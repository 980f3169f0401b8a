package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// OffsetCommit v2-10. Partitions that do not exist are refused here, as in Kafka; the rest goes to the Group Coordinator. v10 names topics by id
// (KIP-848): ids are translated to names on the way there and back.
var _ = registerCall(kmsg.OffsetCommit, 2, 10, (*Handlers).offsetCommit)

const firstOffsetsByID = 10 // of OffsetCommit and OffsetFetch

// offsetKey is where a partition's code goes in the answer.
type offsetKey struct {
	topic     string
	partition int32
}

func (h *Handlers) offsetCommit(ctx context.Context, r *listener.Request, req *kmsg.OffsetCommitRequest) kmsg.Response {
	image := h.cfg.Image()
	out := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	forwarded := *req
	forwarded.Version = min(req.Version, firstOffsetsByID-1)
	forwarded.Topics = nil
	var names []string // of the topics in out
	for _, t := range req.Topics {
		topic, code := committedTopic(image, req, t)
		if topic == nil {
			out.Topics, names = append(out.Topics, offsetCommitAnswer(t, code)), append(names, "")
			continue
		}
		if len(t.Partitions) == 0 {
			continue // as Kafka, which answers only a topic that it does not know
		}
		i := len(out.Topics)
		out.Topics, names = append(out.Topics, offsetCommitAnswer(t, code)), append(names, topic.Name)
		t.Topic, t.TopicID = topic.Name, topic.ID
		all := t.Partitions
		t.Partitions = nil
		for j, p := range all {
			if exists(topic, p.Partition) {
				t.Partitions = append(t.Partitions, p)
				out.Topics[i].Partitions[j].ErrorCode = kerr.UnknownServerError.Code // until the coordinator says otherwise
			} else {
				out.Topics[i].Partitions[j].ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
		}
		if len(t.Partitions) > 0 {
			forwarded.Topics = append(forwarded.Topics, t)
		}
	}
	if req.Group != rpc.MembershipGroup && len(forwarded.Topics) == 0 {
		return out
	}
	resp := h.forward(ctx, r, toGroup(req.Group), &forwarded, 0, func(resp kmsg.Response, code int16) {
		for _, t := range forwarded.Topics {
			resp.(*kmsg.OffsetCommitResponse).Topics = append(resp.(*kmsg.OffsetCommitResponse).Topics, offsetCommitAnswer(t, code))
		}
	}).(*kmsg.OffsetCommitResponse)
	out.ThrottleMillis = resp.ThrottleMillis
	takeOffsetCodes(out, resp, names)
	return out
}

// committedTopic finds a topic by its name or id, nil with the code of its partitions.
func committedTopic(image *clusterimage.Image, req *kmsg.OffsetCommitRequest, t kmsg.OffsetCommitRequestTopic) (*topics.Topic, int16) {
	if req.Version >= firstOffsetsByID {
		if topic, ok := topicByID(image, t.TopicID); ok {
			return topic, 0
		}
		return nil, kerr.UnknownTopicID.Code
	}
	if topic, ok := topicByName(image, t.Topic); ok {
		return topic, 0
	}
	return nil, kerr.UnknownTopicOrPartition.Code
}

// takeOffsetCodes puts the coordinator's codes in their places, whatever order they came in.
func takeOffsetCodes(out, resp *kmsg.OffsetCommitResponse, names []string) {
	codes := map[offsetKey]int16{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes[offsetKey{t.Topic, p.Partition}] = p.ErrorCode
		}
	}
	for i := range out.Topics {
		for j := range out.Topics[i].Partitions {
			p := &out.Topics[i].Partitions[j]
			if code, ok := codes[offsetKey{names[i], p.Partition}]; ok {
				p.ErrorCode = code
			}
		}
	}
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
