package cachemanager

import (
	"sync/atomic"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// waiter is one parked fetch. Commits count down what it waits for, so that a partition's commit costs it O(1), however many partitions it watches.
type waiter struct {
	missing atomic.Int64 // bytes
	woken   chan struct{}
	since   atomic.Int64 // when the commit that woke it arrived, ns
}

func newWaiter(minBytes int) *waiter {
	w := &waiter{woken: make(chan struct{}, 1)}
	w.missing.Store(int64(minBytes))
	return w
}

// add counts bytes that can be read now.
func (w *waiter) add(bytes int64, c clock.Clock) {
	if w.missing.Add(-bytes) <= 0 {
		if c != nil {
			w.since.CompareAndSwap(0, c.Now().UnixNano())
		}
		w.wake()
	}
}

// wake makes the fetch look again.
func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// watch adds w to the partition if there is nothing to tell of it now, and counts what it has already. Both happen at once for commits.
func (p *partition) watch(w *waiter, offset int64, maxBytes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deleted || p.locate(offset) == mustFind {
		return false
	}
	p.waiters[w] = struct{}{}
	if n := p.available(offset, maxBytes); n > 0 {
		w.add(int64(n), nil)
	}
	return true
}

func (p *partition) unwatch(w *waiter) {
	p.mu.Lock()
	delete(p.waiters, w)
	p.mu.Unlock()
}
