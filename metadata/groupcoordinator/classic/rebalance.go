package classic

import (
	"slices"
)

// rebalanceOrCompleteJoin begins a rebalance, or ends the join phase if this was the last one it waited for.
func (g *Group) rebalanceOrCompleteJoin(now int64) {
	if g.state == PreparingRebalance {
		g.completeJoinIfAll(now)
		return
	}
	g.prepareRebalance(now)
}

// prepareRebalance begins the join phase.
func (g *Group) prepareRebalance(now int64) {
	if g.state == CompletingRebalance {
		g.resetAssignments(rebalanceInProgress)
	}
	clear(g.pendingSync)
	g.stopTimer(TimerKey{Kind: TimerSync})
	initial := g.state == Empty
	g.transition(now, PreparingRebalance)
	if initial {
		// The group is new: give more members the time to come, so that it starts with one rebalance and not with one for each.
		g.newMember = false
		g.initialDelay = g.settings.InitialRebalanceDelay
		g.initialRemain = max(g.rebalanceTimeout()-g.initialDelay, 0)
		g.setTimer(TimerKey{Kind: TimerJoin}, g.initialDelay)
		return
	}
	g.initialDelay, g.initialRemain = 0, 0
	if g.allJoined() {
		g.completeJoin(now)
		return
	}
	g.setTimer(TimerKey{Kind: TimerJoin}, g.rebalanceTimeout())
}

// completeJoinIfAll ends the join phase when all have joined; the initial delay always runs to its end.
func (g *Group) completeJoinIfAll(now int64) {
	if g.state == PreparingRebalance && g.previous != Empty && g.allJoined() {
		g.completeJoin(now)
	}
}

// joinTimer fires at the end of an initial delay or of the rebalance timeout.
func (g *Group) joinTimer(now int64) {
	if g.state != PreparingRebalance {
		return
	}
	if g.previous == Empty && g.newMember && g.initialRemain != 0 {
		g.newMember = false
		next := min(g.settings.InitialRebalanceDelay, g.initialRemain)
		g.initialRemain = max(g.initialRemain-g.initialDelay, 0)
		g.initialDelay = next
		g.setTimer(TimerKey{Kind: TimerJoin}, next)
		return
	}
	g.completeJoin(now)
}

// completeJoin ends the join phase: who has not rejoined is out, except static members, who may be restarting.
func (g *Group) completeJoin(now int64) {
	g.stopTimer(TimerKey{Kind: TimerJoin})
	for _, m := range slices.Clone(g.members) {
		if m.awaitingJoin == 0 && !m.isStatic {
			g.remove(m.id)
		}
	}
	if len(g.members) > 0 && !g.electJoinedLeader() {
		// Only static members that are away are left: wait until one returns or their sessions end.
		g.setTimer(TimerKey{Kind: TimerJoin}, g.rebalanceTimeout())
		return
	}
	g.generation++
	clear(g.pendingSync)
	if len(g.members) == 0 {
		g.protocol = ""
		g.subscribed = g.computeSubscribed()
		g.transition(now, Empty)
		// Should the write fail, the generation before it stays saved and would expire after a failover: harmless.
		g.save(func(*member) []byte { return nil }, write{done: func(int64) {}, failed: func(int64, int16) {}})
		return
	}
	g.protocol = g.vote()
	g.subscribed = g.computeSubscribed()
	g.transition(now, CompletingRebalance)
	for _, m := range g.members {
		g.answerJoin(m, g.joined(m))
		g.restartSession(m)
		m.isNew = false
		g.pendingSync[m.id] = true
	}
	g.setTimer(TimerKey{Kind: TimerSync}, g.rebalanceTimeout())
}

// electJoinedLeader keeps the leader if it joined, or else takes the first member that did. False: none did.
func (g *Group) electJoinedLeader() bool {
	if l := g.byID[g.leader]; l != nil && l.awaitingJoin != 0 {
		return true
	}
	for _, m := range g.members {
		if m.awaitingJoin != 0 {
			g.leader = m.id
			return true
		}
	}
	return false
}

// syncTimer removes the members that have not sent SyncGroup in time.
func (g *Group) syncTimer(now int64) {
	if g.state != CompletingRebalance && g.state != Stable || len(g.pendingSync) == 0 {
		return
	}
	for _, m := range slices.Clone(g.members) {
		if g.pendingSync[m.id] {
			g.remove(m.id)
		}
	}
	g.prepareRebalance(now)
}

// TimerFired handles the end of a timer. A timer that was replaced or stopped while it fired is ignored.
func (g *Group) TimerFired(now int64, key TimerKey, id uint64) {
	if g.timers[key] != id || g.state == Dead {
		return
	}
	delete(g.timers, key)
	switch key.Kind {
	case TimerSession:
		g.sessionTimer(now, key.Member)
	case TimerJoin:
		g.joinTimer(now)
	case TimerSync:
		g.syncTimer(now)
	}
}
