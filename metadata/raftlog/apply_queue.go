package raftlog

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/internal/clock"
)

const (
	// maxBatchBytes and maxBatchEntries bound one batch of the state store.
	maxBatchBytes   = 1 << 20
	maxBatchEntries = 512
	// maxPendingBytes is how far a group's log may be ahead of its state before the loop leaves it alone.
	maxPendingBytes = 32 << 20
	// followerPause is how long a follower collects entries after it applied some. Nobody reads its state: it may be a little behind, and many entries at once cost less than each alone,
	// for they write some keys again and again, and lie nearer to one another.
	followerPause = 50 * time.Millisecond
	// followedFor is for how long after it was waited for a topic counts as read here: the images of a node are made from replicas that follow.
	followedFor = 10 * time.Second
)

// committed is an entry to apply. conf is the membership after it, where the entry changes that.
type committed struct {
	entry *pb.Entry
	conf  *pb.ConfState
}

// applyQueue gives groups with committed entries to workers: one worker at a time for a group, in turn.
type applyQueue struct {
	clock   clock.Clock
	mu      sync.Mutex // guards everything below, and pending, pendingBytes, scheduled, patient, appliedAt and throttled of each group
	work    *sync.Cond // a group was queued, or the queue closed
	idle    *sync.Cond // a group is done
	queue   []*group
	resting map[*group]*clock.Timer // groups that are queued later
	closed  bool
}

func newApplyQueue(c clock.Clock) *applyQueue {
	q := &applyQueue{clock: c, resting: map[*group]*clock.Timer{}}
	q.work, q.idle = sync.NewCond(&q.mu), sync.NewCond(&q.mu)
	return q
}

// add takes committed entries. patient says that nobody waits for them.
func (q *applyQueue) add(g *group, list []committed, patient bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range list {
		g.pendingBytes += len(c.entry.GetData())
	}
	g.pending = append(g.pending, list...)
	g.patient = patient
	switch {
	case !g.scheduled:
		q.schedule(g)
	case q.pause(g) <= 0:
		q.rouse(g)
	}
}

// schedule queues a group, now or when its pause is over.
func (q *applyQueue) schedule(g *group) {
	g.scheduled = true
	if pause := q.pause(g); pause > 0 && !q.closed {
		q.resting[g] = q.clock.AfterFunc(pause, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.rouse(g)
		})
		return
	}
	q.queue = append(q.queue, g)
	q.work.Signal()
}

// pause is how long a group may still collect entries.
func (q *applyQueue) pause(g *group) time.Duration {
	if !g.patient || len(g.pending) >= maxBatchEntries || g.pendingBytes >= maxBatchBytes {
		return 0
	}
	// A clock that was set back does not make it longer.
	return min(g.appliedAt.Add(followerPause).Sub(q.clock.Now()), followerPause)
}

// rouse queues a group that rests.
func (q *applyQueue) rouse(g *group) {
	timer, ok := q.resting[g]
	if !ok {
		return
	}
	timer.Stop()
	delete(q.resting, g)
	q.queue = append(q.queue, g)
	q.work.Signal()
}

// full says that the group has enough to apply; the loop is told when there is room.
func (q *applyQueue) full(g *group) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	g.throttled = g.pendingBytes > maxPendingBytes
	return g.throttled
}

// next waits for a group, and takes a batch of its entries. It is nil when the queue is closed and empty.
func (q *applyQueue) next() (*group, []committed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 {
		if q.closed {
			return nil, nil
		}
		q.work.Wait()
	}
	g := q.queue[0]
	q.queue = q.queue[1:]
	n, size := 0, 0
	for n < len(g.pending) && n < maxBatchEntries && (n == 0 || size < maxBatchBytes) {
		size += len(g.pending[n].entry.GetData())
		n++
		if isControl(g.pending[n-1].entry) {
			break // what it is about is the state just behind it
		}
	}
	list := g.pending[:n:n]
	g.pending = g.pending[n:]
	return g, list
}

// done hands the group back. It says whether the loop waits for room.
func (q *applyQueue) done(g *group, list []committed) (wake bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range list {
		g.pendingBytes -= len(c.entry.GetData())
	}
	if g.throttled && g.pendingBytes <= maxPendingBytes/2 {
		g.throttled, wake = false, true
	}
	g.appliedAt = q.clock.Now()
	if len(g.pending) > 0 {
		q.schedule(g)
		return wake
	}
	g.pending, g.scheduled = nil, false
	q.idle.Broadcast()
	return wake
}

// wait returns when the group has nothing to apply.
func (q *applyQueue) wait(g *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for g.scheduled {
		q.rouse(g)
		q.idle.Wait()
	}
}

func (q *applyQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, g := range slices.SortedFunc(maps.Keys(q.resting), func(a, b *group) int { return cmp.Compare(a.id, b.id) }) {
		q.rouse(g)
	}
	q.work.Broadcast()
}
