package controller

import (
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/topics"
)

const (
	set      = kmsg.IncrementalAlterConfigOpSet
	del      = kmsg.IncrementalAlterConfigOpDelete
	appendTo = kmsg.IncrementalAlterConfigOpAppend
	subtract = kmsg.IncrementalAlterConfigOpSubtract
	onTopic  = kmsg.ConfigResourceTypeTopic
	onBroker = kmsg.ConfigResourceTypeBroker
)

func incremental(typ kmsg.ConfigResourceType, name string, ops ...op) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = typ, name
	for _, o := range ops {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = o.name, o.op, o.value
		rr.Configs = append(rr.Configs, c)
	}
	req.Resources = append(req.Resources, rr)
	return req
}

func own(r *rig, typ int8, name string) string {
	c := r.follower.Image().Config(typ, name)
	if c == nil {
		return "none"
	}
	var parts []string
	for _, s := range c.Settings {
		parts = append(parts, s.Name+"="+s.Value)
	}
	return strings.Join(parts, " ")
}

func v(s string) *string { return &s }

func TestIncrementalAlterConfigs(t *testing.T) {
	r := newRig(t)
	r.register(1, 1)
	r.create(false, newTopic("a", 1, 1))
	for _, c := range []struct {
		req   *kmsg.IncrementalAlterConfigsRequest
		want  *kerr.Error
		after string // own settings of the resource
	}{
		{incremental(onTopic, "a", op{"retention.ms", set, v("5")}, op{"cleanup.policy", set, v("compact")}), nil, "cleanup.policy=compact retention.ms=5"},
		{incremental(onTopic, "a", op{"cleanup.policy", appendTo, v("delete,compact")}), nil, "cleanup.policy=compact,delete retention.ms=5"},
		{incremental(onTopic, "a", op{"cleanup.policy", subtract, v("compact")}, op{"retention.ms", del, nil}), nil, "cleanup.policy=delete"},
		{incremental(onTopic, "a", op{"cleanup.policy", del, nil}), nil, "none"},
		{incremental(onTopic, "a", op{"cleanup.policy", appendTo, v("compact")}), nil, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"segment.bytes", appendTo, v("5")}), kerr.InvalidConfig, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"segment.bytes", set, v("5")}), kerr.InvalidConfig, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"cleanup.policy", set, v("shred")}), kerr.InvalidConfig, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"nothing", set, v("1")}), kerr.InvalidConfig, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"retention.ms", set, nil}), kerr.InvalidRequest, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"retention.ms", set, v("1")}, op{"retention.ms", set, v("2")}), kerr.InvalidRequest, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"retention.ms", 9, v("1")}), kerr.InvalidRequest, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "a", op{"compression.type", set, v(strings.Repeat("x", maxSettingBytes+1))}), kerr.InvalidConfig, "cleanup.policy=delete,compact"},
		{incremental(onTopic, "gone", op{"retention.ms", set, v("1")}), kerr.UnknownTopicOrPartition, "none"},
		{incremental(onTopic, "a/b", op{"retention.ms", set, v("1")}), kerr.InvalidTopicException, "none"},
		{incremental(onTopic, "", op{"retention.ms", set, v("1")}), kerr.InvalidRequest, "none"},
		{incremental(onBroker, "", op{"log.retention.ms", set, v("77")}), nil, "log.retention.ms=77"},
		{incremental(onBroker, "", op{"ssl.keystore.password", set, v("x")}), kerr.InvalidRequest, "log.retention.ms=77"},
		{incremental(onBroker, "1", op{"max.connections", set, v("5")}), nil, "max.connections=5"},
		{incremental(onBroker, "1", op{"num.partitions", set, v("5")}), kerr.InvalidRequest, "max.connections=5"},
		{incremental(onBroker, "1", op{"max.connections", set, v("many")}), kerr.InvalidRequest, "max.connections=5"},
		{incremental(onBroker, "1", op{"max.connections", appendTo, v("5")}), kerr.InvalidConfig, "max.connections=5"},
		{incremental(onBroker, "2", op{"max.connections", set, v("5")}), kerr.BrokerIDNotRegistered, "none"},
		{incremental(onBroker, "01", op{"max.connections", set, v("5")}), kerr.InvalidRequest, "none"},
		{incremental(kmsg.ConfigResourceTypeBrokerLogger, "1", op{"x", set, v("5")}), kerr.InvalidRequest, "none"},
	} {
		res := c.req.Resources[0]
		validate := *c.req
		validate.ValidateOnly = true
		before := own(r, int8(res.ResourceType), res.ResourceName)
		dry := ask[*kmsg.IncrementalAlterConfigsResponse](r, &validate).Resources[0]
		wantCode(t, "validate", dry.ErrorCode, c.want)
		if now := own(r, int8(res.ResourceType), res.ResourceName); now != before {
			t.Errorf("validate_only changed %q to %q", before, now)
		}
		got := ask[*kmsg.IncrementalAlterConfigsResponse](r, c.req).Resources[0]
		wantCode(t, res.ResourceName, got.ErrorCode, c.want)
		if (got.ErrorMessage == nil) != (c.want == nil) {
			t.Errorf("%+v: message %s", res, str(got.ErrorMessage))
		}
		if now := own(r, int8(res.ResourceType), res.ResourceName); now != c.after {
			t.Errorf("%+v: settings %q, want %q", res, now, c.after)
		}
	}
	a, _ := r.follower.Image().TopicByName("a")
	if s := r.follower.Image().TopicSettings(a); s.RetentionMillis != 77 {
		t.Errorf("the cluster's default is not in force: %+v", s)
	}
}

// AlterConfigs removes what it does not name.
func TestAlterConfigs(t *testing.T) {
	r := newRig(t)
	r.create(false, newTopic("a", 1, 1, "retention.ms", "5", "segment.ms", "6"))
	alter := func(names ...string) *kmsg.AlterConfigsResponse {
		req := kmsg.NewPtrAlterConfigsRequest()
		for _, name := range names {
			rr := kmsg.NewAlterConfigsRequestResource()
			rr.ResourceType, rr.ResourceName = onTopic, name
			rr.Configs = append(rr.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: "retention.ms", Value: v("9")})
			req.Resources = append(req.Resources, rr)
		}
		return ask[*kmsg.AlterConfigsResponse](r, req)
	}
	wantCode(t, "twice", alter("a", "a").Resources[1].ErrorCode, kerr.InvalidRequest)
	wantCode(t, "once", alter("a").Resources[0].ErrorCode, nil)
	if now := own(r, topics.ConfigTopic, "a"); now != "retention.ms=9" {
		t.Errorf("settings %q", now)
	}
}

// Changes of one resource at the same time are all kept: who lost the race decides anew.
func TestConcurrentAlterations(t *testing.T) {
	r := newRig(t)
	r.create(false, newTopic("a", 1, 1))
	names := []string{"retention.ms", "retention.bytes", "segment.ms", "flush.ms", "flush.messages", "delete.retention.ms"}
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			for range 5 {
				wantCode(t, name, ask[*kmsg.IncrementalAlterConfigsResponse](r, incremental(onTopic, "a", op{name, set, v("7")})).Resources[0].ErrorCode, nil)
			}
		})
	}
	wg.Wait()
	if n := len(r.follower.Image().Config(topics.ConfigTopic, "a").Settings); n != len(names) {
		t.Errorf("%d settings of %d: %s", n, len(names), own(r, topics.ConfigTopic, "a"))
	}
}
