package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// maxDescribedWork bounds a page, maxSummedWork how many entries of a kind are counted.
const (
	maxDescribedWork = 1_000
	maxSummedWork    = 10_000
)

// DescribeWork is rpc.WorkDescriber.
func (c *Coordinator) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("describe work: %w", err)
	}
	resp := &rpc.DescribeWorkResponse{}
	err := c.view(func(r statestore.Reader) {
		resp.Kinds = state.SummarizeWork(r, c.cfg.ObjectDeleteDelay.Milliseconds(), c.nowMillis(), maxSummedWork)
		if req.MaxItems > 0 {
			resp.Items, resp.Next = state.DescribeWork(r, req.From, int(min(req.MaxItems, maxDescribedWork)))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("describe work: %w", err)
	}
	return resp, nil
}

// RetryWork is rpc.WorkDescriber.
func (c *Coordinator) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	if err := c.acceptWork(ctx, req.Coordinator); err != nil {
		return nil, fmt.Errorf("retry work: %w", err)
	}
	r, err := propose[state.RetryResult](ctx, c, &state.RetryWork{WorkKind: req.Kind})
	if err != nil {
		return nil, fmt.Errorf("retry parked work of kind %s: %w", req.Kind, err)
	}
	c.work.wake()
	return &rpc.RetryWorkResponse{Items: r.Items}, nil
}
