package batchprocessor

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
)

// Append puts the batches of one Produce request into the open object, or several objects if they do not fit. Requests of one connection are appended by
// one goroutine in their order. done is called exactly once, by any goroutine, perhaps before Append returns; it must not block for long.
// Append waits while MaxBufferedBytes are in use, until ctx or the request's deadline ends.
func (p *Processor) Append(ctx context.Context, req *AppendRequest, done func(AppendResult)) {
	now := p.deps.Clock.Now()
	if req.Deadline.IsZero() {
		req.Deadline = now.Add(p.cfg.RequestTimeout)
	}
	pending := newPending(req, done)
	if len(req.Partitions) == 0 {
		done(AppendResult{})
		return
	}
	for i := range req.Partitions {
		pending.weight += int64(len(req.Partitions[i].Batch))
	}
	pending.weight = min(pending.weight, p.cfg.MaxBufferedBytes) // a request larger than all has the Processor to itself
	if err := p.acquire(ctx, pending); err != nil {
		p.refuseRequest(req) // before the answer: what comes after it finds that
		pending.expire(causeCode(err))
		return
	}
	outOfOrder, err := p.place(req, pending)
	if err != nil {
		p.credits.Release(pending.weight)
		pending.expire(causeCode(err))
		return
	}
	if len(outOfOrder) == 0 {
		return
	}
	for _, i := range outOfOrder {
		pending.resolve(i, failed(kerr.OutOfOrderSequenceNumber.Code))
	}
	p.free(pending.settle(len(outOfOrder)))
}

// acquire takes the request's credits, first come, first served.
func (p *Processor) acquire(ctx context.Context, pending *pending) error {
	if p.credits.TryAcquire(pending.weight) {
		return nil
	}
	p.metrics.pushBacks.Inc()
	defer p.beginWait(pending.deadline)()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := p.deps.Clock.AfterFunc(pending.deadline.Sub(p.deps.Clock.Now()), func() { cancel(kerr.RequestTimedOut) })
	defer timer.Stop()
	defer context.AfterFunc(p.ctx, func() { cancel(context.Cause(p.ctx)) })()
	if err := p.credits.Acquire(ctx, pending.weight); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// place appends the batches to objects, but for those that come after one that was refused.
func (p *Processor) place(req *AppendRequest, pending *pending) (outOfOrder []int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ctx.Err() != nil:
		return nil, context.Cause(p.ctx)
	case p.isClosing:
		return nil, kafka.ErrClosed
	}
	p.buffered += pending.weight
	p.arrivals.add(pending.weight, int64(len(req.Partitions)), p.deps.Clock.Now())
	for i := range req.Partitions {
		pb := &req.Partitions[i]
		if len(p.refusals) > 0 && !p.refusals.admit(pb.Partition, pb.Batch, p.deps.Clock.Now()) {
			outOfOrder = append(outOfOrder, i)
			continue
		}
		if p.open != nil && (p.open.bytes+int64(len(pb.Batch)) > p.cfg.MaxObjectBytes || p.open.batches >= p.cfg.MaxObjectBatches) {
			p.open.isContinued = i > 0
			p.rotate(causeFull)
		}
		if p.open == nil {
			p.open = newObject(p.deps.Clock.Now())
			p.open.continues = i > 0
		}
		p.open.add(pb, req.Frame, pending, i)
		p.open.metadataOffset = max(p.open.metadataOffset, req.MetadataOffset)
	}
	p.returns.arrived()
	p.pump()
	p.wakeBy(req.Deadline)
	return outOfOrder, nil
}
