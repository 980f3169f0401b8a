package putbudget

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

const testedTime = 1000 * time.Second

// takers runs flush and jobs for testedTime, each with a PUT every pause or, if that is 0, as fast as it may, and counts what they get.
func takers(t *testing.T, perSecond float64, flushPause, jobsPause time.Duration) (flush, jobs int) {
	synctest.Test(t, func(t *testing.T) {
		b := New(clock.System, perSecond)
		end := time.Now().Add(testedTime)
		ctx, cancel := context.WithDeadline(t.Context(), end)
		defer cancel()
		var both sync.WaitGroup
		if flushPause >= 0 {
			both.Go(func() {
				for now := time.Now(); now.Before(end); now = time.Now() {
					if at := b.At(now); at.After(now) {
						time.Sleep(at.Sub(now))
						continue
					}
					b.Take(now)
					flush++
					time.Sleep(flushPause)
				}
			})
		}
		if jobsPause >= 0 {
			both.Go(func() {
				for b.WaitJob(ctx) == nil {
					jobs++
					time.Sleep(jobsPause)
				}
			})
		}
		both.Wait()
	})
	return flush, jobs
}

func TestShares(t *testing.T) {
	const never = -1
	for _, c := range []struct {
		name                  string
		perSecond             float64
		flushPause, jobsPause time.Duration
		flush, jobs           float64 // per second
	}{
		{"both all they can", 10, 0, 0, 8, 2},
		{"both all they can of one", 1, 0, 0, 0.8, 0.2},
		{"flush alone has all", 10, 0, never, 10, 0},
		{"jobs alone have all", 10, never, 0, 0, 10},
		{"jobs have what flush leaves", 10, time.Second / 3, 0, 3, 7},
		{"flush has what jobs leave", 10, 0, time.Second, 9, 1},
		{"neither is held up", 10, time.Second / 4, time.Second / 4, 4, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			flush, jobs := takers(t, c.perSecond, c.flushPause, c.jobsPause)
			seconds := testedTime.Seconds()
			if got := float64(flush) / seconds; math.Abs(got-c.flush) > 0.02*c.perSecond {
				t.Errorf("flush had %.3f PUTs per second, want %.1f", got, c.flush)
			}
			if got := float64(jobs) / seconds; math.Abs(got-c.jobs) > 0.02*c.perSecond {
				t.Errorf("jobs had %.3f PUTs per second, want %.1f", got, c.jobs)
			}
			if most := c.perSecond*(seconds+1) + 2; float64(flush+jobs) > most {
				t.Errorf("%d PUTs in %s, at most %.0f are allowed", flush+jobs, testedTime, most)
			}
		})
	}
}

// What did not wait is paid for by its own side, and by no more than a second's worth.
func TestDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(clock.System, 10)
		for range 100 {
			b.Take(time.Now())
		}
		start := time.Now()
		if err := b.WaitJob(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("a job waited %s for flush's debt: %v", time.Since(start), err)
		}
		if got := b.At(start).Sub(start); got < 990*time.Millisecond || got > 1010*time.Millisecond { // 9 tokens at 8 per second and, from when jobs are full after 0.5 s, at 10
			t.Errorf("flush waits %s for its debt", got)
		}
		for range 100 {
			b.TakeJob()
		}
		if err := b.WaitJob(t.Context()); err != nil || time.Since(start) < 1490*time.Millisecond { // 3 tokens at 2 per second
			t.Errorf("a job waited %s for the debt of jobs: %v", time.Since(start), err)
		}
	})
}

// A job that gives up takes nothing, and lets the next one pass.
func TestJobsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(clock.System, 1)
		b.Take(time.Now())
		if err := b.WaitJob(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				if err := b.WaitJob(ctx); !errors.Is(err, gone) {
					t.Errorf("waiting ended with %v", err)
				}
			})
		}
		synctest.Wait()
		cancel(gone)
		waiting.Wait()
		start := time.Now()
		if err := b.WaitJob(t.Context()); err != nil || time.Since(start) > 2010*time.Millisecond {
			// Flush is full after 1.25 s; jobs have their fifth until then and everything afterwards.
			t.Errorf("the next waited %s: %v", time.Since(start), err)
		}
	})
}

// A job that has given up gets no PUT, though there is one.
func TestGivenUpBefore(t *testing.T) {
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	b := New(clock.System, 100)
	for range 20 {
		if err := b.WaitJob(ctx); !errors.Is(err, gone) {
			t.Fatalf("waiting ended with %v", err)
		}
	}
}

func TestNoBound(t *testing.T) {
	if b := New(clock.System, 0); b != nil {
		t.Errorf("a budget of 0 is %+v, want none", b)
	}
}
