package raftlog

import (
	"fmt"
	"time"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
)

// run is the event loop. It sleeps when nothing has arrived and no group needs the clock.
func (n *Node) run() {
	defer close(n.loopDone)
	defer n.drain()
	var w work
	ticker := &ticker{clock: n.cfg.Clock, interval: n.cfg.TickInterval}
	defer ticker.stop()
	for {
		ticker.need(n.needsTicks())
		if len(n.dirty) == 0 {
			select {
			case <-n.inbox.wake:
			case <-ticker.c():
				ticker.fired = true
			case <-n.stop:
				return
			}
		} else {
			select {
			case <-n.stop:
				return
			case <-ticker.c():
				ticker.fired = true
			default:
			}
		}
		n.inbox.take(&w)
		if ticker.fired {
			ticker.rearm()
			n.tick()
		}
		n.feed(&w)
		if err := n.round(); err != nil {
			n.fail(err)
			return
		}
		n.flushMessages()
	}
}

// ticker is a timer that is only there while somebody needs it: an idle node does not wake.
type ticker struct {
	clock    clock.Clock
	interval time.Duration
	timer    *clock.Timer
	fired    bool
}

func (t *ticker) need(needed bool) {
	switch {
	case needed && t.timer == nil:
		t.timer = t.clock.NewTimer(t.interval)
	case !needed:
		t.stop()
	}
}

func (t *ticker) rearm() {
	t.fired = false
	t.timer = t.clock.NewTimer(t.interval)
}

func (t *ticker) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

func (t *ticker) c() <-chan time.Time {
	if t.timer == nil {
		return nil
	}
	return t.timer.C
}

// feed gives everything that arrived to the groups it is for, in order of arrival.
func (n *Node) feed(w *work) {
	for _, control := range w.controls {
		control()
	}
	if len(w.messages) > 0 {
		now := n.cfg.Clock.Now()
		for _, m := range w.messages {
			n.heard[NodeOf(m.Raft.GetFrom())] = now
		}
	}
	for _, m := range w.messages {
		if m.Group == controlGroup {
			n.onControl(m.Raft)
		} else if g := n.groups[m.Group]; g != nil && !g.over.Load() {
			g.guard(func() { g.step(m.Raft) })
			n.markDirty(g)
		}
	}
	for _, p := range w.proposals {
		p.group.wakeUp()
		p.group.guard(func() { p.group.propose(p) })
		n.markDirty(p.group)
	}
	for _, r := range w.reads {
		r.group.readsInWork = append(r.group.readsInWork, r)
	}
	for _, r := range w.reads {
		if g := r.group; len(g.readsInWork) > 0 {
			g.wakeUp()
			g.guard(g.askReadIndex)
			n.markDirty(g)
		}
	}
	for _, g := range w.ready {
		n.markDirty(g)
	}
}

func (n *Node) markDirty(g *group) {
	if !g.dirty && !g.over.Load() {
		g.dirty = true
		n.dirty = append(n.dirty, g)
	}
}

// step gives Raft a message from another node.
func (g *group) step(m *pb.Message) {
	if g.fromStranger(m) {
		return
	}
	switch m.GetType() {
	case pb.MsgSnap: // comes by ReceiveSnapshot only
		return
	case pb.MsgVote, pb.MsgPreVote:
		if g.isBlank() {
			return
		}
	case pb.MsgApp:
		if g.isBlank() {
			offer := refusal{m.GetIndex(), g.node.ticks}
			if g.refused == offer {
				return // a leader that credits this replica with entries, see sendUnasked, would offer the same for ever, as fast as the network carries it
			}
			g.refused = offer
		}
	case pb.MsgHeartbeat:
		if c := m.GetContext(); len(c) == 9 && c[0] == quiesceMark {
			g.onQuiesce(m)
			return
		}
		if g.isBlank() && m.GetCommit() > 0 {
			m = g.notYet(m)
		}
	case pb.MsgHeartbeatResp:
		if c := m.GetContext(); len(c) == 1 && c[0] == wakeMark {
			if g.quiesced && !g.leads {
				g.wakeUp()
				g.poke()
			}
			g.wakeUp()
			m = &pb.Message{Type: m.Type, From: m.From, To: m.To, Term: m.Term}
		} else if g.quiesced && m.GetTerm() <= g.seenTerm {
			return
		}
	}
	if g.quiesced {
		g.wakeUp()
		if !g.leads && g.lastLead != m.GetFrom() {
			g.poke()
		}
	}
	_ = g.raw.Step(m) // an error means that the message is not for this replica any more
	g.stepped(m)
}

// isBlank says that this replica has nothing yet, not even the names of its group's members: it was started to become one. Under the same id there may have been a replica that
// voted, was removed and forgot its votes with its state; one that is still counted by a node that missed the removal must not vote again in the same term, or that term
// has two leaders. What it is first sent ends with the entry that makes it a member, so that from then on only a log which has that entry gets its vote.
func (g *group) isBlank() bool { return len(members(g.conf)) == 0 }

// notYet takes what a heartbeat says is committed out of it, and tells its sender that this replica has none of that: it was for the replica that was here before, or is for this one
// because what that one said arrived late.
func (g *group) notYet(m *pb.Message) *pb.Message {
	g.node.sendControl(NodeOf(m.GetFrom()), &pb.Message{Type: pb.MsgSnap.Enum(), Index: new(g.id)})
	return &pb.Message{Type: m.Type, From: m.From, To: m.To, Term: m.Term, Context: m.Context}
}

// refusal is of entries that follow an index that a blank replica does not have.
type refusal struct {
	index uint64
	tick  int
}

