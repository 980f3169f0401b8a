package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// Metadata v0-13. Topics are never created by asking for them. Who is no administrator is told the nodes, and of no topic.
var _ = register(kmsg.Metadata, 0, 13, (*Handlers).metadata)

func (h *Handlers) metadata(_ context.Context, r *listener.Request, req *kmsg.MetadataRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.MetadataResponse)
	for _, n := range h.cfg.Nodes() {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = n.ID, n.Host, n.Port
		if n.Rack != "" {
			b.Rack = &n.Rack
		}
		out.Brokers = append(out.Brokers, b)
	}
	out.ClusterID, out.ControllerID = &h.cfg.ClusterID, h.cfg.Controller()
	topics := h.cfg.Topics()
	if req.Version == 0 && len(req.Topics) == 0 || req.Version > 0 && req.Topics == nil {
		if h.isAdmin(r) {
			for _, t := range topics.sorted {
				out.Topics = append(out.Topics, metadataTopic(t))
			}
		}
		return out
	}
	for _, t := range req.Topics {
		out.Topics = append(out.Topics, h.requestedTopic(r, req.Version, topics, t))
	}
	return out
}

func (h *Handlers) requestedTopic(r *listener.Request, version int16, topics *Topics, asked kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	refused := kmsg.NewMetadataResponseTopic()
	refused.Topic, refused.TopicID = asked.Topic, asked.TopicID
	var found *topic
	var ok bool
	if asked.Topic == nil {
		refused.ErrorCode = kerr.UnknownTopicID.Code
		found, ok = topics.identified(asked.TopicID)
	} else {
		refused.ErrorCode = kerr.UnknownTopicOrPartition.Code
		found, ok = topics.named(*asked.Topic)
	}
	// Whether an id is known is no secret in Kafka; whether a name exists is one.
	if (ok || asked.Topic != nil) && !h.isAdmin(r) {
		refused.ErrorCode = kerr.TopicAuthorizationFailed.Code
		return refused
	}
	if !ok {
		return refused
	}
	return metadataTopic(found)
}

func metadataTopic(t *topic) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID, rt.IsInternal = &t.Name, t.id, isInternal(t.Name)
	rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i := range rt.Partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.LeaderEpoch = int32(i), kafka.LeaderEpoch
		p.Replicas, p.ISR = t.Partitions[i].Voters, t.Partitions[i].inSync()
		if p.Leader = t.Partitions[i].leader(); p.Leader < 0 {
			p.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		rt.Partitions[i] = p
	}
	return rt
}

// isInternal is Kafka's Topic.isInternal. The topics of Inkless clusters are not called internal, so that a consumer's pattern finds them.
func isInternal(name string) bool { return name == consumerOffsets || name == "__transaction_state" }

// consumerOffsets is the Metadata Kafka Cluster's own topic of that name.
const consumerOffsets = "__consumer_offsets"
