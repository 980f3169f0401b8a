package batchprocessor

import (
	"time"

	"github.com/inkwell-project/inkwell/kafka"
)

// Why an object was closed.
const (
	causeFull   = "full"
	causeSlot   = "slot"   // an upload slot was free
	causeBudget = "budget" // it could have left earlier, but for the PUT budget
	causeClose  = "close"
)

// rotate closes the open object: it gets its sequence, and its place in the commit order of every coordinator. Called with mu.
func (p *Processor) rotate(cause string) {
	o := p.open
	p.open = nil
	o.id = kafka.ObjectID{Epoch: p.cfg.BrokerEpoch, Sequence: p.nextSequence}
	p.nextSequence++
	o.unsettled = len(o.parts)
	p.unsettled = append(p.unsettled, o)
	p.closed = append(p.closed, o)
	for _, part := range o.parts {
		c := p.coordinator(part.coordinator)
		c.parts = append(c.parts, part)
	}
	p.metrics.rotated(cause)
}

// pump starts the uploads that may start now. Called with mu after everything that may allow one.
func (p *Processor) pump() {
	if p.stopped {
		return
	}
	now := p.deps.Clock.Now()
	for p.uploads < p.cfg.UploadSlots {
		if len(p.closed) == 0 {
			cause, at := p.mayRotate(now)
			if cause == "" {
				if !at.IsZero() {
					p.wakeBy(at)
				}
				return
			}
			p.rotate(cause)
		} else if at := p.budgetAt(now); at.After(now) && !p.isClosing {
			p.closed[0].heldBack = true
			p.wakeBy(at)
			return
		}
		o := p.closed[0]
		p.closed[0] = nil
		p.closed = p.closed[1:]
		if p.deps.Budget != nil {
			p.pay(o, now)
		}
		p.uploads++
		p.work(func() { p.upload(o) })
	}
}

// mayRotate says why the open object may leave now, or else when it may. There is a free slot and no closed object waits. Called with mu.
func (p *Processor) mayRotate(now time.Time) (cause string, at time.Time) {
	o := p.open
	if o == nil {
		return "", at
	}
	if p.isClosing {
		return causeClose, at
	}
	if o.bytes < p.cfg.GroupBytes {
		at = p.companyAt(o, now)
	}
	if b := p.budgetAt(now); b.After(at) && b.After(now) {
		at, o.heldBack = b, true
	}
	switch {
	case at.After(now):
		return "", at
	case o.heldBack:
		return causeBudget, at
	}
	return causeSlot, at
}

// companyAt is until when the open object, which is small, waits for more batches. Called with mu.
func (p *Processor) companyAt(o *object, now time.Time) (at time.Time) {
	wait := o.opened.Add(p.cfg.GroupWait)
	switch large := p.arrivals.large(now); {
	case p.uploads > 0:
		return wait
	case large && p.arrivals.rate*p.cfg.GroupWait.Seconds() >= float64(p.cfg.GroupBytes)/4:
		at = p.arrivals.last.Add(p.cfg.GroupGap)
	case o.continues: // nobody is answered before it is committed
	case !large && len(p.unsettled) > 0:
		return wait // until its commit, with whose answers the next batches come
	case !large:
		at = p.returns.awaited(now)
	}
	if at.After(wait) {
		return wait
	}
	return at
}

// nextRotation is when pump should be called again though nothing happens, zero for never. Called with mu.
func (p *Processor) nextRotation() time.Time {
	if p.uploads >= p.cfg.UploadSlots || p.stopped {
		return time.Time{} // the end of an upload calls pump
	}
	now := p.deps.Clock.Now()
	if len(p.closed) > 0 {
		return p.budgetAt(now)
	}
	_, at := p.mayRotate(now)
	return at
}

// arrivals is how many bytes come per second and in how large batches, measured over windows of about arrivalWindow.
type arrivals struct {
	rate      float64 // bytes per second in the window before this one
	batchSize int64   // their mean size there
	since     time.Time
	bytes     int64
	batches   int64
	last      time.Time
}

const (
	arrivalWindow = 20 * time.Millisecond
	// largeBatch: a producer of such batches has megabytes in flight and goes on while an object waits; one of small batches would stand still.
	largeBatch = 64 << 10
)

func (a *arrivals) add(bytes, batches int64, now time.Time) {
	if d := now.Sub(a.since); d >= arrivalWindow {
		a.rate, a.batchSize = float64(a.bytes)/d.Seconds(), a.bytes/max(1, a.batches)
		a.since, a.bytes, a.batches = now, 0, 0
	}
	a.bytes += bytes
	a.batches += batches
	a.last = now
}

// large says whether large batches have come until now.
func (a *arrivals) large(now time.Time) bool {
	return a.batchSize >= largeBatch && now.Sub(a.since) <= 5*arrivalWindow
}
