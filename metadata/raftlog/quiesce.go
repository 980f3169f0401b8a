package raftlog

import (
	"encoding/binary"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// A group in which nothing is outstanding is quiesced: nobody ticks it and it sends nothing. Nodes that share quiesced groups send each other
// one heartbeat for all of them. It names the sender's vouch, a number that is new for each process and changes whenever one of its groups lost its
// leader here other than by a message of that group: halted, stopped, or stepped down. A node that hears nothing of another for an
// election timeout, or another vouch, wakes what it shares with it.
//
// Nothing that must be correct depends on this. A leader's claim is proved for each read, by a quorum, and that wakes the group; a message that
// gets lost, comes twice or late wakes a group for nothing, or leaves a follower awake, which then asks for votes and so wakes the leader.

// quiesceTicks is for how long nothing must have happened.
const quiesceTicks = 20

// peerState is what this node knows of another.
type peerState struct {
	id      int32
	shared  int // quiesced groups whose rest depends on it
	vouch   uint64
	silence int // ticks since its last heartbeat
}

func (n *Node) peer(id int32) *peerState {
	i, ok := slices.BinarySearchFunc(n.peers, id, func(p *peerState, id int32) int { return int(p.id - id) })
	if !ok {
		n.peers = slices.Insert(n.peers, i, &peerState{id: id})
	}
	return n.peers[i]
}

// beat sends the heartbeats between nodes, and looks for those that are silent.
func (n *Node) beat() {
	for _, p := range n.peers {
		if p.shared == 0 {
			continue
		}
		if n.ticks%n.cfg.HeartbeatTicks == 0 {
			n.sendControl(p.id, &pb.Message{Type: pb.MsgHeartbeat.Enum(), Term: &n.vouch})
		}
		if p.silence++; p.silence >= n.cfg.ElectionTicks {
			n.cfg.Logger.Debug("a metadata node is silent", "node", p.id, "groups", p.shared)
			n.wakeShared(p, p.silence)
		}
	}
}

// wakeShared wakes the groups that rest on a node; silence is for how many ticks it is known to be silent.
func (n *Node) wakeShared(p *peerState, silence int) {
	for _, g := range n.order {
		if !g.quiesced || !slices.Contains(g.restsOn, p.id) {
			continue
		}
		g.guard(func() {
			g.wakeUp()
			if g.leads {
				return
			}
			if silence == 0 {
				g.poke()
			}
			for range silence {
				g.raw.TickQuiesced() // its lease is over, so that this replica votes
			}
			g.elapsed = silence
		})
		n.markDirty(g)
	}
	p.silence = 0
}

// onBeat is a node's heartbeat.
func (n *Node) onBeat(from int32, vouch uint64) {
	p := n.peer(from)
	p.silence = 0
	if p.vouch != vouch {
		p.vouch = vouch
		n.wakeShared(p, 0)
	}
}

// maybeQuiesce puts a group to rest when all its replicas have everything. Voters that have not answered for long do not count: one that comes
// back asks for votes, or pokes, and so wakes the group. A learner may be too new to do that. It runs on the leader.
func (g *group) maybeQuiesce() {
	n := g.node
	if g.idle < quiesceTicks || len(g.reads) > 0 || g.changing != nil || len(g.sends) > 0 || g.hashing != nil || len(g.conf.GetVotersOutgoing()) > 0 || !g.sealed() {
		return
	}
	status := g.raw.BasicStatus()
	last := lastIndex(g.storage.Group)
	lastTerm, _ := g.storage.Term(last)
	if status.RaftState != raft.StateLeader || status.LeadTransferee != raft.None || status.GetCommit() != last || status.Applied != last || lastTerm != status.GetTerm() {
		return
	}
	rest := true
	var others []int32
	g.raw.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		if id == status.ID || !pr.RecentActive && kind != raft.ProgressTypeLearner && g.unheard(id) {
			return
		}
		others = append(others, NodeOf(id))
		rest = rest && pr.Match == last && pr.RecentActive && pr.State == tracker.StateReplicate
	})
	if !rest || 2*(len(others)+1) <= len(members(g.conf)) {
		return
	}
	slices.Sort(others)
	for _, to := range others {
		id, term := raftID(to), status.GetTerm()
		n.outgoing = append(n.outgoing, Message{Group: g.id, Raft: &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: &status.ID, To: &id, Term: &term, Commit: &last,
			Context: binary.BigEndian.AppendUint64([]byte{quiesceMark}, n.vouch)}})
	}
	g.quiesce(others)
}

