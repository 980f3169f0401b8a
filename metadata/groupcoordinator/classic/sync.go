package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// syncNamesProtocol is the version of SyncGroup from which protocol type and name are mandatory.
const syncNamesProtocol = 5

// LacksProtocol says that a SyncGroup must name the group's protocol, and does not: INCONSISTENT_GROUP_PROTOCOL, whatever the group is.
func LacksProtocol(req *kmsg.SyncGroupRequest) bool {
	return req.Version >= syncNamesProtocol && (req.ProtocolType == nil || req.Protocol == nil)
}

func syncError(code int16) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ErrorCode = code
	resp.MemberAssignment = []byte{}
	return resp
}

// SyncError is the answer to a SyncGroup that no group sees.
func SyncError(err *kerr.Error) *kmsg.SyncGroupResponse { return syncError(err.Code) }

// Sync handles a SyncGroup.
func (g *Group) Sync(id RequestID, req *kmsg.SyncGroupRequest) {
	if err := g.validateSync(req); err != nil {
		g.answer(id, syncError(err.Code))
		return
	}
	m := g.byID[req.MemberID]
	switch g.state {
	case PreparingRebalance:
		g.answer(id, syncError(rebalanceInProgress))
	case CompletingRebalance:
		g.answerSync(m, syncError(rebalanceInProgress)) // the client gave up on its earlier request
		m.awaitingSync = id
		g.synced(m)
		if m.id == g.leader {
			g.saveAssignment(req)
		}
	case Stable:
		g.synced(m)
		g.answer(id, g.assigned(m))
	default:
		g.answer(id, syncError(unknownMember))
	}
}

func (g *Group) validateSync(req *kmsg.SyncGroupRequest) *kerr.Error {
	differs := func(named *string, current string) bool { return named != nil && current != "" && *named != current }
	if g.state == Empty {
		return kerr.UnknownMemberID
	}
	if err := g.validateMember(req.MemberID, req.InstanceID); err != nil {
		return err
	}
	if req.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	if differs(req.ProtocolType, g.protocolType) || differs(req.Protocol, g.protocol) {
		return kerr.InconsistentGroupProtocol
	}
	return nil
}

// synced notes that a member sent SyncGroup; after the last one nobody can be late.
func (g *Group) synced(m *member) {
	delete(g.pendingSync, m.id)
	if len(g.pendingSync) == 0 {
		g.stopTimer(TimerKey{Kind: TimerSync})
	}
}

func (g *Group) assigned(m *member) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ProtocolType, resp.Protocol, resp.MemberAssignment = stringPtr(g.protocolType), stringPtr(g.protocol), m.assignment
	return resp
}

// saveAssignment replicates the leader's assignment; members learn it only afterwards, so that no failover can forget what a member owns.
func (g *Group) saveAssignment(req *kmsg.SyncGroupRequest) {
	assignment := make(map[string][]byte, len(req.GroupAssignment))
	for _, a := range req.GroupAssignment {
		assignment[a.MemberID] = append([]byte{}, a.MemberAssignment...)
	}
	of := func(m *member) []byte { // members that the leader left out get nothing
		if a, named := assignment[m.id]; named {
			return a
		}
		return []byte{}
	}
	generation := g.generation
	g.save(of, write{
		done: func(now int64) {
			if g.state != CompletingRebalance || g.generation != generation {
				return // another member joined or left meanwhile, everybody joins again
			}
			for _, m := range g.members {
				m.assignment = of(m)
			}
			g.transition(now, Stable)
			for _, m := range g.members {
				if g.answerSync(m, g.assigned(m)) {
					g.restartSession(m) // a session that ended while its SyncGroup waited was ignored
				}
			}
		},
		failed: func(now int64, code int16) {
			if g.state != CompletingRebalance || g.generation != generation {
				return
			}
			g.resetAssignments(code)
			g.rebalanceOrCompleteJoin(now)
		},
	})
}

// resetAssignments takes all assignments back and answers those who wait for one.
func (g *Group) resetAssignments(code int16) {
	for _, m := range g.members {
		m.assignment = []byte{}
		if g.answerSync(m, syncError(code)) {
			g.restartSession(m)
		}
	}
}
