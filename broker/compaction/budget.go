package compaction

import (
	"context"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// budget lets so much per second pass, after a burst of a tenth of a second's worth: a job that begins is not to fill the disk's queue, in which a producer's object is next. What
// is larger than that passes alone and is paid for by those that come later.
type budget struct {
	clock     clock.Clock
	perSecond float64 // 0: no limit

	mu   sync.Mutex // guards free
	free time.Time  // when all that passed is paid for
}

const burst = time.Second / 10

func newBudget(c clock.Clock, perSecond int64) *budget {
	return &budget{clock: c, perSecond: float64(perSecond), free: c.Now().Add(-burst)}
}

// wait returns when n more may pass, in the order of the calls.
func (b *budget) wait(ctx context.Context, n int64) error {
	if b.perSecond == 0 || n == 0 {
		return ctx.Err()
	}
	b.mu.Lock()
	now := b.clock.Now()
	if earliest := now.Add(-burst); b.free.Before(earliest) {
		b.free = earliest
	}
	pause := b.free.Sub(now)
	b.free = b.free.Add(time.Duration(float64(n) / b.perSecond * float64(time.Second)))
	b.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	return clock.Sleep(ctx, b.clock, pause)
}
