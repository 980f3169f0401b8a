package faulty

import (
	"context"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Fault is what happens to a call.
type Fault struct {
	// Err is the answer. ErrInjected by default, unless Short, Corrupt or Late changes the call otherwise.
	Err error
	// Lost answers with Err after the call was done.
	Lost bool
	// Hang waits until the call's ctx ends. With Lost the call is done first.
	Hang bool
	// Short cuts a read, a list or a delete in half. A read answers ErrShortRead, a list does not tell.
	Short bool
	// Corrupt flips a bit in the middle of what is read, and says nothing.
	Corrupt bool
	// Late adds this to the latency; the call is done all the same, unless its ctx ends.
	Late Latency
}

// Rule says which calls meet a fault.
type Rule struct {
	// Op is the method; Any matches all.
	Op Op
	// Key matches object keys that begin with it.
	Key string
	// Nth is the first matching call that meets the fault, counted from Inject on; 0 and 1 are the next one.
	Nth int
	// Times is how many calls in a row meet it; 0 is one, negative is all.
	Times int
	Fault Fault

	seen int
}

// Inject adds a rule; the first one that matches a call decides. It is copied.
func (b *Bucket) Inject(r Rule) {
	if r.Nth == 0 {
		r.Nth = 1
	}
	if r.Times == 0 {
		r.Times = 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, &r)
}

// FailNth makes the n-th call from now on fail before it is done.
func (b *Bucket) FailNth(n int, err error) { b.Inject(Rule{Nth: n, Fault: Fault{Err: err}}) }

// LoseNth makes the n-th call from now on fail after it was done.
func (b *Bucket) LoseNth(n int, err error) {
	b.Inject(Rule{Nth: n, Fault: Fault{Err: err, Lost: true}})
}

// Heal removes all rules, random errors and latency.
func (b *Bucket) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules, b.errorRate = nil, 0
	clear(b.latency)
}

// call does one call with what latency and faults make of it.
func (b *Bucket) call(ctx context.Context, op Op, key string, do func(*Fault) error) error {
	fault, latency := b.arrive(op, key)
	if fault != nil {
		latency.Min += fault.Late.Min
		latency.Max += fault.Late.Max
	}
	if err := b.wait(ctx, latency); err != nil {
		return err
	}
	if fault == nil {
		return do(nil)
	}
	answers := fault.Lost || fault.Hang || fault.Err != nil ||
		!fault.Short && !fault.Corrupt && fault.Late == Latency{}
	if !answers {
		return do(fault)
	}
	if fault.Lost {
		_ = do(fault) // the caller never learns how it went
	}
	if fault.Hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if fault.Err == nil {
		return ErrInjected
	}
	return fault.Err
}

// arrive counts the call and finds its fault.
func (b *Bucket) arrive(op Op, key string) (*Fault, Latency) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[Any]++
	b.calls[op]++
	latency, ok := b.latency[op]
	if !ok {
		latency = b.latency[Any]
	}
	var fault *Fault
	for _, r := range b.rules {
		if r.Op != Any && r.Op != op || !strings.HasPrefix(key, r.Key) {
			continue
		}
		r.seen++ // every rule counts, also those that another one decides over
		if fault == nil && r.seen >= r.Nth && (r.Times < 0 || r.seen < r.Nth+r.Times) {
			fault = &r.Fault
		}
	}
	if fault == nil && b.errorRate > 0 && b.rand() < b.errorRate {
		fault = &Fault{Lost: b.rand() < 0.5}
	}
	if fault != nil {
		b.failed++
	}
	return fault, latency
}

func (b *Bucket) wait(ctx context.Context, l Latency) error {
	d := l.Min
	if l.Max > l.Min {
		d += spread(b.rand(), l)
	}
	if d <= 0 {
		return nil
	}
	return clock.Sleep(ctx, b.clock, d)
}

func spread(share float64, l Latency) time.Duration {
	return time.Duration(share * float64(l.Max-l.Min))
}
