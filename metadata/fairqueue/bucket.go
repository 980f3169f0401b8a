package fairqueue

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Bucket holds one cluster to a rate; a tenth of a second's worth may come at once, so that a neighbour does not feel it. What costs more than that goes through when the
// bucket is not empty and is paid for by those behind it. The zero Bucket lets everything through.
type Bucket struct {
	rate atomic.Int64 // per second; 0 is no limit

	mu     sync.Mutex // guards what follows
	tokens float64    // below zero: paid in advance by those who wait
	last   time.Time
}

// SetRate changes the rate; 0 is no limit. What was spent stays spent.
func (b *Bucket) SetRate(rate int64, now time.Time) {
	if b.rate.Load() == rate {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.rate.Swap(rate); old == 0 {
		b.tokens, b.last = atOnce(rate), now
		return
	} else {
		b.refill(old, now)
	}
	b.tokens = min(b.tokens, atOnce(rate))
}

// Take spends n, at most maxWait in advance: ok says whether it did, and wait how long the caller has to wait before it goes on.
func (b *Bucket) Take(n int64, now time.Time, maxWait time.Duration) (wait time.Duration, ok bool) {
	rate := b.rate.Load()
	if rate == 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(rate, now)
	if b.tokens < 1 {
		seconds := (1 - b.tokens) / float64(rate)
		if wait = time.Duration(math.Ceil(seconds * float64(time.Second))); seconds > maxWait.Seconds() {
			return wait, false
		}
	}
	b.tokens -= float64(n)
	return wait, true
}

// GiveBack undoes a Take whose call was not executed.
func (b *Bucket) GiveBack(n int64) {
	if b.rate.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens += float64(n)
}

// refill is called with mu. A clock that went back gives nothing.
func (b *Bucket) refill(rate int64, now time.Time) {
	if passed := now.Sub(b.last); passed > 0 {
		b.tokens = min(b.tokens+passed.Seconds()*float64(rate), atOnce(rate))
		b.last = now
	} else if passed < 0 {
		b.last = now
	}
}

// atOnce is what a full bucket holds.
func atOnce(rate int64) float64 { return max(1, float64(rate)/10) }
