package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	unknownMember       = kerr.UnknownMemberID.Code
	fencedInstance      = kerr.FencedInstanceID.Code
	rebalanceInProgress = kerr.RebalanceInProgress.Code
)

// Versions of JoinGroup from which something holds.
const (
	joinRequiresMemberID = 4
	joinSkipsAssignment  = 9
)

func joinError(memberID string, code int16) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.MemberID, resp.ErrorCode = memberID, code
	return resp
}

// JoinError is the answer to a JoinGroup that no group sees.
func JoinError(memberID string, err *kerr.Error) *kmsg.JoinGroupResponse {
	return joinError(memberID, err.Code)
}

// Join handles a JoinGroup. newMemberID is the id that the member gets if it has none.
func (g *Group) Join(now int64, id RequestID, client Client, req *kmsg.JoinGroupRequest, newMemberID string) {
	saves := g.lastID
	switch {
	case !g.accepts(req.MemberID):
		g.remove(req.MemberID)
		g.answer(id, joinError("", kerr.GroupMaxSizeReached.Code))
	case req.MemberID == "":
		g.joinNew(now, id, client, req, newMemberID)
	default:
		g.joinExisting(now, id, client, req)
	}
	if g.unsaved {
		g.unsaved = false
		g.saveNew(id, saves)
	}
}

// saveNew replicates that a group was created, so that it is listed after a failover, unless the event already asked for a write.
func (g *Group) saveNew(id RequestID, before uint64) {
	for w := range g.writes {
		if w > before {
			return
		}
	}
	v := kmsg.NewGroupMetadataValue()
	v.CurrentStateTimestamp = g.stateSince
	g.lastID++
	g.writes[g.lastID] = write{
		done: func(int64) {},
		failed: func(_ int64, code int16) {
			if g.generation == 0 { // nothing of it was saved: as if it had not been created
				g.Close(code)
			}
		},
	}
	g.effects = append(g.effects, Save{ID: g.lastID, Value: v})
}

// accepts says whether there is room. In the join phase those who wait count, not the members: the last ones to rejoin an over-full group are
// turned away.
func (g *Group) accepts(memberID string) bool {
	m := g.byID[memberID]
	switch g.state {
	case PreparingRebalance:
		return m != nil && m.awaitingJoin != 0 || g.awaitingJoin < g.settings.MaxSize
	case CompletingRebalance, Stable:
		return m != nil || len(g.members) < g.settings.MaxSize
	default:
		return true
	}
}

func (g *Group) joinNew(now int64, id RequestID, client Client, req *kmsg.JoinGroupRequest, newID string) {
	switch {
	case !g.supports(req.ProtocolType, req.Protocols):
		g.answer(id, joinError("", kerr.InconsistentGroupProtocol.Code))
	case req.InstanceID != nil:
		if old, known := g.static[*req.InstanceID]; known {
			g.replaceStatic(now, id, req, g.byID[old], newID)
		} else {
			g.addMember(now, id, client, req, newID)
		}
	case req.Version >= joinRequiresMemberID:
		// The id goes out first: a client that never gets the answer leaves no member behind that a rebalance waits for.
		g.pendingJoin[newID] = true
		g.setTimer(TimerKey{TimerSession, newID}, millis(req.SessionTimeoutMillis))
		g.answer(id, joinError(newID, kerr.MemberIDRequired.Code))
	default:
		g.addMember(now, id, client, req, newID)
	}
}

func (g *Group) joinExisting(now int64, id RequestID, client Client, req *kmsg.JoinGroupRequest) {
	if !g.supports(req.ProtocolType, req.Protocols) {
		g.answer(id, joinError(req.MemberID, kerr.InconsistentGroupProtocol.Code))
		return
	}
	if g.pendingJoin[req.MemberID] {
		if req.InstanceID != nil { // pending ids are only given to dynamic members
			g.answer(id, joinError(req.MemberID, kerr.UnknownServerError.Code))
			return
		}
		g.addMember(now, id, client, req, req.MemberID)
		return
	}
	if err := g.validateMember(req.MemberID, req.InstanceID); err != nil {
		g.answer(id, joinError(req.MemberID, err.Code))
		return
	}
	m := g.byID[req.MemberID]
	switch {
	case g.state == Empty: // cannot have members; kept for safety
		g.answer(id, joinError(req.MemberID, unknownMember))
	case g.state == CompletingRebalance && m.matches(req.Protocols):
		// Its JoinGroup answer was lost: the same again.
		g.answer(id, g.joined(m))
	case g.state == Stable && m.id != g.leader && m.matches(req.Protocols):
		// A follower without news learns the generation and goes on to SyncGroup. A leader that joins again asks for a rebalance: it saw
		// something that matters, such as more partitions.
		resp := g.joined(m)
		resp.Members = nil
		g.answer(id, resp)
	default:
		g.update(m, req, id)
		g.rebalanceOrCompleteJoin(now)
	}
}

