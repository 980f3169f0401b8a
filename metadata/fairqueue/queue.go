package fairqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
)

// Config of a Queue.
type Config struct {
	Clock      clock.Clock
	Registerer prometheus.Registerer // no metrics if nil

	Slots      int           // calls that are executed at once; default 256. One cluster has at most half of them
	Quantum    int           // cost that a cluster may spend before the next one's turn; default 64
	MaxQueued  int           // calls of one cluster that wait; default 1024
	StuckAfter time.Duration // without any call of a cluster ending, its slots are given to others; default 1 s
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Slots == 0 {
		c.Slots = 256
	}
	if c.Quantum == 0 {
		c.Quantum = 64
	}
	if c.MaxQueued == 0 {
		c.MaxQueued = 1024
	}
	if c.StuckAfter == 0 {
		c.StuckAfter = time.Second
	}
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	for _, bound := range []struct {
		name        string
		value, most int64
	}{
		{"Slots", int64(c.Slots), 1 << 20}, {"Quantum", int64(c.Quantum), 1 << 20}, {"MaxQueued", int64(c.MaxQueued), 1 << 20}, {"StuckAfter", int64(c.StuckAfter), int64(time.Hour)},
	} {
		if bound.value < 1 || bound.value > bound.most {
			errs = append(errs, fmt.Errorf("fairqueue: %s is %d, it must be from 1 to %d", bound.name, bound.value, bound.most))
		}
	}
	return errors.Join(errs...)
}

// maxRounds bounds the cost of one call, in quanta: dispatching must not go round for long.
const maxRounds = 16

// Queue hands out the slots of one node.
type Queue struct {
	cfg     Config
	metrics *metrics

	mu     sync.Mutex // guards what follows, and the flows
	active int        // slots that are taken
	ring   []*Flow    // flows with calls that wait
	turn   int        // index into ring: whose turn it is
	flows  map[*Flow]struct{}
	timer  *clock.Timer // runs while calls wait
	closed bool
}

// Flow is the calls of one cluster.
type Flow struct {
	q       *Queue
	cluster kafka.ClusterID

	active   int // slots that it has
	stuck    int // calls of it that lost their slots to others and are still executed
	waiting  []*waiter
	deficit  int  // cost that it may spend in this turn
	began    bool // its turn has begun
	released uint64
	lookedAt struct { // by the last look for stuck calls
		released uint64
		active   int
	}
}

// waiter is one call; granted is closed when it has its slot.
type waiter struct {
	cost    int
	granted chan struct{}
}

// New makes a Queue.
func New(cfg Config) (*Queue, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg, flows: map[*Flow]struct{}{}}
	q.metrics = newMetrics(q)
	return q, q.metrics.register(cfg.Registerer)
}

// Close stops looking for stuck calls. Calls that wait end with their contexts.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.metrics.unregister(q.cfg.Registerer)
	}
	if q.timer != nil {
		q.timer.Stop()
	}
	return nil
}

// Flow makes the flow of a cluster. End it with Flow.Close.
func (q *Queue) Flow(cluster kafka.ClusterID) *Flow {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := &Flow{q: q, cluster: cluster}
	q.flows[f] = struct{}{}
	return f
}

// Close forgets the flow; calls that it has are executed all the same.
func (f *Flow) Close() {
	f.q.mu.Lock()
	defer f.q.mu.Unlock()
	delete(f.q.flows, f)
}

// Acquire takes a slot, waiting for it when there is none. Whoever gets nil calls Release once.
func (f *Flow) Acquire(ctx context.Context, cost int) error {
	q := f.q
	q.mu.Lock()
	if len(f.waiting) == 0 && q.active < q.cfg.Slots && f.mayHave() { // nobody who could have this slot waits: dispatch would have given it away
		f.active++
		q.active++
		q.mu.Unlock()
		return nil
	}
	if len(f.waiting) >= q.cfg.MaxQueued {
		q.mu.Unlock()
		q.metrics.refused.Inc()
		return fmt.Errorf("%d calls of cluster %s wait at this metadata node, that is the most: %w", q.cfg.MaxQueued, f.cluster, kerr.ThrottlingQuotaExceeded)
	}
	w := &waiter{cost: max(1, min(cost, maxRounds*q.cfg.Quantum)), granted: make(chan struct{})}
	if len(f.waiting) == 0 {
		q.ring = append(q.ring, f)
	}
	f.waiting = append(f.waiting, w)
	q.watch()
	q.mu.Unlock()
	began := q.cfg.Clock.Now()
	select {
	case <-w.granted:
		q.metrics.waited.Observe(q.cfg.Clock.Now().Sub(began).Seconds())
		return nil
	case <-ctx.Done():
		f.leave(w)
		return context.Cause(ctx)
	}
}

