package api

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/rpc"
)

// ProducerIDBlocks takes blocks of ids from the controller, so that most calls cost nothing there. What is left of a block is lost with the process.
type ProducerIDBlocks struct {
	Allocator rpc.ProducerIDAllocator
	Broker    int32
	Epoch     func() int64

	mu         sync.Mutex // guards what follows; never held while the controller is asked
	next, last int64
	asking     chan struct{} // closed when the caller that asks for a block has its answer; nil while nobody asks
}

// Next implements ProducerIDs. One caller at a time asks for a block; the others wait for it no longer than their contexts.
func (b *ProducerIDBlocks) Next(ctx context.Context) (int64, error) {
	for {
		b.mu.Lock()
		if b.next < b.last {
			id := b.next
			b.next++
			b.mu.Unlock()
			return id, nil
		}
		asking := b.asking
		if asking == nil {
			b.asking = make(chan struct{})
		}
		b.mu.Unlock()
		if asking == nil {
			if err := b.ask(ctx); err != nil {
				return 0, err
			}
			continue
		}
		select {
		case <-asking: // if that failed, this caller asks itself
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// ask takes a block. The caller is the one that asks.
func (b *ProducerIDBlocks) ask(ctx context.Context) error {
	block, err := b.Allocator.AllocateProducerIDs(ctx, &rpc.AllocateProducerIDsRequest{Broker: b.Broker, BrokerEpoch: b.Epoch()})
	if err == nil && (block.Length <= 0 || block.First < 0) {
		err = fmt.Errorf("a block of %d producer ids from %d: %w", block.Length, block.First, kerr.UnknownServerError)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.asking)
	b.asking = nil
	if err == nil {
		b.next, b.last = block.First, block.First+int64(block.Length)
	}
	return err
}
