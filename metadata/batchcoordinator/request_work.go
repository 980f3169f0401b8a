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

// RequestWork is rpc.WorkRequester. A parked call wakes when work comes up, when some comes due, or at its end; nothing is asked in between.
func (c *Coordinator) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	wait := min(time.Duration(max(req.WaitMillis, 0))*time.Millisecond, c.cfg.MaxWorkWait)
	end := c.nowMillis() + wait.Milliseconds()
	grant := &state.GrantWork{
		Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, Kinds: c.kinds(req.Kinds), MaxObjects: int64(min(max(req.MaxObjects, 1), c.cfg.MaxWorkObjects)),
		MaxBytes: max(req.MaxBytes, 0), Policy: c.policy(),
	}
	pause := int64(0) // after a look in vain, so that nothing makes this loop a busy one
	for {
		released, leader := c.work.channel(), c.log.LeadershipChanged() // before the look, so that nothing is missed
		if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
			return nil, fmt.Errorf("request work: %w", err)
		}
		at, some, enabled, err := c.nextWork(grant)
		if err != nil {
			return nil, fmt.Errorf("request work: %w", err)
		}
		now := c.nowMillis()
		if some && at <= now && pause == 0 {
			resp, err := c.leaseWork(ctx, req, grant, enabled)
			if err != nil || resp != nil {
				return resp, err
			}
			pause = 1 // another broker was first, or only an expired lease was taken back
			continue
		}
		if now >= end {
			return &rpc.RequestWorkResponse{}, nil
		}
		until := end
		if some {
			until = min(until, max(at, now+pause*minWorkPause.Milliseconds()))
		}
		pause = 0
		if err := c.park(ctx, until-now, released, leader); err != nil {
			return nil, fmt.Errorf("request work: %w", err)
		}
	}
}

// minWorkPause is how long a request rests after it was given nothing, though something was due.
const minWorkPause = 100 * time.Millisecond

// kinds are those that the caller does; a broker of the first release says none and deletes.
func (c *Coordinator) kinds(asked []rpc.WorkKind) []rpc.WorkKind {
	if len(asked) == 0 {
		return []rpc.WorkKind{rpc.WorkDelete}
	}
	return asked
}

func (c *Coordinator) nextWork(grant *state.GrantWork) (at int64, some, enabled bool, err error) {
	err = c.view(func(r statestore.Reader) {
		if enabled = state.WorkLevel(r) > 0; enabled {
			at, some = state.NextGrant(r, grant)
			return
		}
		if slices.Contains(grant.Kinds, rpc.WorkDelete) {
			at, some = state.NextWork(r, c.cfg.ObjectDeleteDelay.Milliseconds())
		}
	})
	return at, some, enabled, err
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

// leaseWork returns nil when there is nothing after all.
func (c *Coordinator) leaseWork(ctx context.Context, req *rpc.RequestWorkRequest, grant *state.GrantWork, enabled bool) (*rpc.RequestWorkResponse, error) {
	if !enabled {
		return c.leaseDelete(ctx, req)
	}
	r, err := propose[state.GrantResult](ctx, c, grant)
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return nil, fmt.Errorf("grant work to broker %d, epoch %d: %w", req.Broker, req.BrokerEpoch, err)
	}
	c.metrics.leasesExpired.Add(float64(r.Expired))
	if r.Expired > 0 {
		c.work.wake()
	}
	if r.Lease == 0 {
		return nil, nil
	}
	var work *rpc.RequestWorkResponse
	var ok bool
	if err := c.view(func(view statestore.Reader) { work, ok = state.ReadWork(view, r.Lease, c.nowMillis(), &grant.Policy) }); err != nil {
		return nil, fmt.Errorf("read lease %d: %w", r.Lease, err)
	}
	if !ok {
		return nil, nil // it has ended: the holder took very long to get here
	}
	c.metrics.granted(work)
	if !state.Nothing(work) {
		return work, nil
	}
	// What it was about is gone, by retention or with its topic.
	_, err = propose[state.FinishResult](ctx, c, &state.FinishWork{
		Holder: state.Holder{Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, Lease: r.Lease}, Coordinator: c.cfg.Partition, Policy: grant.Policy,
	})
	return nil, err
}

// leaseDelete is leaseWork of the first feature level.
func (c *Coordinator) leaseDelete(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
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
	if len(r.Lease.Objects) == 0 {
		return nil, nil
	}
	r.Lease.Kind, r.Lease.Attempt = rpc.WorkDelete, 1
	c.metrics.granted(&r.Lease)
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
