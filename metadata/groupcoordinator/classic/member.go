package classic

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is who a member is, as DescribeGroups shows it.
type Client struct{ ID, Host string }

type protocol struct {
	name     string
	metadata []byte
}

type member struct {
	id                             string
	instance                       string
	isStatic                       bool
	client                         Client
	sessionMillis, rebalanceMillis int32
	protocols                      []protocol
	assignment                     []byte

	isNew                      bool // has not got its first JoinGroup answer: it may expire while it waits
	awaitingJoin, awaitingSync RequestID
}

func (m *member) instancePtr() *string {
	if !m.isStatic {
		return nil
	}
	return kmsg.StringPtr(m.instance)
}

// metadata is what the member sent for a protocol.
func (m *member) metadata(name string) []byte {
	for _, p := range m.protocols {
		if p.name == name {
			return p.metadata
		}
	}
	return nil
}

func (m *member) matches(ps []kmsg.JoinGroupRequestProtocol) bool {
	return slices.EqualFunc(m.protocols, ps, func(a protocol, b kmsg.JoinGroupRequestProtocol) bool {
		return a.name == b.Name && bytes.Equal(a.metadata, b.Metadata)
	})
}

func copyProtocols(ps []kmsg.JoinGroupRequestProtocol) []protocol {
	out := make([]protocol, len(ps))
	for i, p := range ps {
		out[i] = protocol{p.Name, append([]byte{}, p.Metadata...)}
	}
	return out
}

func (g *Group) countProtocols(m *member, by int) {
	for i, p := range m.protocols {
		if !slices.ContainsFunc(m.protocols[:i], func(q protocol) bool { return q.name == p.name }) {
			if g.supported[p.name] += by; g.supported[p.name] == 0 {
				delete(g.supported, p.name)
			}
		}
	}
}

func (g *Group) add(m *member, join RequestID) {
	if m.isStatic {
		g.static[m.instance] = m.id
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	g.countProtocols(m, 1)
	g.park(m, join)
	delete(g.pendingJoin, m.id)
}

// remove forgets a member or a pending id. Whatever it waited for is answered UNKNOWN_MEMBER_ID, so that a live client joins anew.
func (g *Group) remove(id string) {
	if m := g.byID[id]; m != nil {
		g.answerJoin(m, joinError("", unknownMember))
		g.answerSync(m, syncError(unknownMember))
		g.countProtocols(m, -1)
		delete(g.byID, id)
		g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
		if m.isStatic {
			delete(g.static, m.instance)
		}
	}
	if id != "" && g.leader == id {
		if g.leader = ""; len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
	delete(g.pendingJoin, id)
	delete(g.pendingSync, id)
	g.stopTimer(TimerKey{TimerSession, id})
}

// rename gives a member the id of its new incarnation, and fences whatever the old one still waits for.
func (g *Group) rename(m *member, id string) {
	g.answerJoin(m, joinError(m.id, fencedInstance))
	g.answerSync(m, syncError(fencedInstance))
	old := m.id
	g.stopTimer(TimerKey{TimerSession, old})
	delete(g.byID, old)
	m.id = id
	g.byID[id] = m
	g.static[m.instance] = id
	if g.leader == old {
		g.leader = id
	}
	if g.pendingSync[old] {
		delete(g.pendingSync, old)
		g.pendingSync[id] = true
	}
}

func (g *Group) update(m *member, req *kmsg.JoinGroupRequest, join RequestID) {
	g.replaceProtocols(m, copyProtocols(req.Protocols))
	m.rebalanceMillis, m.sessionMillis = rebalanceMillis(req), req.SessionTimeoutMillis
	g.park(m, join)
}

func (g *Group) replaceProtocols(m *member, ps []protocol) {
	g.countProtocols(m, -1)
	m.protocols = ps
	g.countProtocols(m, 1)
}

// park keeps a JoinGroup until the join phase ends. A client that asks again has given up on its earlier request.
func (g *Group) park(m *member, join RequestID) {
	if m.awaitingJoin != 0 {
		g.answerJoin(m, joinError(m.id, rebalanceInProgress))
	}
	if m.awaitingJoin = join; join != 0 {
		g.awaitingJoin++
	}
}

func (g *Group) answerJoin(m *member, resp *kmsg.JoinGroupResponse) bool {
	if m.awaitingJoin == 0 {
		return false
	}
	g.answer(m.awaitingJoin, resp)
	m.awaitingJoin = 0
	g.awaitingJoin--
	return true
}

func (g *Group) answerSync(m *member, resp *kmsg.SyncGroupResponse) bool {
	if m.awaitingSync == 0 {
		return false
	}
	g.answer(m.awaitingSync, resp)
	m.awaitingSync = 0
	return true
}

func (g *Group) allJoined() bool {
	return len(g.members) == g.awaitingJoin && len(g.pendingJoin) == 0
}

// supports says whether a member with these protocols can be in the group.
func (g *Group) supports(protocolType string, ps []kmsg.JoinGroupRequestProtocol) bool {
	if g.state == Empty {
		return protocolType != "" && len(ps) > 0
	}
	return protocolType == g.protocolType && slices.ContainsFunc(ps, func(p kmsg.JoinGroupRequestProtocol) bool {
		return g.supported[p.Name] == len(g.members)
	})
}

// vote selects the protocol of the next generation: of those that every member supports the one that most members prefer.
func (g *Group) vote() string {
	votes := map[string]int{}
	best := ""
	var order []string
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.supported[p.name] == len(g.members) {
				if votes[p.name]++; votes[p.name] == 1 {
					order = append(order, p.name)
				}
				break
			}
		}
	}
	for _, name := range order {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// rebalanceTimeout is the longest of the members'.
func (g *Group) rebalanceTimeout() time.Duration {
	var longest int32
	for _, m := range g.members {
		longest = max(longest, m.rebalanceMillis)
	}
	return millis(longest)
}

// rebalanceMillis: the first version had none, the session timeout stood for both.
func rebalanceMillis(req *kmsg.JoinGroupRequest) int32 {
	if req.Version == 0 {
		return req.SessionTimeoutMillis
	}
	return req.RebalanceTimeoutMillis
}

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }

func (g *Group) restartSession(m *member) {
	g.setTimer(TimerKey{TimerSession, m.id}, millis(m.sessionMillis))
}
