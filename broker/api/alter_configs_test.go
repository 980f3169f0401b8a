package api

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/rpc"
)

// Settings of a broker are altered through that broker. What is of another one is refused here, in its place among what the Controller answers.
func TestSettingsOfAnotherBrokerAreRefused(t *testing.T) {
	w := newWorld(t, Settings{}) // broker 7
	w.brokers = append(w.brokers, w.broker(8, "a"))
	type resource struct {
		typ  kmsg.ConfigResourceType
		name string
	}
	topic, broker := kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	all := []resource{{broker, "8"}, {topic, "8"}, {broker, "9"}, {broker, "7"}, {broker, ""}, {broker, "x"}, {broker, "-1"}}
	want := "[8 42, 8 0, 9 42, 7 0,  0, x 0, -1 42]"
	w.forward = func(req *rpc.ForwardRequest) (kmsg.Response, error) {
		resp := req.Request.ResponseKind()
		switch req := req.Request.(type) {
		case *kmsg.AlterConfigsRequest:
			for _, res := range req.Resources {
				resp.(*kmsg.AlterConfigsResponse).Resources = append(resp.(*kmsg.AlterConfigsResponse).Resources, kmsg.AlterConfigsResponseResource{ResourceName: res.ResourceName})
			}
		case *kmsg.IncrementalAlterConfigsRequest:
			for _, res := range req.Resources {
				resp.(*kmsg.IncrementalAlterConfigsResponse).Resources = append(resp.(*kmsg.IncrementalAlterConfigsResponse).Resources, kmsg.IncrementalAlterConfigsResponseResource{ResourceName: res.ResourceName})
			}
		}
		return resp, nil
	}
	legacy, incremental := kmsg.NewPtrAlterConfigsRequest(), kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, res := range all {
		legacy.Resources = append(legacy.Resources, kmsg.AlterConfigsRequestResource{ResourceType: res.typ, ResourceName: res.name})
		incremental.Resources = append(incremental.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: res.typ, ResourceName: res.name})
	}
	got := "["
	for _, res := range ask[*kmsg.AlterConfigsResponse](w, 2, legacy).Resources {
		got += fmt.Sprintf("%s %d, ", res.ResourceName, res.ErrorCode)
	}
	if got = got[:len(got)-2] + "]"; got != want {
		t.Errorf("AlterConfigs: %s, want %s", got, want)
	}
	got = "["
	for _, res := range ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, incremental).Resources {
		got += fmt.Sprintf("%s %d, ", res.ResourceName, res.ErrorCode)
	}
	if got = got[:len(got)-2] + "]"; got != want {
		t.Errorf("IncrementalAlterConfigs: %s, want %s", got, want)
	}
	contains(t, w.log.String(), "request refused", "resource=9", "expected 7, but received 9")

	incremental.Resources = slices.Clone(incremental.Resources[:1])
	calls := len(w.forwarded)
	if res := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, incremental).Resources; len(res) != 1 || len(w.forwarded) != calls {
		t.Errorf("%d answers, %d calls of the Controller", len(res), len(w.forwarded)-calls)
	}
}
