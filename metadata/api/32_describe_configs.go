package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// DescribeConfigs v1-4. A topic has the settings that say what is kept of it; Kafka's others do not hold here. They are read-only. A node has no settings that can
// be asked for.
var _ = register(kmsg.DescribeConfigs, 1, 4, (*Handlers).describeConfigs)

func (h *Handlers) describeConfigs(_ context.Context, r *listener.Request, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	topics := h.cfg.Topics()
	for _, resource := range req.Resources {
		rr := kmsg.NewDescribeConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = resource.ResourceType, resource.ResourceName
		t, known := topics.named(resource.ResourceName)
		if code, message := h.describable(r, resource, known); code != nil {
			rr.ErrorCode, rr.ErrorMessage = code.Code, &message
		} else if resource.ResourceType == kmsg.ConfigResourceTypeTopic {
			rr.Configs = slices.DeleteFunc(topicConfigs(t), func(c kmsg.DescribeConfigsResponseResourceConfig) bool {
				return len(resource.ConfigNames) > 0 && !slices.Contains(resource.ConfigNames, c.Name)
			})
		}
		out.Resources = append(out.Resources, rr)
	}
	return out
}

func topicConfigs(t *topic) (cs []kmsg.DescribeConfigsResponseResourceConfig) {
	add := func(name, value string, kind kmsg.ConfigType) {
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Value, c.ReadOnly, c.Source, c.ConfigType = name, &value, true, kmsg.ConfigSourceDynamicTopicConfig, kind
		cs = append(cs, c)
	}
	if t.Config.Compacted {
		add("cleanup.policy", "compact", kmsg.ConfigTypeList)
		return cs
	}
	unbounded := func(v int64) string { // Kafka's -1
		if v == 0 {
			v = -1
		}
		return strconv.FormatInt(v, 10)
	}
	add("cleanup.policy", "delete", kmsg.ConfigTypeList)
	add("retention.bytes", unbounded(t.Config.RetainBytes), kmsg.ConfigTypeLong)
	add("retention.ms", unbounded(t.Config.RetainMillis), kmsg.ConfigTypeLong)
	return cs
}

// describable says why a resource is not described, nil if it is.
func (h *Handlers) describable(r *listener.Request, resource kmsg.DescribeConfigsRequestResource, knownTopic bool) (*kerr.Error, string) {
	refuse := func(e *kerr.Error) (*kerr.Error, string) { return e, e.Description }
	admin := h.isAdmin(r)
	switch resource.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if !admin {
			return refuse(kerr.TopicAuthorizationFailed)
		}
		if !knownTopic {
			return refuse(kerr.UnknownTopicOrPartition)
		}
	case kmsg.ConfigResourceTypeBroker:
		if !admin {
			return refuse(kerr.ClusterAuthorizationFailed)
		}
		if id, err := strconv.ParseInt(resource.ResourceName, 10, 32); resource.ResourceName != "" && (err != nil || int32(id) != h.cfg.NodeID) {
			return kerr.InvalidRequest, fmt.Sprintf("Unexpected broker id, expected %d or empty string, but received %s", h.cfg.NodeID, resource.ResourceName)
		}
	default:
		return kerr.InvalidRequest, fmt.Sprintf("Unsupported resource type: %v", resource.ResourceType)
	}
	return nil, ""
}