// joined is the answer to a member of the current generation.
func (g *Group) joined(m *member) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.MemberID, resp.Generation, resp.LeaderID = m.id, g.generation, g.leader
	resp.ProtocolType, resp.Protocol = stringPtr(g.protocolType), stringPtr(g.protocol)
	if m.id != g.leader {
		return resp
	}
	for _, o := range g.members {
		rm := kmsg.NewJoinGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ProtocolMetadata = o.id, o.instancePtr(), o.metadata(g.protocol)
		resp.Members = append(resp.Members, rm)
	}
	return resp
}

func stringPtr(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (g *Group) addMember(now int64, id RequestID, client Client, req *kmsg.JoinGroupRequest, memberID string) {
	m := &member{
		id: memberID, client: client, isNew: true,
		sessionMillis: req.SessionTimeoutMillis, rebalanceMillis: rebalanceMillis(req),
		protocols: copyProtocols(req.Protocols), assignment: []byte{},
	}
	if req.InstanceID != nil {
		m.instance, m.isStatic = *req.InstanceID, true
	}
	if g.state == PreparingRebalance && g.previous == Empty {
		g.newMember = true // the initial delay may be extended
	}
	if len(g.members) == 0 {
		g.protocolType = req.ProtocolType
	}
	g.add(m, id)
	// A new member does not know its id yet and cannot send heartbeats. If its connection is gone nobody notices, so that its JoinGroup
	// has a time limit of its own.
	g.setTimer(TimerKey{TimerSession, m.id}, g.settings.NewMemberJoinTimeout)
	g.rebalanceOrCompleteJoin(now)
}

// replaceStatic lets the new incarnation of a static member take its predecessor's place.
func (g *Group) replaceStatic(now int64, id RequestID, req *kmsg.JoinGroupRequest, m *member, newID string) {
	leaderBefore := g.leader
	old := *m
	g.rename(m, newID)
	g.restartSession(m)
	g.update(m, req, id)
	switch g.state {
	case Stable:
		if g.vote() != g.protocol {
			g.rebalanceOrCompleteJoin(now) // the selected protocol would change
			return
		}
		g.saveReplacement(id, req, m, &old, leaderBefore)
	case CompletingRebalance:
		// The leader may be assigning to the old id at this moment: begin again.
		g.prepareRebalance(now)
	default:
		g.completeJoinIfAll(now)
	}
}

// saveReplacement answers the new incarnation with the current generation, without a rebalance, once its id is replicated.
func (g *Group) saveReplacement(id RequestID, req *kmsg.JoinGroupRequest, m, old *member, leaderBefore string) {
	generation, oldID, version := g.generation, old.id, req.Version
	oldProtocols, oldSession, oldRebalance := old.protocols, old.sessionMillis, old.rebalanceMillis
	// Otherwise a rebalance came in between, and it answers the member.
	current := func() bool {
		return g.state == Stable && g.generation == generation && m.awaitingJoin == id && g.byID[m.id] == m
	}
	g.save(func(m *member) []byte { return m.assignment }, write{
		done: func(int64) {
			if !current() {
				return
			}
			resp := g.joined(m)
			if version >= joinSkipsAssignment {
				resp.SkipAssignment = m.id == g.leader
			} else {
				// An old client that finds itself leader would assign, and its SyncGroup in a stable group changes nothing: it is told the
				// leader's former id instead.
				resp.Members, resp.LeaderID = nil, leaderBefore
			}
			g.answerJoin(m, resp)
			g.restartSession(m) // one that ended while the write was on its way was ignored
		},
		failed: func(_ int64, code int16) {
			if !current() {
				return
			}
			resp := g.joined(m)
			resp.MemberID, resp.ErrorCode, resp.LeaderID, resp.Members = "", code, leaderBefore, nil
			g.answerJoin(m, resp)
			g.rename(m, oldID)
			g.replaceProtocols(m, oldProtocols)
			m.sessionMillis, m.rebalanceMillis = oldSession, oldRebalance
			g.restartSession(m)
		},
	})
}
