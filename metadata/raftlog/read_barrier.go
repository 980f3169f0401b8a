package raftlog

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"
)

// read is one ReadBarrier.
type read struct {
	group *group
	done  chan error // holds one
}

// readBatch is what one ReadIndex is asked for.
type readBatch struct {
	context uint64 // unique, and new for each try
	reads   []*read
	ticks   int // since it was asked
}

// applyWait is a batch whose read index is known.
type applyWait struct {
	index uint64
	reads []*read
}

func (w applyWait) finish(err error) {
	for _, r := range w.reads {
		r.done <- err
	}
}

// ReadBarrier implements Log. Raft asks a quorum who leads, so a leader that was deposed without knowing does not answer.
func (g *group) ReadBarrier(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := g.endError(); err != nil {
		return err
	}
	r := &read{group: g, done: make(chan error, 1)}
	if err := g.node.inbox.put(func(w *work) { w.reads = append(w.reads, r) }); err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	select {
	case err := <-r.done:
		return err
	case <-g.endedCh:
		return g.endError()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// askReadIndex asks once for all reads of this round. It runs in the event loop.
func (g *group) askReadIndex() {
	reads := g.readsInWork
	g.readsInWork = nil
	err := g.endError()
	if err == nil && g.raw.BasicStatus().RaftState != raft.StateLeader {
		err = fmt.Errorf("%s: %w", g.name, kerr.NotCoordinator)
	}
	if err != nil {
		applyWait{reads: reads}.finish(err)
		return
	}
	g.ask(reads)
}

func (g *group) ask(reads []*read) {
	g.node.readContext++
	g.reads = append(g.reads, readBatch{context: g.node.readContext, reads: reads})
	g.raw.ReadIndex(binary.BigEndian.AppendUint64(nil, g.node.readContext))
}

// onReadStates lets reads go whose index is known, when it is applied.
func (g *group) onReadStates(states []raft.ReadState) {
	for _, s := range states {
		if len(s.RequestCtx) != 8 {
			continue
		}
		asked := binary.BigEndian.Uint64(s.RequestCtx)
		for i, b := range g.reads {
			if b.context != asked {
				continue
			}
			g.reads = append(g.reads[:i:i], g.reads[i+1:]...)
			g.waitApplied(applyWait{index: s.Index, reads: b.reads})
			break
		}
	}
}

func (g *group) waitApplied(w applyWait) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.ended != nil:
		w.finish(g.ended)
	case g.appliedIndex >= w.index:
		w.finish(nil)
	default:
		g.applyWaits = append(g.applyWaits, w)
	}
}

// checkReads ends the reads of a leader that is none any more, and asks again for those that got no answer: Raft
// drops a ReadIndex without a word.
func (g *group) checkReads(ticks int) {
	if len(g.reads) == 0 {
		return
	}
	if g.raw.BasicStatus().RaftState != raft.StateLeader {
		for _, b := range g.reads {
			applyWait{reads: b.reads}.finish(fmt.Errorf("%s: %w", g.name, kerr.NotCoordinator))
		}
		g.reads = nil
		return
	}
	var again [][]*read
	kept := g.reads[:0]
	for _, b := range g.reads {
		if b.ticks += ticks; b.ticks < g.node.cfg.ElectionTicks/2 {
			kept = append(kept, b)
			continue
		}
		again = append(again, b.reads)
	}
	g.reads = kept
	for _, reads := range again {
		g.ask(reads)
	}
}
