package raftlog

import (
	"fmt"
	"runtime/debug"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

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
