package fairqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newQueue(t *testing.T, cfg Config) *Queue {
	t.Helper()
	cfg.Registerer = prometheus.NewRegistry()
	q, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(q.Close(), q.Close()); err != nil {
			t.Error(err)
		}
	})
	return q
}

// caller runs calls that each hold a slot until they are let go.
type caller struct {
	t     *testing.T
	mu    sync.Mutex
	order []string
	all   sync.WaitGroup
}

func (c *caller) call(f *Flow, name string, cost int, hold time.Duration) {
	c.all.Go(func() {
		if err := f.Acquire(c.t.Context(), cost); err != nil {
			c.t.Error(name, err)
			return
		}
		c.mu.Lock()
		c.order = append(c.order, name)
		c.mu.Unlock()
		time.Sleep(hold)
		f.Release()
	})
	synctest.Wait() // calls ask in the order of the test
}

func (c *caller) want(order string) {
	c.t.Helper()
	c.all.Wait()
	if got := strings.Join(c.order, " "); got != order {
		c.t.Errorf("got  %s\nwant %s", got, order)
	}
}

// One slot, and a cluster that asks for much more than its neighbour: they are served in turn.
func TestClustersAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{Slots: 1, Quantum: 1})
		a, b, c := q.Flow("a"), q.Flow("b"), caller{t: t}
		for i := range 6 {
			c.call(a, fmt.Sprint("a", i), 1, time.Millisecond)
		}
		for i := range 3 {
			c.call(b, fmt.Sprint("b", i), 1, time.Millisecond)
		}
		c.want("a0 a1 b0 a2 b1 a3 b2 a4 a5")
	})
}

// A cluster of dear calls gets as much work done as one of cheap calls.
func TestTurnsAreMeasuredInCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{Slots: 1, Quantum: 2})
		a, b, c := q.Flow("a"), q.Flow("b"), caller{t: t}
		c.call(a, "a0", 1, time.Millisecond)
		for i := range 3 {
			c.call(a, fmt.Sprint("dear", i), 4, time.Millisecond)
		}
		for i := range 8 {
			c.call(b, fmt.Sprint("b", i), 1, time.Millisecond)
		}
		c.want("a0 b0 b1 dear0 b2 b3 b4 b5 dear1 b6 b7 dear2")
	})
}

func TestOneClusterNeverHasAllSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{Slots: 4, StuckAfter: time.Hour})
		a, b, c := q.Flow("a"), q.Flow("b"), caller{t: t}
		for i := range 4 { // they end one after the other: two that begin at one instant have no order
			c.call(a, fmt.Sprint("a", i), 1, time.Second+time.Duration(i)*time.Millisecond)
		}
		c.call(b, "b0", 1, time.Second)
		c.call(b, "b1", 1, time.Second)
		c.want("a0 a1 b0 b1 a2 a3")
	})
}

// Calls that hang, as those of a partition without a majority, do not keep others out for longer than StuckAfter.
func TestHangingCallsLoseTheirSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{Slots: 4, StuckAfter: time.Second})
		c := caller{t: t}
		a, b := q.Flow("a"), q.Flow("b")
		for _, f := range []*Flow{a, a, b, b} {
			c.call(f, "hangs", 1, time.Hour)
		}
		began := time.Now()
		x := q.Flow("x")
		if err := x.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
		x.Release()
		c.all.Wait() // they end, an hour later
		if active, waiting := q.counts(); active != 0 || waiting != 0 || a.stuck != 0 || b.stuck != 0 {
			t.Errorf("%d active, %d waiting, %d and %d stuck", active, waiting, a.stuck, b.stuck)
		}
	})
}

func TestTooManyWaitingCallsAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{Slots: 2, MaxQueued: 3})
		a, c := q.Flow("a"), caller{t: t}
		for range 4 {
			c.call(a, "a", 1, time.Millisecond)
		}
		if err := a.Acquire(t.Context(), 1); !errors.Is(err, kerr.ThrottlingQuotaExceeded) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		b := q.Flow("b")
		c.call(b, "b", 1, time.Millisecond) // the second slot
		if err := b.Acquire(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		c.all.Wait()
		if active, waiting := q.counts(); active != 0 || waiting != 0 || len(q.ring) != 0 {
			t.Errorf("%d active, %d waiting", active, waiting)
		}
	})
}

// Whatever the order of calls, ends and cancellations: the counts are right, nobody waits while a slot is free, and everybody who waits is served in the end.
func TestSlotsAreNeverLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		slots := rapid.IntRange(1, 6).Draw(rt, "slots")
		q, err := New(Config{Slots: slots, Quantum: 3, MaxQueued: 8, StuckAfter: time.Hour})
		if err != nil {
			rt.Fatal(err)
		}
		defer q.Close()
		flows := []*Flow{q.Flow("a"), q.Flow("b"), q.Flow("c")}
		type held struct {
			f    *Flow
			done chan error
			stop context.CancelFunc
		}
		var asked []*held
		settle := func() { // what was granted is known at once: grants are made by those who ask and release
			q.mu.Lock()
			defer q.mu.Unlock()
			active := 0
			for _, f := range flows {
				active += f.active
				if f.active > max(1, slots/2) {
					rt.Fatalf("%s has %d of %d slots", f.cluster, f.active, slots)
				}
				if len(f.waiting) > 0 && q.active < slots && f.mayHave() {
					rt.Fatalf("%s waits while a slot is free", f.cluster)
				}
			}
			if active != q.active || q.active > slots {
				rt.Fatalf("%d slots are taken, the queue says %d of %d", active, q.active, slots)
			}
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "ask") {
				ctx, cancel := context.WithCancel(context.Background())
				h := &held{f: flows[rapid.IntRange(0, 2).Draw(rt, "flow")], done: make(chan error, 1), stop: cancel}
				cost := rapid.IntRange(-1, 100).Draw(rt, "cost")
				go func() { h.done <- h.f.Acquire(ctx, cost) }()
				asked = append(asked, h)
			} else if len(asked) > 0 {
				i := rapid.IntRange(0, len(asked)-1).Draw(rt, "which")
				h := asked[i]
				asked = append(asked[:i], asked[i+1:]...)
				h.stop()
				if <-h.done == nil {
					h.f.Release()
				}
			}
			settle()
		}
		for _, h := range asked {
			h.stop()
			if <-h.done == nil {
				h.f.Release()
			}
		}
		if active, waiting := q.counts(); active != 0 || waiting != 0 {
			rt.Fatalf("%d active and %d waiting at the end", active, waiting)
		}
	})
}

func TestConfigNamesEveryMistake(t *testing.T) {
	_, err := New(Config{Slots: -1, Quantum: -2, MaxQueued: -3, StuckAfter: -4})
	for _, want := range []string{"Slots is -1", "Quantum is -2", "MaxQueued is -3", "StuckAfter is -4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func BenchmarkAcquire(b *testing.B) {
	q, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	f, bucket, now := q.Flow("a"), Bucket{}, time.Now()
	b.Run("slot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = f.Acquire(b.Context(), 1)
			f.Release()
		}
	})
	b.Run("slot and limits", func(b *testing.B) {
		bucket.SetRate(1<<50, now)
		b.ReportAllocs()
		for b.Loop() {
			bucket.Take(1, now, 0)
			_ = f.Acquire(b.Context(), 1)
			f.Release()
		}
	})
}
