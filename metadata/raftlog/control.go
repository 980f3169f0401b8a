package raftlog

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
)

// Messages of group 0, which is nobody's, are between nodes. Their kinds are Raft's types, with a meaning of their own:
//
//	MsgHeartbeat        the sender lives; Term is its vouch
//	MsgUnreachable      you are no member of group Index, says its leader; Commit is the last change of its members
//	MsgSnapStatus       send me the state of group Index: mine cannot be used
//	MsgSnap             I have nothing of group Index, and you believe that I have
//	MsgStorageApplyResp the hash of my state of group Index, for a check: Context
//
// A kind that a node does not know is dropped.
const controlGroup = 0

func (n *Node) sendControl(to int32, m *pb.Message) {
	m.From, m.To = new(raftID(n.cfg.NodeID)), new(raftID(to))
	n.outgoing = append(n.outgoing, Message{Group: controlGroup, Raft: m})
}

// control has the event loop call fn, unless it has ended.
func (n *Node) control(fn func()) {
	_ = n.inbox.put(func(w *work) { w.controls = append(w.controls, fn) })
}

func hashMessage(group, index uint64, sum [sha256.Size]byte) *pb.Message {
	return &pb.Message{Type: pb.MsgStorageApplyResp.Enum(), Index: &group, Context: append(binary.AppendUvarint(nil, index), sum[:]...)}
}

func (n *Node) onControl(m *pb.Message) {
	from := NodeOf(m.GetFrom())
	if m.GetType() == pb.MsgHeartbeat {
		n.onBeat(from, m.GetTerm())
		return
	}
	g := n.groups[m.GetIndex()]
	if g == nil || g.over.Load() {
		return
	}
	switch m.GetType() {
	case pb.MsgUnreachable:
		if !g.leads && m.GetCommit() > g.storage.confIndex {
			g.setRemoved()
		}
	case pb.MsgSnapStatus:
		n.sendState(g, from)
	case pb.MsgSnap:
		g.guard(func() { n.sendUnasked(g, from) })
	case pb.MsgStorageApplyResp:
		g.guard(func() { g.onHash(from, m.GetContext()) })
	}
}

// setRemoved notes that this replica is no member, until a leader says otherwise.
func (g *group) setRemoved() {
	if !g.removed {
		g.removed = true
		g.log.Info("this replica was removed from its group")
		g.node.setCondition(g, Removed, nil)
	}
}

// isStranger says that this replica is no member, as far as it knows.
func (g *group) isStranger() bool {
	return !g.isBlank() && !slices.Contains(members(g.conf), raftID(g.node.cfg.NodeID))
}

// fromStranger handles messages of nodes that are no members, as far as this replica knows. One that was removed may not know it: it asks for
// votes for ever, unless the leader says so.
func (g *group) fromStranger(m *pb.Message) (handled bool) {
	if m.GetType() != pb.MsgPreVote && !g.quiesced || slices.Contains(members(g.conf), m.GetFrom()) {
		return false
	}
	if g.leads {
		g.node.sendControl(NodeOf(m.GetFrom()), &pb.Message{Type: pb.MsgUnreachable.Enum(), Index: new(g.id), Commit: new(g.storage.confIndex)})
		return true
	}
	return g.quiesced // what rests knows all members
}
