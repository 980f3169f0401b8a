package listener

import (
	"sync"
	"sync/atomic"
)

// credits is a first-come-first-served budget of bytes. Whoever waits holds up those behind it, so that a large frame is not passed by small
// ones for ever.
type credits struct {
	total int64

	mu      sync.Mutex // guards free and waiting
	free    int64
	waiting []*creditWait

	inUse atomic.Int64 // total - free, for the gauge
}

type creditWait struct {
	n     int64
	ready chan struct{}
}

func newCredits(total int64) *credits { return &credits{total: total, free: total} }

// charge is what a frame of n bytes costs: one above the total costs all of it, and passes alone.
func (c *credits) charge(n int64) int64 { return min(n, c.total) }

// acquire takes the charge of n bytes and says whether it did; it gives up when one of the channels is closed.
func (c *credits) acquire(n int64, done, draining <-chan struct{}) bool {
	n = c.charge(n)
	c.mu.Lock()
	if c.takeFree(n) {
		c.mu.Unlock()
		return true
	}
	w := &creditWait{n: n, ready: make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()

	select {
	case <-w.ready:
		return true
	case <-done:
	case <-draining:
	}
	c.abandon(w)
	return false
}

// acquireNow is acquire for one that does not wait.
func (c *credits) acquireNow(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeFree(c.charge(n))
}

// takeFree takes a charge unless it, or one before it, must wait. Called with mu.
func (c *credits) takeFree(n int64) bool {
	if len(c.waiting) > 0 || n > c.free {
		return false
	}
	c.free -= n
	c.inUse.Add(n)
	return true
}

func (c *credits) abandon(w *creditWait) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.waiting {
		if c.waiting[i] == w {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			c.grant() // it may have been the one that held up the others
			return
		}
	}
	c.giveBack(w.n) // granted in the meantime
}

// BufferReleased gives the charge of n bytes back: credits own the frames.
func (c *credits) BufferReleased(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBack(c.charge(int64(n)))
}

func (c *credits) giveBack(n int64) {
	c.free += n
	c.inUse.Add(-n)
	c.grant()
}

func (c *credits) grant() {
	for len(c.waiting) > 0 && c.waiting[0].n <= c.free {
		w := c.waiting[0]
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		c.free -= w.n
		c.inUse.Add(w.n)
		close(w.ready)
	}
}
