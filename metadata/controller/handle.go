package controller

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/rpc"
)

// noOffset says that an answer depends on no record.
const noOffset int64 = -1

// Handle answers one proxied request; its version is set on it. metadataOffset is that of the last record that the answer depends on, -1 for none. Kafka's
// error codes are in the answer; with an error there is none.
func (c *Controller) Handle(ctx context.Context, client rpc.Client, req kmsg.Request) (resp kmsg.Response, metadataOffset int64, err error) {
	switch r := req.(type) {
	case *kmsg.CreateTopicsRequest:
		resp, metadataOffset, err = answer(c.createTopics(ctx, r))
	case *kmsg.DeleteTopicsRequest:
		resp, metadataOffset, err = answer(c.deleteTopics(ctx, r))
	case *kmsg.CreatePartitionsRequest:
		resp, metadataOffset, err = answer(c.createPartitions(ctx, r))
	case *kmsg.AlterConfigsRequest:
		resp, metadataOffset, err = answer(c.alterConfigs(ctx, r))
	case *kmsg.IncrementalAlterConfigsRequest:
		resp, metadataOffset, err = answer(c.incrementalAlterConfigs(ctx, r))
	case *kmsg.BrokerRegistrationRequest:
		resp, metadataOffset, err = answer(c.brokerRegistration(ctx, r))
	case *kmsg.BrokerHeartbeatRequest:
		resp, metadataOffset, err = answer(c.brokerHeartbeat(ctx, r))
	case *kmsg.UnregisterBrokerRequest:
		resp, metadataOffset, err = answer(c.unregisterBroker(ctx, r))
	default:
		return nil, noOffset, fmt.Errorf("the controller does not answer %s: %w", kmsg.NameForKey(req.Key()), kerr.UnsupportedVersion)
	}
	c.metrics.handled(req.Key(), err)
	if err != nil {
		return nil, noOffset, fmt.Errorf("%s of %s: %w", kmsg.NameForKey(req.Key()), client.ClientID, err)
	}
	return resp, metadataOffset, nil
}

// answer keeps a nil pointer from becoming a non-nil response.
func answer[R kmsg.Response](resp R, offset int64, err error) (kmsg.Response, int64, error) {
	if err != nil {
		return nil, noOffset, err
	}
	return resp, offset, nil
}

func refuse(err *kerr.Error, format string, args ...any) state.Error {
	return state.Error{Err: err, Message: fmt.Sprintf(format, args...)}
}

func code(e state.Error) int16 { return kafka.ErrorCode(errOf(e)) }

func errOf(e state.Error) error {
	if e.Err == nil {
		return nil
	}
	return e.Err
}

// message is nil for success, as Kafka's.
func message(e state.Error) *string {
	if e.Err == nil {
		return nil
	}
	return &e.Message
}
