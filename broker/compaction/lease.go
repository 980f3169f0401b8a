package compaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// job is the work of one lease.
type job struct {
	*Jobs
	store       store
	kind        rpc.WorkKind
	coordinator int32
	epoch       int64
	lease       int64
	deadline    int64            // of the answer that gave the lease, by the coordinator's clock
	partial     error            // what went wrong beside what is completed
	written     []kafka.ObjectID // outputs that are stored, or may be
}

// once asks for work, does it and reports.
func (j *Jobs) once(ctx context.Context, coordinator int32, kinds []rpc.WorkKind) error {
	if kinds[0] == rpc.WorkMerge {
		if err := j.waitForSlot(ctx); err != nil {
			return err
		}
	}
	epoch := j.cfg.BrokerEpoch()
	leased, err := j.cfg.Work.RequestWork(ctx, &rpc.RequestWorkRequest{
		Coordinator: coordinator, Broker: j.cfg.Broker, BrokerEpoch: epoch, MaxObjects: j.cfg.MaxObjects, WaitMillis: j.cfg.Wait.Milliseconds(), Kinds: kinds,
	})
	if err != nil {
		return fmt.Errorf("requesting work: %w", err)
	}
	kind := leased.Kind
	if kind == 0 && len(leased.Objects) > 0 { // a coordinator of the first release
		kind = rpc.WorkDelete
	}
	if kind == 0 {
		j.cfg.Buffers.Trim() // what no job needed since the last time
		return nil
	}
	w := &job{Jobs: j, store: store{j, kind}, kind: kind, coordinator: coordinator, epoch: epoch, lease: leased.Lease, deadline: leased.DeadlineMillis}
	ended := j.metrics.begin(kind)
	err = w.run(ctx, leased)
	ended(err)
	if err != nil {
		return fmt.Errorf("%s of coordinator partition %d, lease %d, attempt %d: %w", kind, coordinator, w.lease, leased.Attempt, err)
	}
	return nil
}

func (w *job) run(ctx context.Context, leased *rpc.RequestWorkResponse) error {
	work, lost := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		w.renew(work, lost)
	}()
	done, err := w.do(work, leased)
	if cause := context.Cause(work); err != nil && errors.Is(cause, errLeaseLost) {
		err = cause // whatever it was that noticed
	}
	lost(nil)
	<-renewed
	if err != nil {
		return w.failed(ctx, err)
	}
	if err := w.complete(ctx, done); err != nil {
		return err
	}
	if w.partial != nil {
		return w.partial
	}
	if w.kind == rpc.WorkDelete && len(done.Deleted) == 0 {
		// Everything waits for other coordinator partitions. Asking again at once would be a busy loop.
		return clock.Sleep(ctx, w.cfg.Clock, lastBackoff)
	}
	return nil
}

// do does the work; what it returns completes the lease.
func (w *job) do(ctx context.Context, leased *rpc.RequestWorkResponse) (*rpc.CompleteWorkRequest, error) {
	switch {
	case w.kind == rpc.WorkDelete:
		return w.delete(ctx, leased.Objects)
	case w.kind == rpc.WorkSweep && leased.Sweep != nil:
		return w.sweep(ctx, leased.Sweep)
	case w.kind == rpc.WorkMerge && leased.Merge != nil, w.kind == rpc.WorkCompactKeys && leased.CompactKeys != nil:
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if w.kind == rpc.WorkMerge {
			return w.merge(ctx, leased.Merge)
		}
		return w.compactKeys(ctx, leased.CompactKeys)
	}
	return nil, fmt.Errorf("this release does not know work of kind %d", w.kind)
}

// Bounds of how often a lease is renewed.
const (
	leastRenewal = 500 * time.Millisecond
	mostRenewal  = 20 * time.Second
	callTimeout  = 30 * time.Second
)

// renew keeps the lease until ctx ends; a lease that is lost ends ctx.
func (w *job) renew(ctx context.Context, lost context.CancelCauseFunc) {
	deadline := w.deadline
	for {
		left := time.Duration(deadline-w.cfg.Clock.Now().UnixMilli()) * time.Millisecond
		if clock.Sleep(ctx, w.cfg.Clock, min(max(left/3, leastRenewal), mostRenewal)) != nil {
			return
		}
		resp, err := w.cfg.Work.RenewWork(ctx, &rpc.RenewWorkRequest{Coordinator: w.coordinator, Broker: w.cfg.Broker, BrokerEpoch: w.epoch, Lease: w.lease})
		switch {
		case err == nil:
			deadline = resp.DeadlineMillis
		case errors.Is(err, kerr.FencedInstanceID), errors.Is(err, kerr.StaleBrokerEpoch):
			lost(fmt.Errorf("%w: %w", errLeaseLost, err))
			return
		} // anything else may go away; the completion says what became of the lease
	}
}

