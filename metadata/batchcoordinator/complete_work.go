package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// CompleteWork is rpc.WorkRequester.
func (c *Coordinator) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("complete work: %w", err)
	}
	enabled, err := c.workEnabled()
	if err != nil {
		return nil, fmt.Errorf("complete work: %w", err)
	}
	if !enabled {
		return c.completeDelete(ctx, req)
	}
	r, err := propose[state.FinishResult](ctx, c, &state.FinishWork{
		Holder:      state.Holder{Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, Lease: req.Lease},
		Coordinator: c.cfg.Partition, Deleted: req.Deleted, Outputs: req.Outputs, Segments: req.Segments,
		DeleteHorizonMillis: req.DeleteHorizonMillis, SweptObjects: req.SweptObjects,
		RetryMillis: c.cfg.WorkRetryDelay.Milliseconds(), Cause: req.Cause[:min(len(req.Cause), rpc.MaxWorkCause)], Policy: c.policy(),
	})
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return nil, fmt.Errorf("complete lease %d of broker %d: %w", req.Lease, req.Broker, err)
	}
	if !r.Repeated {
		c.metrics.finished(&r, c.cfg.Clock.Now())
		c.metrics.objectsReleased.Add(float64(r.Released))
	}
	c.work.wake() // a lease is free, and what it did may have made more to do
	return &rpc.CompleteWorkResponse{Swapped: r.Swapped}, nil
}

// completeDelete is CompleteWork of the first feature level.
func (c *Coordinator) completeDelete(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	r, err := propose[state.CompleteResult](ctx, c, &state.CompleteWork{
		Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, Lease: req.Lease,
		RetryMillis: c.cfg.WorkRetryDelay.Milliseconds(), Deleted: req.Deleted,
	})
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return nil, fmt.Errorf("complete lease %d of broker %d: %w", req.Lease, req.Broker, err)
	}
	c.metrics.objectsDeleted.Add(float64(r.Deleted))
	if r.Returned > 0 {
		c.work.wake() // they come due at a new time
	}
	return &rpc.CompleteWorkResponse{}, nil
}

// RenewWork is rpc.WorkRequester.
func (c *Coordinator) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	if err := c.acceptWork(ctx, req.Coordinator); err != nil {
		return nil, fmt.Errorf("renew work: %w", err)
	}
	r, err := propose[state.RenewResult](ctx, c, &state.RenewWork{
		Holder: state.Holder{Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, Lease: req.Lease}, LeaseMillis: c.cfg.WorkLease.Milliseconds(),
	})
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return nil, fmt.Errorf("renew lease %d of broker %d: %w", req.Lease, req.Broker, err)
	}
	return &rpc.RenewWorkResponse{DeadlineMillis: r.DeadlineMillis}, nil
}

// FailWork is rpc.WorkRequester.
func (c *Coordinator) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	if err := c.acceptWork(ctx, req.Coordinator); err != nil {
		return nil, fmt.Errorf("fail work: %w", err)
	}
	cause := req.Cause[:min(len(req.Cause), rpc.MaxWorkCause)]
	r, err := propose[state.FailResult](ctx, c, &state.FailWork{
		Holder: state.Holder{Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, Lease: req.Lease},
		Cause:  cause, Damaged: req.Damaged[:min(len(req.Damaged), rpc.MaxWorkDamaged)], Policy: c.policy(),
	})
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return nil, fmt.Errorf("fail lease %d of broker %d: %w", req.Lease, req.Broker, err)
	}
	c.metrics.workFailed.WithLabelValues(r.Kind.String()).Inc()
	if r.Response.Parked {
		c.logger.Error("work failed too often and is parked: find the cause and run `inkwell object jobs --retry`", "kind", r.Kind.String(),
			"attempts", r.Response.Attempts, "cause", cause, "object", fmt.Sprint(req.Damaged))
	}
	c.work.wake()
	return &r.Response, nil
}

// acceptWork refuses what is for another leader, and what this feature level does not have.
func (c *Coordinator) acceptWork(ctx context.Context, coordinator int32) error {
	if err := c.prepare(ctx, coordinator, -1); err != nil {
		return err
	}
	enabled, err := c.workEnabled()
	if err == nil && !enabled {
		err = fmt.Errorf("leases of this feature level run out by themselves: %w", kerr.UnsupportedVersion)
	}
	return err
}

func (c *Coordinator) workEnabled() (enabled bool, err error) {
	err = c.view(func(r statestore.Reader) { enabled = state.WorkLevel(r) > 0 })
	return enabled, err
}
