package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// TestRefusedAdminCallsAreLogged: who, what and why, in one line; what healthy clients meet makes none.
func TestRefusedAdminCallsAreLogged(t *testing.T) {
	w := newWorld(t, Settings{})
	w.client = "app"
	create := func(name string, code *kerr.Error, message string) {
		w.forward = func(req *rpc.ForwardRequest) (kmsg.Response, error) {
			resp := req.Request.ResponseKind().(*kmsg.CreateTopicsResponse)
			rt := kmsg.NewCreateTopicsResponseTopic()
			rt.Topic, rt.ErrorCode, rt.ErrorMessage = name, code.Code, &message
			resp.Topics = append(resp.Topics, rt)
			return resp, nil
		}
		req := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic = name
		req.Topics = append(req.Topics, rt)
		ask[*kmsg.CreateTopicsResponse](w, 7, req)
	}
	create("there", kerr.TopicAlreadyExists, "it exists")
	create("later", kerr.CoordinatorNotAvailable, "soon")
	if got := w.log.String(); got != "" {
		t.Errorf("logged what nobody did wrong: %s", got)
	}
	create("a/b", kerr.InvalidTopicException, "no slashes")
	contains(t, w.log.String(), "level=WARN", "api=CreateTopics", "version=7", "client_id=app", "topic=a/b", "INVALID_TOPIC_EXCEPTION: no slashes")

	w.log.Reset()
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(strings.Repeat("y", 100_000/4))
	req.Topics = append(req.Topics, rt)
	ask[*kmsg.MetadataResponse](w, 12, req)
	contains(t, w.log.String(), "api=Metadata", "INVALID_TOPIC_EXCEPTION")
	if len(w.log.String()) > 2000 {
		t.Errorf("a long name makes a line of %d bytes", len(w.log.String()))
	}
}

func TestDetail(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{kerr.InvalidRecord, ""},
		{fmt.Errorf("%w: two batches", kerr.InvalidRecord), "two batches"},
		{fmt.Errorf("asking: %w", kerr.InvalidRecord), "asking: " + kerr.InvalidRecord.Error()},
		{kafka.ErrClosed, kafka.ErrClosed.Error()},
	} {
		got := ""
		if d := detail(tc.err); d != nil {
			got = *d
		}
		if got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
