package putbudget

import (
	"context"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// jobsShare is the part of the budget that jobs have for certain. An object of flush that is full needs about two PUTs of as large parts until it lies where it stays, but
// most are small and share a part with many: a fifth keeps up with those and leaves producers nearly everything.
const jobsShare = 0.2

// Budget is two token buckets; what overflows from one goes to the other.
type Budget struct {
	clock clock.Clock
	turn  chan struct{} // held by the job that is next: jobs are served in their order

	mu          sync.Mutex // guards what follows
	updated     time.Time
	flush, jobs bucket
}

type bucket struct{ perSecond, most, tokens float64 }

// New is a budget of perSecond PUTs, nil if that is 0: no bound.
func New(c clock.Clock, perSecond float64) *Budget {
	if perSecond == 0 {
		return nil
	}
	b := &Budget{clock: c, turn: make(chan struct{}, 1), updated: c.Now()}
	for to, share := range map[*bucket]float64{&b.flush: 1 - jobsShare, &b.jobs: jobsShare} {
		to.perSecond = share * perSecond
		to.most = max(1, to.perSecond)
		to.tokens = to.most
	}
	return b
}

// At is when flush may PUT: now or later. Jobs that begin to take their share may move it back.
func (b *Budget) At(now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	return now.Add(b.flush.wait(&b.jobs))
}

// Take is a PUT of flush, whether its time has come or not.
func (b *Budget) Take(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.flush.take()
}

// WaitJob returns when a job may PUT.
func (b *Budget) WaitJob(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		if ctx.Err() != nil { // there was a turn, too, and select takes either
			return context.Cause(ctx)
		}
		b.mu.Lock()
		b.refill(b.clock.Now())
		wait := b.jobs.wait(&b.flush)
		if wait == 0 {
			b.jobs.take()
		}
		b.mu.Unlock()
		if wait == 0 {
			return nil
		}
		if err := clock.Sleep(ctx, b.clock, wait); err != nil { // flush may have taken what was left over: look again
			return err
		}
	}
}

// TakeJob is a PUT of a job that does not wait: the repetition of one that failed.
func (b *Budget) TakeJob() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(b.clock.Now())
	b.jobs.take()
}

// refill is called with mu.
func (b *Budget) refill(now time.Time) {
	d := now.Sub(b.updated).Seconds()
	if d <= 0 {
		return
	}
	b.updated = now
	b.jobs.tokens += b.flush.add(d * b.flush.perSecond)
	b.flush.add(b.jobs.add(d * b.jobs.perSecond))
}

// add returns what overflows.
func (b *bucket) add(tokens float64) (over float64) {
	b.tokens += tokens
	over = max(0, b.tokens-b.most)
	b.tokens -= over
	return over
}

func (b *bucket) take() { b.tokens = max(b.tokens-1, -b.most) }

// wait is how long until there is a token, if nobody takes one meanwhile: at its own rate until the other is full, and then at the rate of both.
func (b *bucket) wait(other *bucket) time.Duration {
	missing := 1 - b.tokens
	if missing <= 0 {
		return 0
	}
	seconds := missing / b.perSecond
	if full := (other.most - other.tokens) / other.perSecond; full < seconds {
		seconds = full + (missing-full*b.perSecond)/(b.perSecond+other.perSecond)
	}
	return time.Duration(seconds*float64(time.Second)) + time.Microsecond
}
