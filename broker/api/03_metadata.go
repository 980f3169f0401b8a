package api

import (
	"context"
	"regexp"
	"sort"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
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
	place := newPlacement(brokers, zoneOf(r))
	if allTopics(req) {
		for _, t := range sortedTopics(h.cfg.Image()) {
			out.Topics = append(out.Topics, metadataTopic(t, place))
		}
		return out
	}
	if h.cfg.Settings.AutoCreateTopics && (req.Version < 4 || req.AllowAutoTopicCreation) {
		h.createMissing(ctx, r, req)
	}
	image := h.cfg.Image()
	for _, t := range req.Topics {
		out.Topics = append(out.Topics, h.requestedTopic(image, req, t, place))
	}
	return out
}

// allTopics: v0 asks for all with an empty list, later versions with none.
func allTopics(req *kmsg.MetadataRequest) bool {
	if req.Version == 0 {
		return len(req.Topics) == 0
	}
	return req.Topics == nil
}

func (h *Handlers) requestedTopic(image *clusterimage.Image, req *kmsg.MetadataRequest, t kmsg.MetadataRequestTopic, place placement) kmsg.MetadataResponseTopic {
	missing := kmsg.NewMetadataResponseTopic()
	missing.Topic, missing.TopicID = t.Topic, t.TopicID
	if t.Topic == nil {
		if topic, ok := topicByID(image, t.TopicID); ok {
			return metadataTopic(topic, place)
		}
		missing.ErrorCode = kerr.UnknownTopicID.Code
		return missing
	}
	if req.Version < 10 || kafka.TopicID(t.TopicID).IsZero() {
		if topic, ok := topicByName(image, *t.Topic); ok {
			return metadataTopic(topic, place)
		}
	}
	missing.ErrorCode = kerr.UnknownTopicOrPartition.Code
	if !validTopicName(*t.Topic) {
		missing.ErrorCode = kerr.InvalidTopicException.Code
	} else if h.cfg.Settings.AutoCreateTopics && (req.Version < 4 || req.AllowAutoTopicCreation) {
		missing.ErrorCode = kerr.LeaderNotAvailable.Code // its creation was tried; the client asks again
	}
	return missing
}

func metadataTopic(t *topics.Topic, place placement) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID = &t.Name, t.ID
	rt.IsInternal = false
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

// createMissing asks the controller for the topics of req that this broker does not know. Its errors are not the client's business: the
// topic will be missing in the answer.
func (h *Handlers) createMissing(ctx context.Context, r *listener.Request, req *kmsg.MetadataRequest) {
	image := h.cfg.Image()
	create := kmsg.NewPtrCreateTopicsRequest()
	create.SetVersion(7)
	create.TimeoutMillis = 15_000
	asked := map[string]bool{}
	for _, t := range req.Topics {
		if t.Topic == nil || asked[*t.Topic] || !validTopicName(*t.Topic) {
			continue
		}
		if _, ok := topicByName(image, *t.Topic); ok {
			continue
		}
		asked[*t.Topic] = true
		ct := kmsg.NewCreateTopicsRequestTopic()
		ct.Topic, ct.NumPartitions, ct.ReplicationFactor = *t.Topic, -1, -1
		create.Topics = append(create.Topics, ct)
	}
	if len(create.Topics) == 0 {
		return
	}
	if _, err := h.cfg.Forwarder.Forward(ctx, &rpc.ForwardRequest{Target: toController, Client: client(r), Request: create}, 0); err != nil {
		h.cfg.Logger.Warn("auto-creation of topics failed", "topic", create.Topics[0].Topic, "topics", len(create.Topics), "error", err)
	}
}

var legalTopicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// validTopicName is Kafka's Topic.isValid.
func validTopicName(name string) bool {
	return legalTopicName.MatchString(name) && name != "." && name != ".."
}

func sortedTopics(image *clusterimage.Image) []*topics.Topic {
	all := allTopicsOf(image)
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
