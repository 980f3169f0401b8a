package forwarding

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

func createsTopic(code *kerr.Error) step {
	return func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		resp := req.Request.ResponseKind().(*kmsg.CreateTopicsResponse)
		t := kmsg.NewCreateTopicsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = "a", code.Code, kmsg.StringPtr("words")
		resp.Topics = append(resp.Topics, t)
		return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
	}
}

func deletesTopic(code *kerr.Error) step {
	return func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		resp := req.Request.ResponseKind().(*kmsg.DeleteTopicsResponse)
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.ErrorCode = kmsg.StringPtr("a"), code.Code
		resp.Topics = append(resp.Topics, t)
		return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
	}
}

func addsPartitions(code *kerr.Error) step {
	return func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		resp := req.Request.ResponseKind().(*kmsg.CreatePartitionsResponse)
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic, t.ErrorCode = "a", code.Code
		resp.Topics = append(resp.Topics, t)
		return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
	}
}

// The first request did it and its answer was lost: the second one's refusal says so, if this broker knows that it was not so before.
func TestARefusedRepetitionMaySayThatItIsDone(t *testing.T) {
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "a"}}
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.TopicNames = []string{"a"}
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: 5}}
	lost := fails(kafka.ErrUnknownOutcome)
	for name, tc := range map[string]struct {
		req           kmsg.Request
		steps         []step
		before, after int32 // partitions of the topic
		want          *kerr.Error
	}{
		"created":                      {create, []step{lost, createsTopic(kerr.TopicAlreadyExists)}, 0, 1, nil},
		"it existed before":            {create, []step{lost, createsTopic(kerr.TopicAlreadyExists)}, 1, 1, kerr.TopicAlreadyExists},
		"refused for another reason":   {create, []step{lost, createsTopic(kerr.PolicyViolation)}, 0, 0, kerr.PolicyViolation},
		"refused at once":              {create, []step{createsTopic(kerr.TopicAlreadyExists)}, 0, 1, kerr.TopicAlreadyExists},
		"not done, and then refused":   {create, []step{fails(kerr.NotCoordinator), createsTopic(kerr.TopicAlreadyExists)}, 0, 1, kerr.TopicAlreadyExists},
		"deleted":                      {remove, []step{lost, deletesTopic(kerr.UnknownTopicOrPartition)}, 3, 0, nil},
		"there was no such topic":      {remove, []step{lost, deletesTopic(kerr.UnknownTopicOrPartition)}, 0, 0, kerr.UnknownTopicOrPartition},
		"grown":                        {grow, []step{lost, addsPartitions(kerr.InvalidPartitions)}, 3, 5, nil},
		"it was as large before":       {grow, []step{lost, addsPartitions(kerr.InvalidPartitions)}, 5, 5, kerr.InvalidPartitions},
		"too large, and never so many": {grow, []step{lost, addsPartitions(kerr.InvalidPartitions)}, 3, 3, kerr.InvalidPartitions},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				f, _ := forwarder(image{partitions: func(string) int32 {
					if time.Since(start) > 0 {
						return tc.after
					}
					return tc.before
				}}, tc.steps...)
				resp, err := f.Forward(t.Context(), &rpc.ForwardRequest{Request: tc.req}, 0)
				if err != nil {
					t.Fatal(err)
				}
				var code int16
				switch m := resp.Response.(type) {
				case *kmsg.CreateTopicsResponse:
					code = m.Topics[0].ErrorCode
				case *kmsg.DeleteTopicsResponse:
					code = m.Topics[0].ErrorCode
				case *kmsg.CreatePartitionsResponse:
					code = m.Topics[0].ErrorCode
				}
				if tc.want == nil && code != 0 || tc.want != nil && code != tc.want.Code {
					t.Errorf("got %v, want %v", kerr.ErrorForCode(code), tc.want)
				}
			})
		})
	}
}