// unheard says that nothing came from a replica's node for two election timeouts: it is not just slow.
func (g *group) unheard(id uint64) bool {
	n := g.node
	return n.cfg.Clock.Now().Sub(n.heard[NodeOf(id)]) > time.Duration(2*n.cfg.ElectionTicks)*n.cfg.TickInterval
}

// quiesceMark begins the context of a heartbeat that says that the group may rest. Those of reads have 8 bytes.
const quiesceMark = 'Q'

// onQuiesce is the leader's word that the group may rest. It is an ordinary heartbeat, and answered as one, unless this replica agrees.
func (g *group) onQuiesce(m *pb.Message) {
	n := g.node
	vouch := binary.BigEndian.Uint64(m.GetContext()[1:])
	status := g.raw.BasicStatus()
	last := lastIndex(g.storage.Group)
	if !g.quiesced && !g.leads && status.GetTerm() == m.GetTerm() && status.Lead == m.GetFrom() && last == m.GetCommit() && status.GetCommit() == last &&
		g.staged == nil && !g.raw.HasReady() {
		g.elapsed = 0
		from := NodeOf(m.GetFrom())
		p := n.peer(from)
		if p.vouch != vouch {
			p.vouch = vouch
			n.wakeShared(p, 0)
		}
		g.quiesce([]int32{from})
		return
	}
	g.wakeUp()
	_ = g.raw.Step(&pb.Message{Type: pb.MsgHeartbeat.Enum(), From: m.From, To: m.To, Term: m.Term, Commit: new(min(m.GetCommit(), last))})
	g.stepped(m)
	g.poke()
}

// quiesce ends the group's ticks, as long as the nodes that it rests on are heard.
func (g *group) quiesce(restsOn []int32) {
	g.quiesced, g.restsOn = true, restsOn
	for _, id := range restsOn {
		p := g.node.peer(id)
		if p.shared == 0 {
			p.silence = 0
		}
		p.shared++
		g.node.sharing++
	}
	g.node.metrics.quiesced.Inc()
}

// wakeUp ends quiescence. It runs in the event loop.
func (g *group) wakeUp() {
	g.idle = 0
	if !g.quiesced {
		return
	}
	for _, id := range g.restsOn {
		g.node.peer(id).shared--
		g.node.sharing--
	}
	g.quiesced, g.restsOn = false, nil
	g.node.metrics.quiesced.Dec()
	g.node.awaken(g)
}

// wakeMark is the context of an answer to a heartbeat that wakes a leader. An ordinary one may be late, and does not.
const wakeMark = 'W'

// poke wakes the leader.
func (g *group) poke() {
	if status := g.raw.BasicStatus(); status.Lead != raft.None && status.Lead != status.ID {
		g.pokeOne(status.Lead)
	}
}

func (g *group) pokeOne(to uint64) {
	term, me := g.raw.BasicStatus().GetTerm(), raftID(g.node.cfg.NodeID)
	g.node.outgoing = append(g.node.outgoing, Message{Group: g.id, Raft: &pb.Message{Type: pb.MsgHeartbeatResp.Enum(), From: &me, To: &to, Term: &term, Context: []byte{wakeMark}}})
}

// onEnded takes a group that does not go on out of what others rely on.
func (n *Node) onEnded(g *group) {
	if g.quiesced || g.leads {
		n.vouch++
	}
	g.wakeUp()
	g.settleStaged()
}
