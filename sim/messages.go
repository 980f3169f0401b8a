package sim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// raftFaults loses, doubles, delays and so reorders single Raft messages on their way out of a node. The network below it is TCP, which does none of that; Raft stands all of it,
// and a transport that drops what it cannot send soon may do the first.
type raftFaults struct {
	w    *World
	host string

	mu      sync.Mutex // guards what follows
	random  *rand.Rand
	percent int // of messages that something happens to
	longest time.Duration
}

func newRaftFaults(w *World, host string) *raftFaults {
	return &raftFaults{w: w, host: host, random: w.source.Rand(host + " raft messages")}
}

func (f *raftFaults) set(percent int, longest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.percent, f.longest = percent, longest
}

// fate is what becomes of one message: the waits of its copies, none for a loss.
func (f *raftFaults) fate() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.percent == 0 || f.random.IntN(100) >= f.percent {
		return []time.Duration{0}
	}
	late := time.Duration(f.random.Int64N(int64(f.longest)))
	switch f.random.IntN(3) {
	case 0:
		return nil
	case 1:
		return []time.Duration{0, late}
	}
	return []time.Duration{late}
}

// faultyMessages is one incarnation's way out.
type faultyMessages struct {
	raftlog.Transport
	faults *raftFaults
	inc    *incarnation
}

// Send implements raftlog.Transport.
func (t *faultyMessages) Send(messages []raftlog.Message) {
	now := make([]raftlog.Message, 0, len(messages))
	for _, m := range messages {
		t.inc.checkTerm(m)
		for _, wait := range t.faults.fate() {
			if wait == 0 {
				now = append(now, m)
				continue
			}
			t.inc.clock.AfterFunc(wait, func() {
				if t.inc.alive() && t.inc.ctx.Err() == nil {
					t.Transport.Send([]raftlog.Message{m})
				}
			})
		}
	}
	t.Transport.Send(now)
}

// checkTerm: who sends what only leaders send leads its group in that term, and nobody else does.
func (i *incarnation) checkTerm(m raftlog.Message) {
	switch m.Raft.GetType() {
	case pb.MsgApp, pb.MsgHeartbeat, pb.MsgSnap, pb.MsgTimeoutNow:
		if from := raftlog.NodeOf(m.Raft.GetFrom()); i.alive() {
			i.p.w.check(i.p.w.history.Leads(fmt.Sprintf("group %d", m.Group), int64(m.Raft.GetTerm()), from))
		}
	}
}

// SendSnapshot implements raftlog.SnapshotTransport.
func (t *faultyMessages) SendSnapshot(ctx context.Context, to int32, write func(io.Writer) error) error {
	carrier, ok := t.Transport.(raftlog.SnapshotTransport)
	if !ok {
		return fmt.Errorf("%T carries no snapshots", t.Transport)
	}
	return carrier.SendSnapshot(ctx, to, write)
}

func messageFaults(w *World, r *rand.Rand, _ time.Duration) func() {
	percent, longest := []int{2, 10, 40}[r.IntN(3)], time.Duration(1+r.IntN(2000))*time.Millisecond
	nodes := w.nodes
	if r.IntN(2) == 0 {
		nodes = []*metadataNode{w.someNode(r)}
	}
	for _, n := range nodes {
		n.raft.set(percent, longest)
	}
	return func() {
		for _, n := range nodes {
			n.raft.set(0, 0)
		}
	}
}
