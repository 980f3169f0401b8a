// Package clock is time as a dependency. Both halves take a Clock, so that a simulation can skew, jump or pause one
// process's time; inside a testing/synctest bubble System itself is virtual.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and wakes. Implementations are safe for concurrent use.
type Clock interface {
	Now() time.Time
	// NewTimer fires once on C after d.
	NewTimer(d time.Duration) *Timer
	// AfterFunc calls f in a goroutine of its own after d.
	AfterFunc(d time.Duration, f func()) *Timer
}

// Timer is a time.Timer that a simulated clock can make, too.
type Timer struct {
	C         <-chan time.Time
	StopFunc  func() bool
	ResetFunc func(time.Duration) bool
}

// Stop is time.Timer.Stop.
func (t *Timer) Stop() bool { return t.StopFunc() }

// Reset is time.Timer.Reset.
func (t *Timer) Reset(d time.Duration) bool { return t.ResetFunc(d) }

// System is the machine's clock.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) NewTimer(d time.Duration) *Timer {
	t := time.NewTimer(d)
	return &Timer{C: t.C, StopFunc: t.Stop, ResetFunc: t.Reset}
}

func (system) AfterFunc(d time.Duration, f func()) *Timer {
	t := time.AfterFunc(d, f)
	return &Timer{StopFunc: t.Stop, ResetFunc: t.Reset}
}

// Sleep waits for d or until ctx ends, and says which by its error.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
