package clusterimage

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/topics"
)

// Self is what a broker knows about its own settings and the image does not.
type Self struct {
	ID     int32
	Static configs.Lookup // what its operator configured, by Kafka's names; nil for nothing
}

// DescribeConfigs answers a DescribeConfigs request (v1-4) about topics, the broker self, or all brokers ("").
func (i *Image) DescribeConfigs(req *kmsg.DescribeConfigsRequest, self Self) *kmsg.DescribeConfigsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, r := range req.Resources {
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		entries, err := i.describe(r, self)
		if err != nil {
			out.ErrorCode, out.ErrorMessage = err.Err.Code, kmsg.StringPtr(err.Message)
		}
		for _, e := range entries {
			if len(r.ConfigNames) == 0 || slices.Contains(r.ConfigNames, e.Name) {
				out.Configs = append(out.Configs, describedConfig(e, req))
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// refusal is an error of one resource.
type refusal struct {
	Err     *kerr.Error
	Message string
}

func (i *Image) describe(r kmsg.DescribeConfigsRequestResource, self Self) ([]configs.Entry, *refusal) {
	defaults := i.Config(topics.ConfigBroker, "")
	switch r.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if why := kafka.InvalidTopicName(r.ResourceName); why != "" {
			return nil, &refusal{kerr.InvalidTopicException, why}
		}
		if _, ok := i.TopicByName(r.ResourceName); !ok {
			return nil, &refusal{kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition.Description}
		}
		return configs.DescribeTopic(Lookup(i.Config(topics.ConfigTopic, r.ResourceName)), Lookup(defaults)), nil
	case kmsg.ConfigResourceTypeBroker:
		if r.ResourceName == "" {
			return dynamicOnly(configs.DescribeBroker(configs.None, Lookup(defaults), configs.None, unknown(defaults))), nil
		}
		if id, err := strconv.ParseInt(r.ResourceName, 10, 32); err != nil || int32(id) != self.ID {
			return nil, &refusal{kerr.InvalidRequest, fmt.Sprintf("Unexpected broker id, expected %d or empty string, but received %s", self.ID, r.ResourceName)}
		}
		own := i.Config(topics.ConfigBroker, r.ResourceName)
		static := self.Static
		if static == nil {
			static = configs.None
		}
		return configs.DescribeBroker(Lookup(own), Lookup(defaults), static, unknown(own, defaults)), nil
	}
	return nil, &refusal{kerr.InvalidRequest, fmt.Sprintf("Unsupported resource type: %v", r.ResourceType)}
}

// dynamicOnly keeps what was set for all brokers: their defaults and configuration files may differ.
func dynamicOnly(entries []configs.Entry) []configs.Entry {
	return slices.DeleteFunc(entries, func(e configs.Entry) bool { return e.Source != kmsg.ConfigSourceDynamicDefaultBrokerConfig })
}

// unknown lists the settings that Kafka does not know, once each.
func unknown(resources ...*topics.ConfigResource) (names []string) {
	for _, r := range resources {
		if r == nil {
			continue
		}
		for _, s := range r.Settings {
			if _, ok := configs.Broker(s.Name); !ok && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

func describedConfig(e configs.Entry, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.ReadOnly, c.IsSensitive = e.Name, e.Value, e.ReadOnly, e.Sensitive
	c.Source, c.IsDefault = e.Source, e.Source == kmsg.ConfigSourceDefaultConfig
	c.ConfigType = e.Type
	if req.IncludeDocumentation && e.Doc != "" {
		c.Documentation = kmsg.StringPtr(e.Doc)
	}
	if req.IncludeSynonyms {
		for _, s := range e.Synonyms {
			rs := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			rs.Name, rs.Value, rs.Source = s.Name, s.Value, s.Source
			c.ConfigSynonyms = append(c.ConfigSynonyms, rs)
		}
	}
	return c
}
