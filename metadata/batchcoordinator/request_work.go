package batchcoordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// RequestWork is rpc.WorkRequester. A parked call wakes when an object is released, when one comes due, or at its end;
// nothing is asked in between.
func (c *Coordinator) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	wait := min(time.Duration(max(req.WaitMillis, 0))*time.Millisecond, c.cfg.MaxWorkWait)
	end := c.nowMillis() + wait.Milliseconds()
	for {
		released, leader := c.work.channel(), c.log.LeadershipChanged() // before the look, so that nothing is missed
		if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
			return nil, fmt.Errorf("request work: %w", err)
		}
		var at int64
		var some bool
		if err := c.view(func(r statestore.Reader) { at, some = state.NextWork(r, c.cfg.ObjectDeleteDelay.Milliseconds()) }); err != nil {
			return nil, fmt.Errorf("request work: %w", err)
		}
		now := c.nowMillis()
		if some && at <= now {
			resp, err := c.leaseWork(ctx, req)
			if err != nil || len(resp.Objects) > 0 {
				return resp, err
			}
			continue // another broker was first, or only an expired lease was taken back
		}
		if now >= end {
			return &rpc.RequestWorkResponse{}, nil
		}
		until := end
		if some {
			until = min(until, at)
		}
		if err := c.park(ctx, until-now, released, leader); err != nil {
			return nil, fmt.Errorf("request work: %w", err)
		}
	}
}

func (c *Coordinator) park(ctx context.Context, millis int64, wake, leader <-chan struct{}) error {
	timer := c.cfg.Clock.NewTimer(time.Duration(millis) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-leader:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (c *Coordinator) leaseWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	r, err := propose[state.LeaseResult](ctx, c, &state.LeaseWork{
		Broker: req.Broker, BrokerEpoch: req.BrokerEpoch,
		MaxObjects:    int64(min(max(req.MaxObjects, 1), c.cfg.MaxWorkObjects)),
		DelayMillis:   c.cfg.ObjectDeleteDelay.Milliseconds(),
		TimeoutMillis: c.cfg.WorkLease.Milliseconds(),
	})
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return nil, fmt.Errorf("lease work to broker %d, epoch %d: %w", req.Broker, req.BrokerEpoch, err)
	}
	c.metrics.objectsLeased.Add(float64(len(r.Lease.Objects)))
	return &r.Lease, nil
}

// CheckReleased is rpc.WorkRequester.
func (c *Coordinator) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	resp := &rpc.CheckReleasedResponse{Released: make([]bool, len(req.Objects))}
	if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("check released: %w", err)
	}
	fence, err := c.readReleased(req.Objects, resp.Released)
	if err != nil {
		return nil, fmt.Errorf("check released: %w", err)
	}
	if !c.fenceWouldRelease(fence, req.Objects, resp.Released) {
		return resp, nil
	}
	// An epoch came and went without this partition having noted it. Fence it first, then answer.
	if err := c.fenceBrokers(ctx, true); err != nil {
		return nil, fmt.Errorf("check released: %w", err)
	}
	if err := c.log.ReadBarrier(ctx); err != nil {
		return nil, fmt.Errorf("check released: %w", err)
	}
	if _, err := c.readReleased(req.Objects, resp.Released); err != nil {
		return nil, fmt.Errorf("check released: %w", err)
	}
	return resp, nil
}

func (c *Coordinator) readReleased(objects []kafka.ObjectID, released []bool) (fence state.FenceBrokers, err error) {
	err = c.view(func(r statestore.Reader) {
		fence = state.Fenced(r)
		for i, id := range objects {
			released[i] = state.Released(r, id)
		}
	})
	return fence, err
}

// fenceWouldRelease says whether the image knows the end of an epoch that the state takes for one that may yet commit.
func (c *Coordinator) fenceWouldRelease(fence state.FenceBrokers, objects []kafka.ObjectID, released []bool) bool {
	asOf, live := c.image.LiveBrokers()
	has := func(epochs []state.BrokerEpoch, epoch int64) bool {
		return slices.ContainsFunc(epochs, func(e state.BrokerEpoch) bool { return e.Epoch == epoch })
	}
	for i, id := range objects {
		mayCommit := id.Epoch >= fence.MetadataOffset || has(fence.Live, id.Epoch)
		if !released[i] && mayCommit && id.Epoch <= asOf && !has(live, id.Epoch) {
			return true
		}
	}
	return false
}

// CompleteWork is rpc.WorkRequester.
func (c *Coordinator) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	if err := c.accept(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("complete work: %w", err)
	}
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
