package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Metadata v0-13. Every partition is placed on a live broker of the client's zone; that broker is its leader, its only replica and its ISR. Topics that do not exist are
// created on first use where auto.create.topics.enable and the request allow it.
var _ = registerCall(kmsg.Metadata, 0, 13, (*Handlers).metadata)

func (h *Handlers) metadata(ctx context.Context, r *listener.Request, req *kmsg.MetadataRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.MetadataResponse)
	if namesByIDTooEarly(req) {
		for _, t := range req.Topics {
			rt := kmsg.NewMetadataResponseTopic()
			rt.Topic, rt.ErrorCode = t.Topic, kerr.InvalidRequest.Code
			out.Topics = append(out.Topics, rt)
		}
		return out
	}
	brokers := h.reachable(r)
	for _, b := range brokers {
		rb := kmsg.NewMetadataResponseBroker()
		rb.NodeID, rb.Host, rb.Port = b.ID, b.listener.Host, b.listener.Port
		if b.Rack != "" {
			rb.Rack = &b.Rack
		}
		out.Brokers = append(out.Brokers, rb)
	}
	out.ClusterID = &h.cfg.ClusterUUID
	out.ControllerID = h.cfg.BrokerID // admin calls are proxied by every broker
	if req.IncludeClusterAuthorizedOperations {
		out.AuthorizedOperations = clusterOperations
	}
	place := newPlacement(brokers, zoneOf(r))
	if allTopics(req) {
		for _, t := range h.cfg.Image().Topics() {
			out.Topics = append(out.Topics, metadataTopic(req, t, place))
		}
		return out
	}
	asked := askedTopics(req)
	if h.cfg.Settings.AutoCreateTopics && (req.Version < 4 || req.AllowAutoTopicCreation) {
		h.createMissing(ctx, r, asked)
	}
	image := h.cfg.Image()
	for _, t := range asked {
		answer := requestedTopic(image, req, t, place)
		if answer.ErrorCode == kerr.InvalidTopicException.Code {
			h.refusedCode(r, answer.ErrorCode, kmsg.StringPtr(kafka.InvalidTopicName(*t.Topic)), "topic", limitedlog.Capped(*t.Topic))
		}
		out.Topics = append(out.Topics, answer)
	}
	return out
}

// askedTopics leaves each topic once, as Kafka does. Where there are ids, names do not count.
func askedTopics(req *kmsg.MetadataRequest) []kmsg.MetadataRequestTopic {
	byID := false
	for _, t := range req.Topics {
		byID = byID || !kafka.TopicID(t.TopicID).IsZero()
	}
	names, ids := make(map[string]bool, len(req.Topics)), map[kafka.TopicID]bool{}
	var asked []kmsg.MetadataRequestTopic
	for _, t := range req.Topics {
		id := kafka.TopicID(t.TopicID)
		switch {
		case byID && (id.IsZero() || ids[id]):
		case byID:
			ids[id] = true
			asked = append(asked, t)
		case t.Topic == nil:
			asked = append(asked, t)
		case !names[*t.Topic]:
			names[*t.Topic] = true
			asked = append(asked, t)
		}
	}
	return asked
}

// firstByTopicID: v10 and v11 have a field for the id, and no meaning for it.
const firstByTopicID = 12

// namesByIDTooEarly: Kafka refuses the whole request.
func namesByIDTooEarly(req *kmsg.MetadataRequest) bool {
	if req.Version >= firstByTopicID {
		return false
	}
	for _, t := range req.Topics {
		if t.Topic == nil || !kafka.TopicID(t.TopicID).IsZero() {
			return true
		}
	}
	return false
}

// allTopics: v0 asks for all with an empty list, later versions with none.
func allTopics(req *kmsg.MetadataRequest) bool {
	if req.Version == 0 {
		return len(req.Topics) == 0
	}
	return req.Topics == nil
}

func requestedTopic(image *clusterimage.Image, req *kmsg.MetadataRequest, t kmsg.MetadataRequestTopic, place placement) kmsg.MetadataResponseTopic {
	missing := kmsg.NewMetadataResponseTopic()
	if t.Topic == nil || !kafka.TopicID(t.TopicID).IsZero() { // an id counts more than a name
		if topic, ok := topicByID(image, t.TopicID); ok {
			return metadataTopic(req, topic, place)
		}
		missing.TopicID, missing.ErrorCode = t.TopicID, kerr.UnknownTopicID.Code
		return missing
	}
	if topic, ok := topicByName(image, *t.Topic); ok {
		return metadataTopic(req, topic, place)
	}
	missing.Topic, missing.ErrorCode = t.Topic, unknownTopic(*t.Topic)
	return missing
}

// unknownTopic is the code of a topic that does not exist, or not yet: clients ask again.
func unknownTopic(name string) int16 {
	if kafka.InvalidTopicName(name) != "" {
		return kerr.InvalidTopicException.Code
	}
	return kerr.UnknownTopicOrPartition.Code
}

func metadataTopic(req *kmsg.MetadataRequest, t *topics.Topic, place placement) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID = &t.Name, t.ID
	if req.IncludeTopicAuthorizedOperations {
		rt.AuthorizedOperations = topicOperations
	}
	rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Coordinators))
	for i := range rt.Partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.LeaderEpoch = int32(i), kafka.LeaderEpoch
		p.Leader = place.broker(t.ID, int32(i))
		if p.Leader < 0 {
			p.ErrorCode = kerr.LeaderNotAvailable.Code
		} else {
			p.Replicas, p.ISR = []int32{p.Leader}, []int32{p.Leader}
		}
		rt.Partitions[i] = p
	}
	return rt
}

// createMissing asks the controller for those of the topics that this broker does not know. Its errors are not the client's business: the
// topic will be missing in the answer.
func (h *Handlers) createMissing(ctx context.Context, r *listener.Request, topics []kmsg.MetadataRequestTopic) {
	image := h.cfg.Image()
	create := kmsg.NewPtrCreateTopicsRequest()
	create.SetVersion(7)
	create.TimeoutMillis = 15_000
	for _, t := range topics {
		if t.Topic == nil || kafka.InvalidTopicName(*t.Topic) != "" || hostedElsewhere(*t.Topic) {
			continue
		}
		if _, ok := topicByName(image, *t.Topic); ok {
			continue
		}
		ct := kmsg.NewCreateTopicsRequestTopic()
		ct.Topic, ct.NumPartitions, ct.ReplicationFactor = *t.Topic, -1, -1
		create.Topics = append(create.Topics, ct)
	}
	if len(create.Topics) == 0 {
		return
	}
	resp, err := h.cfg.Forwarder.Forward(ctx, &rpc.ForwardRequest{Target: toController, Client: client(r), Request: create}, 0)
	if err != nil {
		h.log.Warn("auto-creation of topics failed", "topic", create.Topics[0].Topic, "topics", len(create.Topics), "error", err)
		return
	}
	for _, t := range resp.Response.(*kmsg.CreateTopicsResponse).Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && err != error(kerr.TopicAlreadyExists) { // another broker was asked, too
			h.log.Warn("auto-creation of a topic failed", "topic", t.Topic, "error", err)
		}
	}
}

// hostedElsewhere: Kafka's internal topics are the Metadata Kafka Cluster's; asking for one must not make a topic of clients of its name.
func hostedElsewhere(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state"
}