// leave is Acquire's end without a slot; one that came at the same moment goes back.
func (f *Flow) leave(w *waiter) {
	f.q.mu.Lock()
	defer f.q.mu.Unlock()
	i := slices.Index(f.waiting, w)
	if i < 0 {
		f.release()
		return
	}
	f.waiting = slices.Delete(f.waiting, i, i+1)
	if len(f.waiting) == 0 {
		f.q.drop(slices.Index(f.q.ring, f))
	}
	f.q.dispatch() // whoever waited behind it may be cheaper
}

// Release gives the slot back.
func (f *Flow) Release() {
	f.q.mu.Lock()
	f.release()
	f.q.mu.Unlock()
}

// release is called with mu.
func (f *Flow) release() {
	f.released++
	if f.stuck > 0 { // which of its calls this is does not matter: the count is right
		f.stuck--
	} else {
		f.active--
		f.q.active--
	}
	if len(f.q.ring) > 0 {
		f.q.dispatch()
	}
}

// mayHave says whether the flow may have one more slot. Called with mu.
func (f *Flow) mayHave() bool {
	return f.active < max(1, f.q.cfg.Slots/2) && f.stuck < f.q.cfg.MaxQueued
}

// dispatch gives free slots away. Afterwards no slot is free, or no flow that waits may have one. Called with mu.
func (q *Queue) dispatch() {
	for passed := 0; q.active < q.cfg.Slots && passed < len(q.ring); {
		f := q.ring[q.turn]
		if !f.mayHave() {
			f.began, passed = false, passed+1
			q.turn = (q.turn + 1) % len(q.ring)
			continue
		}
		passed = 0
		if !f.began {
			f.began = true
			f.deficit += q.cfg.Quantum
		}
		w := f.waiting[0]
		if w.cost > f.deficit {
			f.began = false
			q.turn = (q.turn + 1) % len(q.ring)
			continue
		}
		f.deficit -= w.cost
		f.waiting[0] = nil
		f.waiting = f.waiting[1:]
		f.active++
		q.active++
		close(w.granted)
		if len(f.waiting) == 0 {
			q.drop(q.turn)
		}
	}
}

// drop takes a flow without waiting calls out of the ring: it does not save up for later. Called with mu.
func (q *Queue) drop(i int) {
	f := q.ring[i]
	f.deficit, f.began, f.waiting = 0, false, nil
	q.ring = slices.Delete(q.ring, i, i+1)
	if i < q.turn {
		q.turn--
	}
	if q.turn >= len(q.ring) {
		q.turn = 0
	}
}

// watch looks for stuck calls while others wait. Called with mu.
func (q *Queue) watch() {
	if q.timer == nil && !q.closed {
		for f := range q.flows {
			f.lookedAt.released, f.lookedAt.active = f.released, f.active
		}
		q.timer = q.cfg.Clock.AfterFunc(q.cfg.StuckAfter, q.freeStuck)
	}
}

// freeStuck takes the slots of flows of which nothing ended since the last look.
func (q *Queue) freeStuck() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for f := range q.flows { // each alone: the order does not show
		if f.active > 0 && f.released == f.lookedAt.released {
			lost := min(f.active, f.lookedAt.active)
			f.stuck += lost
			f.active -= lost
			q.active -= lost
			q.metrics.stuck.Add(float64(lost))
		}
	}
	q.dispatch()
	q.timer = nil
	if len(q.ring) > 0 {
		q.watch()
	}
}

func (q *Queue) counts() (active, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range q.ring {
		waiting += len(f.waiting)
	}
	return q.active, waiting
}
