package raftlog

import (
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Elections are timed here and not in Raft, whose random timeouts come from crypto/rand: a simulation could not replay them. A follower's Raft is
// ticked by TickQuiesced, which counts (its lease needs that) and never campaigns; Campaign is called when the timeout that was drawn here from the
// handed-in source is over. Leaders are ticked by Tick: heartbeats and the check of the quorum have nothing random.
//
// Timeouts are drawn from slots, one for each replica that may follow the leader, in an order that depends on the group: two seldom campaign at
// the same time, and a dead node's groups spread over all others. The first slot ends at ElectionTicks + ElectionTicks/slots. Followers that heard the
// leader's last message on two sides of a tick count differently by one, so a slot's first and last tick are not drawn: at the first, the others might still
// hold the leader's lease and refuse their votes; at the last, the next slot's replica might campaign, too, and neither would win.

// eagerTries is how often the first voter of a new group campaigns without waiting: the others may not have started yet.
const eagerTries = 20

// tick is one unit of Raft's time, for the groups that are awake.
func (n *Node) tick() {
	n.ticks++
	n.beat()
	kept := n.awake[:0]
	for i := 0; i < len(n.awake); i++ { // a group that wakes meanwhile is appended
		g := n.awake[i]
		if g.over.Load() || g.quiesced || g.sole() && g.leads {
			g.isAwake = false
			continue
		}
		kept = append(kept, g)
		g.guard(g.tick)
		n.markDirty(g)
	}
	clear(n.awake[len(kept):])
	n.awake = kept
}

// needsTicks says whether the clock matters to anybody.
func (n *Node) needsTicks() bool { return len(n.awake) > 0 || n.sharing > 0 }

// awaken puts a group among those that are ticked.
func (n *Node) awaken(g *group) {
	if !g.isAwake && !g.over.Load() {
		g.isAwake = true
		n.awake = append(n.awake, g)
	}
}

func (g *group) tick() {
	if g.leads {
		g.idle++
		if g.maybeQuiesce(); g.quiesced {
			return // before the heartbeat of this tick, which would wake the others
		}
		g.raw.Tick()
		g.seal()
		g.checkReads(1)
		g.checkHash()
		return
	}
	g.raw.TickQuiesced()
	g.checkReads(1)
	g.elapsed++
	if g.elapsed >= g.timeout {
		g.campaign()
	}
}

// campaign asks for votes; the pre-vote costs nobody anything when there is a leader.
func (g *group) campaign() {
	g.elapsed = 0
	if g.eager > 0 {
		g.eager--
	}
	g.drawTimeout()
	me := raftID(g.node.cfg.NodeID)
	if g.staged != nil || g.receiving {
		return
	}
	if slices.Contains(g.conf.GetVoters(), me) {
		_ = g.raw.Campaign() // refused: it cannot now, and tries again
		return
	}
	if g.isStranger() && g.isSilent() {
		g.setRemoved() // what the leader had sent before it counted on this replica no more arrived after the removal, and was the last
	}
	for _, id := range g.conf.GetVoters() { // their group may rest, and not know that this replica is back
		g.pokeOne(id)
	}
}

// drawTimeout says after how many ticks without a leader this replica campaigns.
func (g *group) drawTimeout() {
	ticks := g.node.cfg.ElectionTicks
	if g.eager > 0 {
		g.timeout = 2
		return
	}
	me := raftID(g.node.cfg.NodeID)
	var others []uint64 // that may follow the leader
	for _, id := range g.conf.GetVoters() {
		if id != g.lastLead || id == me {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	slots := max(1, len(others))
	rank := max(0, slices.Index(others, me))
	rank = (rank + int(g.id%uint64(slots))) % slots
	width := max(1, ticks/slots)
	g.timeout = ticks + rank*width + min(1, width-1) + g.timeouts.IntN(max(1, width-2))
}

// stepped notes what a message meant for the election timeout.
func (g *group) stepped(m *pb.Message) {
	switch m.GetType() {
	case pb.MsgApp, pb.MsgHeartbeat, pb.MsgSnap:
		if status := g.raw.BasicStatus(); status.Lead == m.GetFrom() {
			g.elapsed, g.eager = 0, 0
			g.ledAt = g.node.cfg.Clock.Now()
			if g.removed {
				g.removed = false
				g.node.setCondition(g, 0, nil)
			}
		}
	case pb.MsgVote:
		if status := g.raw.BasicStatus(); status.GetVote() == m.GetFrom() && status.GetTerm() == m.GetTerm() {
			g.elapsed = 0
		}
	}
}

// timeObserved follows Raft's changes of term and leader.
func (g *group) timeObserved(status raft.BasicStatus) {
	if term := status.GetTerm(); term != g.seenTerm {
		g.seenTerm, g.elapsed = term, 0
	}
	if status.Lead != raft.None && status.Lead != g.lastLead {
		g.lastLead, g.eager = status.Lead, 0
		g.drawTimeout()
	}
}
