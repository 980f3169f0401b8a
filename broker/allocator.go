package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// allocationTimeout is shorter than a producer waits for its answer.
const allocationTimeout = 20 * time.Second

// allocator asks for blocks of producer ids on behalf of producers that wait for one. What it could not get for now is COORDINATOR_LOAD_IN_PROGRESS, the one
// code after which every producer asks again.
type allocator struct{ rpc.ProducerIDAllocator }

// AllocateProducerIDs implements rpc.ProducerIDAllocator.
func (a allocator) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, allocationTimeout)
	defer cancel()
	resp, err := a.ProducerIDAllocator.AllocateProducerIDs(ctx, req)
	switch known := kafka.ErrorOf(err); {
	case err == nil:
		return resp, nil
	case known.Retriable, errors.Is(err, kerr.StaleBrokerEpoch), errors.Is(err, kerr.BrokerIDNotRegistered): // this broker is about to register anew
		return nil, fmt.Errorf("%w: %w", kerr.CoordinatorLoadInProgress, err)
	}
	return nil, err
}
