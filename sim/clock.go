package sim

import (
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// processClock is one process's time: it may be wrong, jump, and stand still while the process is paused. What falls due then happens when the
// process is resumed.
type processClock struct {
	mu     sync.Mutex // guards what follows
	skew   time.Duration
	paused bool
	held   []func() // due since the pause began, in order
}

var _ clock.Clock = (*processClock)(nil)

// Now implements clock.Clock.
func (c *processClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skew)
}

// right is what time it is when the process's clock shows t.
func (c *processClock) right(t time.Time) time.Time {
	if t.IsZero() {
		return t // no deadline
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Add(-c.skew)
}

func (c *processClock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew += d
}

func (c *processClock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = true
}

func (c *processClock) resume() {
	c.mu.Lock()
	held := c.held
	c.paused, c.held = false, nil
	c.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// due runs f now, or at the end of the pause.
func (c *processClock) due(f func()) {
	c.mu.Lock()
	if c.paused {
		c.held = append(c.held, f)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	f()
}

// NewTimer implements clock.Clock.
func (c *processClock) NewTimer(d time.Duration) *clock.Timer {
	t := &processTimer{clock: c, c: make(chan time.Time, 1)}
	t.arm(d)
	return &clock.Timer{C: t.c, StopFunc: t.stop, ResetFunc: t.reset}
}

// AfterFunc implements clock.Clock.
func (c *processClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	t := &processTimer{clock: c, f: f}
	t.arm(d)
	return &clock.Timer{StopFunc: t.stop, ResetFunc: t.reset}
}

// processTimer behaves as a time.Timer of Go 1.23 and newer: after Stop or Reset no earlier firing is seen.
type processTimer struct {
	clock *processClock
	c     chan time.Time
	f     func()

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	round int // a firing of an earlier round is void
	armed bool
}

func (t *processTimer) arm(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	t.armed = true
	round := t.round
	t.timer = time.AfterFunc(d, func() { t.clock.due(func() { t.fire(round) }) })
}

func (t *processTimer) fire(round int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.armed || t.round != round {
		return
	}
	t.armed = false
	if t.f != nil {
		go t.f()
		return
	}
	t.c <- t.clock.Now() // empty: stop and reset drain it
}

func (t *processTimer) stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.armed
	t.armed = false
	t.timer.Stop()
	if t.c != nil {
		select {
		case <-t.c:
			was = true // nobody had seen it
		default:
		}
	}
	return was
}

func (t *processTimer) reset(d time.Duration) bool {
	was := t.stop()
	t.arm(d)
	return was
}
