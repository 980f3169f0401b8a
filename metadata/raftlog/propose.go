package raftlog

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"

	"github.com/inkwell-project/inkwell/kafka"
)

// proposal is a command on its way.
type proposal struct {
	group   *group
	counter uint64
	data    []byte
	size    int64
	credit  *atomic.Int64 // of the node: size is given back once
	done    chan outcome  // holds one
}

type outcome struct {
	result any
	err    error
}

// finish is called once.
func (p *proposal) finish(result any, err error) {
	p.credit.Add(-p.size)
	p.done <- outcome{result, err}
}

// Propose implements Log.
func (g *group) Propose(ctx context.Context, command []byte) (any, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := g.endError(); err != nil {
		return nil, err
	}
	n := g.node
	if len(command) > n.cfg.MaxCommandBytes {
		return nil, fmt.Errorf("%s: a command of %d bytes is above the bound of %d: %w", g.name, len(command), n.cfg.MaxCommandBytes, kerr.MessageTooLarge)
	}
	size := int64(len(command) + entryHeaderSize)
	if n.inFlight.Add(size) > n.cfg.MaxInFlightBytes {
		n.inFlight.Add(-size)
		n.metrics.throttled.Inc()
		return nil, fmt.Errorf("%s: commands of %d bytes wait for the log: %w", g.name, n.cfg.MaxInFlightBytes, kerr.ThrottlingQuotaExceeded)
	}
	counter := n.counter.Add(1)
	p := &proposal{group: g, counter: counter, size: size, credit: &n.inFlight, done: make(chan outcome, 1),
		data: encodeEntry(proposalID{n.cfg.NodeID, n.nonce, counter}, command)}
	if err := n.inbox.put(func(w *work) { w.proposals = append(w.proposals, p) }); err != nil {
		n.inFlight.Add(-size)
		return nil, fmt.Errorf("%s: %w", g.name, err)
	}
	select {
	case o := <-p.done:
		return o.result, o.err
	case <-ctx.Done():
		// It may be in the queue, in the log, or applied: nobody knows without asking.
		return nil, fmt.Errorf("%s: %w: %w", g.name, kafka.ErrUnknownOutcome, context.Cause(ctx))
	}
}

// propose hands one proposal to Raft. It runs in the event loop.
func (g *group) propose(p *proposal) {
	status := g.raw.BasicStatus()
	if status.RaftState != raft.StateLeader || status.LeadTransferee != raft.None {
		p.finish(nil, fmt.Errorf("%s: %w", g.name, kerr.NotCoordinator))
		return
	}
	// Under one lock: whoever ends the group finds this one, or this one finds the end.
	g.mu.Lock()
	ended := g.ended
	if ended == nil {
		g.waiters[p.counter] = p
	}
	g.mu.Unlock()
	if ended != nil {
		p.finish(nil, ended)
		return
	}
	if err := g.raw.Propose(p.data); err != nil {
		// The leader refuses when too much is uncommitted; the entry is not in its log.
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.waiters[p.counter] == nil {
			return // the group ended meanwhile, and this one was told
		}
		delete(g.waiters, p.counter)
		g.node.metrics.throttled.Inc()
		p.finish(nil, fmt.Errorf("%s: too much waits for the other replicas: %w", g.name, kerr.ThrottlingQuotaExceeded))
		return
	}
	p.data = nil // Raft holds it now
	g.node.metrics.proposals.Inc()
}
