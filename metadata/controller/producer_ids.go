package controller

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/rpc"
)

// producerIDBlock is how many ids a broker gets at once, as in Kafka.
const producerIDBlock = 1000

// AllocateProducerIDs implements rpc.ProducerIDAllocator. A block that was allocated for an answer that got lost stays unused.
func (c *Controller) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	result, err := c.propose(ctx, &state.AllocateProducerIDs{Broker: req.Broker, Epoch: req.BrokerEpoch, Length: producerIDBlock})
	if err != nil {
		return nil, err
	}
	if e := result.Errors[0]; e.Err != nil {
		return nil, fmt.Errorf("producer ids: %s: %w", e.Message, e.Err)
	}
	return &rpc.AllocateProducerIDsResponse{First: result.First, Length: producerIDBlock}, nil
}
