package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/rpc"
)

// RenewWork is rpc.WorkRequester.
func (c *Coordinator) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	if err := c.accept(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("renew work: %w", err)
	}
	return nil, fmt.Errorf("renew work: leases of this feature level have fixed deadlines: %w", kerr.UnsupportedVersion)
}

// FailWork is rpc.WorkRequester.
func (c *Coordinator) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	if err := c.accept(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("fail work: %w", err)
	}
	return nil, fmt.Errorf("fail work: leases of this feature level run out: %w", kerr.UnsupportedVersion)
}

// DescribeWork is rpc.WorkDescriber.
func (c *Coordinator) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("describe work: %w", err)
	}
	return nil, fmt.Errorf("describe work: %w", kerr.UnsupportedVersion)
}

// RetryWork is rpc.WorkDescriber.
func (c *Coordinator) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	if err := c.accept(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("retry work: %w", err)
	}
	return nil, fmt.Errorf("retry work: %w", kerr.UnsupportedVersion)
}