// failed gives the lease back. Its outputs were never offered to the coordinator, so that nothing can refer to them.
func (w *job) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil { // closing: the lease ends by its deadline, the sweep finds the outputs
		return err
	}
	w.discard(ctx)
	if errors.Is(err, errLeaseLost) {
		return err
	}
	if failErr := w.giveBack(ctx, err); failErr != nil {
		return errors.Join(err, failErr) // it ends by its deadline
	}
	return err
}

// giveBack tells the coordinator why the lease has no result.
func (w *job) giveBack(ctx context.Context, err error) error {
	call, done := w.withTimeout(ctx, callTimeout)
	defer done()
	req := &rpc.FailWorkRequest{Coordinator: w.coordinator, Broker: w.cfg.Broker, BrokerEpoch: w.epoch, Lease: w.lease}
	req.Cause, req.Damaged = failWork(err)
	resp, failErr := w.cfg.Work.FailWork(call, req)
	if failErr != nil {
		return fmt.Errorf("giving the lease back: %w", failErr)
	}
	if resp.Parked {
		w.cfg.Logger.Error("compaction: work failed too often and is parked", "cluster", w.cfg.Cluster, "coordinator", w.coordinator, "job", w.kind.String(),
			"attempts", resp.Attempts, "error", err)
	}
	return nil
}

// complete asks until the outcome is known. A refusal by the first answer lets the outputs be deleted; after an unknown one the lease may have been completed and
// forgotten, and the coordinator is asked whether it knows them.
func (w *job) complete(ctx context.Context, req *rpc.CompleteWorkRequest) error {
	req.Coordinator, req.Broker, req.BrokerEpoch, req.Lease = w.coordinator, w.cfg.Broker, w.epoch, w.lease
	unknown := false
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		call, done := w.withTimeout(ctx, callTimeout)
		resp, err := w.cfg.Work.CompleteWork(call, req)
		done()
		switch {
		case err == nil:
			for i, swapped := range resp.Swapped {
				if !swapped && i < len(req.Segments) {
					w.cfg.Logger.Info("compaction: a partition changed meanwhile and stays as it is", "cluster", w.cfg.Cluster, "partition", req.Segments[i].Partition)
				}
			}
			return nil
		case errors.Is(err, kerr.FencedInstanceID) || errors.Is(err, kerr.StaleBrokerEpoch):
			if unknown {
				w.keepKnown(ctx)
			}
			w.discard(ctx)
			return fmt.Errorf("the lease ran out before it was completed: %w", err)
		case errors.Is(err, kerr.InvalidRequest): // looked at, and refused as a whole
			err = fmt.Errorf("the coordinator takes no such result: %w", err)
			// The lease ends before the outputs: a copy of the completion may still be under way.
			if failErr := w.giveBack(ctx, err); failErr != nil {
				return errors.Join(err, failErr) // they are left to the sweep
			}
			if unknown {
				w.keepKnown(ctx)
			}
			w.discard(ctx)
			return err
		case ctx.Err() != nil:
			return err
		}
		unknown = true
		w.cfg.Logger.Warn("compaction: completing a lease, asking again", "cluster", w.cfg.Cluster, "coordinator", w.coordinator, "error", err)
		if err := clock.Sleep(ctx, w.cfg.Clock, time.Duration(float64(backoff)*(0.5+w.cfg.Jitter()))); err != nil {
			return err
		}
	}
}

// keepKnown leaves the outputs to discard that the coordinator does not know. It has refused the lease before, so that no copy of the completion that is still under way
// can make it know them.
func (w *job) keepKnown(ctx context.Context) {
	written := w.written
	w.written = nil
	call, done := w.withTimeout(ctx, callTimeout)
	defer done()
	resp, err := w.cfg.Objects.DescribeObjects(call, &rpc.DescribeObjectsRequest{Coordinator: w.coordinator, Objects: written})
	if err != nil || len(resp.Objects) != len(written) {
		w.cfg.Logger.Warn("compaction: outputs of a job whose outcome is not known are left to the sweep", "cluster", w.cfg.Cluster, "error", err)
		return
	}
	for i, o := range resp.Objects {
		if o.State == rpc.ObjectUnknown {
			w.written = append(w.written, written[i])
		}
	}
}

// discard deletes outputs that nobody refers to and nobody will. What fails is found by the sweep of this broker's epoch.
func (w *job) discard(ctx context.Context) {
	if len(w.written) == 0 {
		return
	}
	_, err := w.deleteObjects(ctx, w.written)
	if err != nil {
		w.cfg.Logger.Warn("compaction: outputs of a failed job are left to the sweep", "cluster", w.cfg.Cluster, "error", err)
	}
	w.written = nil
}

// nextObject is the id of an output. An epoch that is over takes the lease with it.
func (w *job) nextObject() (kafka.ObjectID, error) {
	id := w.cfg.NextObject()
	if id.Epoch != w.epoch {
		return id, fmt.Errorf("%w: the broker's epoch is %d, that of the lease %d", errLeaseLost, id.Epoch, w.epoch)
	}
	return id, nil
}

// withTimeout is context.WithTimeout by the clock that was handed in.
func (j *Jobs) withTimeout(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := j.cfg.Clock.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}
