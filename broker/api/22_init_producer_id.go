package api

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// InitProducerId v0-5, for idempotent producers: each call gets a new producer id with epoch 0, as in Kafka. A transactional id is refused.
var _ = registerCall(kmsg.InitProducerID, 0, 5, (*Handlers).initProducerID)

// ProducerIDs hands out producer ids that nobody else in the cluster has.
type ProducerIDs interface {
	Next(ctx context.Context) (int64, error)
}

func (h *Handlers) initProducerID(ctx context.Context, r *listener.Request, req *kmsg.InitProducerIDRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	out.ProducerID, out.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		out.ErrorCode = kerr.InvalidRequest.Code // transactions are not supported; FindCoordinator says so in words
		return out
	}
	id, err := h.cfg.ProducerIDs.Next(ctx)
	if err != nil {
		out.ErrorCode = h.code(r, err)
		return out
	}
	out.ProducerID, out.ProducerEpoch = id, 0
	return out
}

// ProducerIDBlocks takes blocks of ids from the controller, so that most calls cost nothing there. What is left of a block is lost with the process.
type ProducerIDBlocks struct {
	Allocator rpc.ProducerIDAllocator
	Broker    int32
	Epoch     func() int64

	mu         sync.Mutex // guards the two below, and makes one caller at a time ask for a block
	next, last int64
}

// Next implements ProducerIDs.
func (b *ProducerIDBlocks) Next(ctx context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.last {
		block, err := b.Allocator.AllocateProducerIDs(ctx, &rpc.AllocateProducerIDsRequest{Broker: b.Broker, BrokerEpoch: b.Epoch()})
		if err != nil {
			return 0, err
		}
		b.next, b.last = block.First, block.First+int64(block.Length)
	}
	id := b.next
	b.next++
	return id, nil
}
