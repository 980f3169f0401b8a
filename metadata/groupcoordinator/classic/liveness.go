package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat keeps a member's session and tells it when to rejoin. nil means that all is well.
func (g *Group) Heartbeat(req *kmsg.HeartbeatRequest) *kerr.Error {
	if err := g.validateMember(req.MemberID, req.InstanceID); err != nil {
		return err
	}
	if req.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	if g.state == Empty {
		return kerr.UnknownMemberID
	}
	g.restartSession(g.byID[req.MemberID])
	if g.state == PreparingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}

// sessionTimer ends a session. Who waits for an answer is alive, except new members, see addMember.
func (g *Group) sessionTimer(now int64, id string) {
	if g.pendingJoin[id] {
		g.remove(id)
		if g.state == PreparingRebalance && g.allJoined() {
			g.completeJoin(now)
		}
		return
	}
	m := g.byID[id]
	if m == nil || !m.isNew && (m.awaitingJoin != 0 || m.awaitingSync != 0) {
		return
	}
	g.remove(id)
	switch {
	case g.state == Stable || g.state == CompletingRebalance:
		g.prepareRebalance(now)
	case g.state == PreparingRebalance && g.allJoined():
		g.completeJoin(now)
	}
}

// Leave handles a LeaveGroup of one or more members. An operator removes a static member by its instance id alone.
func (g *Group) Leave(now int64, members []kmsg.LeaveGroupRequestMember) []kmsg.LeaveGroupResponseMember {
	var left bool
	answers := make([]kmsg.LeaveGroupResponseMember, 0, len(members))
	for i := range members {
		a := kmsg.NewLeaveGroupResponseMember()
		a.MemberID, a.InstanceID = members[i].MemberID, members[i].InstanceID
		if err := g.leave(&members[i]); err != nil {
			a.ErrorCode = err.Code
		} else {
			left = true
		}
		answers = append(answers, a)
	}
	if !left {
		return answers
	}
	switch g.state {
	case Stable, CompletingRebalance:
		g.prepareRebalance(now)
	case PreparingRebalance:
		g.completeJoinIfAll(now)
	}
	return answers
}

func (g *Group) leave(m *kmsg.LeaveGroupRequestMember) *kerr.Error {
	id := m.MemberID
	switch {
	case id == "":
		known := false
		if m.InstanceID != nil {
			id, known = g.static[*m.InstanceID]
		}
		if !known {
			return kerr.UnknownMemberID
		}
	case g.pendingJoin[id]:
	default:
		if err := g.validateMember(id, m.InstanceID); err != nil {
			return err
		}
	}
	g.remove(id)
	return nil
}
