package raftlog

import (
	"cmp"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/statestore"
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
	if !g.patient || g.appliedAt.IsZero() || len(g.pending) >= maxBatchEntries || g.pendingBytes >= maxBatchBytes {
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

// isPatient says that nobody waits for what this replica applies. It runs in the event loop.
func (g *group) isPatient() bool {
	return !g.leads && g.node.cfg.Clock.Now().UnixNano()-g.followedAt.Load() > int64(followedFor)
}

// applyLoop is one worker.
func (n *Node) applyLoop() {
	for {
		g, list := n.applies.next()
		if g == nil {
			return
		}
		if !g.over.Load() {
			g.apply(list)
		}
		if n.applies.done(g, list) {
			_ = n.inbox.put(func(w *work) { w.ready = append(w.ready, g) }) // refused: the loop has ended
		}
	}
}

// apply makes a batch of entries visible and tells those who wait.
func (g *group) apply(list []committed) {
	began := g.node.cfg.Clock.Now()
	results, w, err := g.applyBatch(list)
	if err != nil {
		g.halt(err)
		return
	}
	g.tail.publish(w.state, w.appended, w.removed)
	g.sinceHash.Add(int64(len(list)))
	g.shown(results)
	g.node.metrics.applied(g.node.cfg.Clock.Now().Sub(began), len(list))
	if last := list[len(list)-1].entry; isControl(last) {
		e, _ := decodeControl(last.GetData())
		g.applyControl(last.GetIndex(), e)
	}
}

// shown tells those who wait for entries that are visible now.
func (g *group) shown(results []applyResult) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.appliedIndex, g.appliedTerm = g.applied.index, g.applied.term
	for _, r := range results {
		if p := g.waiters[r.counter]; p != nil {
			delete(g.waiters, r.counter)
			p.finish(r.result, nil)
		}
	}
	kept := g.applyWaits[:0]
	for _, w := range g.applyWaits {
		if g.appliedIndex >= w.index {
			w.finish(nil)
		} else {
			kept = append(kept, w)
		}
	}
	g.applyWaits = kept
	if l := g.leadership; g.raftLeads && !l.IsLeader && g.appliedTerm == l.Term {
		l.IsLeader = true
		g.setLeadership(l)
	}
}

type applyResult struct {
	counter uint64
	result  any
}

// applyBatch executes entries in one batch of the state store: the state, the records and the applied index are visible
// together or not at all. After an error nothing of the batch is; the entries stay in the log.
func (g *group) applyBatch(list []committed) (results []applyResult, w *topicWriter, err error) {
	b := g.node.store.NewBatch()
	committed := false
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
		if !committed {
			defer func() { _ = recover() }() // the store failed before; that is what counts
			b.Drop()
		}
	}()
	tx := b.Tx(g.space(kindState))
	w = &topicWriter{cfg: g.topic, state: g.topicState, records: b.Tx(g.space(kindTopic)), keys: b.Tx(g.space(kindKeys)), stones: b.Tx(g.space(kindStones))}
	applied := g.applied
	applied.installed = false
	for _, c := range list {
		if index := c.entry.GetIndex(); index != applied.index+1 {
			return nil, nil, fmt.Errorf("%w: entry %d follows entry %d", ErrHalt, index, applied.index)
		}
		applied.index, applied.term = c.entry.GetIndex(), c.entry.GetTerm()
		if c.conf != nil {
			applied.conf = c.conf
		}
		if c.entry.GetType() != pb.EntryNormal || len(c.entry.GetData()) == 0 {
			continue // a new leader's first entry, or a change of membership
		}
		if isControl(c.entry) {
			continue
		}
		r, err := g.applyEntry(tx, w, c.entry)
		if err != nil {
			return nil, nil, fmt.Errorf("index %d: %w", c.entry.GetIndex(), err)
		}
		if r.counter != 0 {
			results = append(results, r)
		}
	}
	meta := b.Tx(g.space(kindMeta))
	meta.Set(appliedKey, applied.encode())
	if w.state != g.topicState {
		meta.Set(topicKey, w.state.encode())
	}
	b.Commit()
	committed = true
	g.applied, g.topicState = applied, w.state
	return results, w, nil
}

func (g *group) applyEntry(tx statestore.Tx, w *topicWriter, e *pb.Entry) (applyResult, error) {
	id, command, err := decodeEntry(e.GetData())
	if err != nil {
		return applyResult{}, err
	}
	result, records, err := g.machine.Apply(tx, e.GetIndex(), command)
	if err != nil {
		return applyResult{}, err
	}
	for _, r := range records {
		w.append(r)
	}
	if id.node != g.node.cfg.NodeID || id.nonce != g.node.nonce {
		return applyResult{}, nil // proposed elsewhere, or before a restart
	}
	return applyResult{id.counter, result}, nil
}

// panicError is what a group halts with after a panic: of a state machine, or of the store whose disk failed.
func panicError(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("%w: %w\n%s", ErrHalt, err, debug.Stack())
	}
	return fmt.Errorf("%w: %v\n%s", ErrHalt, p, debug.Stack())
}

func isControl(e *pb.Entry) bool {
	b := e.GetData()
	return e.GetType() == pb.EntryNormal && len(b) > 0 && b[0] == controlVersion
}