// guard runs fn, and halts the group when Raft panics: its log cannot be read, or an invariant is broken.
func (g *group) guard(fn func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			g.halt(panicError(p))
			ok = false
		}
	}()
	fn()
	return true
}

type groupReady struct {
	g  *group
	rd raft.Ready
}

// round makes what all dirty groups decided durable, then lets it take effect.
func (n *Node) round() error {
	dirty := n.dirty
	n.dirty = nil
	var readies []groupReady
	var updates []wal.Update
	for _, g := range dirty {
		g.dirty = false
		if g.over.Load() || n.applies.full(g) {
			continue // full: the workers mark it again
		}
		g.guard(func() {
			if !g.raw.HasReady() {
				return
			}
			rd := g.raw.Ready()
			u := wal.Update{Group: g.id, HardState: rd.HardState, Entries: rd.Entries}
			if !raft.IsEmptySnap(rd.Snapshot) {
				u.Reset = g.install(rd.Snapshot)
			}
			g.sendEarly(rd)
			readies = append(readies, groupReady{g, rd})
			updates = append(updates, u)
		})
		if g.staged != nil && !g.staged.installed {
			g.settleStaged()
		}
	}
	if len(updates) == 0 {
		return nil
	}
	n.flushMessages() // appends travel while they are written here
	began := n.cfg.Clock.Now()
	written, err := n.log.Append(updates)
	if err != nil {
		return err
	}
	if written {
		now := n.cfg.Clock.Now()
		n.metrics.synced(now.Sub(began), now)
		_, size := n.log.Size()
		n.metrics.logBytes.Store(size)
	}
	for _, r := range readies {
		if r.g.guard(func() { r.g.carryOut(r.rd) }) && r.g.raw.HasReady() {
			n.markDirty(r.g)
		}
		r.g.settleStaged()
	}
	n.compactWhenDue()
	return nil
}

// carryOut does what a Ready asks for once it is durable.
func (g *group) carryOut(rd raft.Ready) {
	for _, m := range rd.Messages {
		if promises(m) {
			g.node.outgoing = append(g.node.outgoing, Message{Group: g.id, Raft: m})
		}
	}
	if len(rd.Entries) > 0 || len(rd.CommittedEntries) > 0 {
		g.idle = 0
	}
	if len(rd.CommittedEntries) > 0 {
		list := make([]committed, len(rd.CommittedEntries))
		for i, e := range rd.CommittedEntries {
			list[i] = committed{entry: e, conf: g.changeMembers(e)}
		}
		g.node.applies.add(g, list, g.isPatient())
	}
	g.raw.Advance(rd)
	g.seal()
	if rd.SoftState != nil || rd.HardState != nil {
		g.observe()
		g.checkReads(0)
	}
	g.onReadStates(rd.ReadStates)
}

// promises says whether a message speaks of what must be durable before it is sent: votes and entries that this replica has. Everything else
// may be sent at once, for it is true whatever this disk does.
func promises(m *pb.Message) bool {
	switch m.GetType() {
	case pb.MsgAppResp, pb.MsgVoteResp, pb.MsgPreVoteResp:
		return true
	}
	return false
}

// sendEarly sends what need not wait for the disk.
func (g *group) sendEarly(rd raft.Ready) {
	for _, m := range rd.Messages {
		switch {
		case promises(m):
		case m.GetType() == pb.MsgSnap:
			g.node.startSnapshot(g, m)
		default:
			g.node.outgoing = append(g.node.outgoing, Message{Group: g.id, Raft: m})
		}
	}
}

// flushMessages hands everything that was said to the transport, in one piece.
func (n *Node) flushMessages() {
	if len(n.outgoing) > 0 {
		n.cfg.Transport.Send(n.outgoing)
		n.outgoing = nil
	}
}

// changeMembers tells Raft of a change of membership, and returns the membership after it.
func (g *group) changeMembers(e *pb.Entry) *pb.ConfState {
	var change pb.ConfChangeI
	switch e.GetType() {
	case pb.EntryConfChange:
		change = &pb.ConfChange{}
	case pb.EntryConfChangeV2:
		change = &pb.ConfChangeV2{}
	default:
		return nil
	}
	if err := proto.Unmarshal(e.GetData(), change.(proto.Message)); err != nil {
		panic(fmt.Errorf("%w: entry %d is not a change of membership: %w", ErrHalt, e.GetIndex(), err))
	}
	g.conf = g.raw.ApplyConfChange(change)
	g.storage.confIndex = e.GetIndex()
	g.sealAt = lastIndex(g.storage.Group) + 1
	g.checkChange()
	if g.isStranger() {
		g.setRemoved()
	}
	g.node.awaken(g) // it may have been the only one
	return g.conf
}

// drain answers what nobody will do any more. It runs when the loop ends.
func (n *Node) drain() {
	left := n.inbox.close()
	for _, p := range left.proposals {
		p.finish(nil, fmt.Errorf("%s: %w", p.group.name, kafka.ErrClosed)) // not proposed
	}
	for _, r := range left.reads {
		r.done <- fmt.Errorf("%s: %w", r.group.name, kafka.ErrClosed)
	}
	for _, g := range n.order {
		for _, b := range g.reads {
			applyWait{reads: b.reads}.finish(fmt.Errorf("%s: %w", g.name, kafka.ErrClosed))
		}
		g.reads = nil
	}
	if err := n.failure.Load(); err != nil {
		// Nothing will be applied for sure. Otherwise the workers still answer what is committed.
		for _, g := range n.order {
			g.end(fmt.Errorf("%s: %w", g.name, *err))
		}
	}
}
