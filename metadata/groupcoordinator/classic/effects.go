package classic

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// RequestID names a request that may be parked. The caller makes it; 0 is no request.
type RequestID uint64

// Effect is something that the caller must do: Answer, SetTimer, StopTimer or Save.
type Effect interface{ effect() }

// Answer answers a request. The caller sets the response's version.
type Answer struct {
	Request  RequestID
	Response kmsg.Response
}

// TimerKind says what a timer is for.
type TimerKind uint8

// The timers of a group.
const (
	TimerSession TimerKind = iota + 1 // of one member, also of a pending one
	TimerJoin                         // ends the join phase
	TimerSync                         // ends the wait for SyncGroup of all members
)

// TimerKey names a timer: there is one per kind, and one per member for sessions.
type TimerKey struct {
	Kind   TimerKind
	Member string
}

// SetTimer replaces the timer of the same key. When it fires the caller calls TimerFired with both.
type SetTimer struct {
	Key   TimerKey
	ID    uint64
	Delay time.Duration
}

// StopTimer forgets a timer.
type StopTimer struct{ Key TimerKey }

// Save asks to replicate the group's metadata. The caller calls Saved with the ID and the outcome.
type Save struct {
	ID    uint64
	Value kmsg.GroupMetadataValue
}

func (Answer) effect()    {}
func (SetTimer) effect()  {}
func (StopTimer) effect() {}
func (Save) effect()      {}

// Effects takes what the last events asked for.
func (g *Group) Effects() []Effect {
	effects := g.effects
	g.effects = nil
	return effects
}

func (g *Group) answer(id RequestID, resp kmsg.Response) {
	if id != 0 {
		g.effects = append(g.effects, Answer{Request: id, Response: resp})
	}
}

func (g *Group) setTimer(key TimerKey, delay time.Duration) {
	g.lastID++
	g.timers[key] = g.lastID
	g.effects = append(g.effects, SetTimer{Key: key, ID: g.lastID, Delay: delay})
}

func (g *Group) stopTimer(key TimerKey) {
	if _, set := g.timers[key]; set {
		delete(g.timers, key)
		g.effects = append(g.effects, StopTimer{Key: key})
	}
}

// write is what to do when a Save is replicated, or failed.
type write struct {
	done   func(now int64)
	failed func(now int64, code int16)
}

func (g *Group) save(assignment func(*member) []byte, w write) {
	g.lastID++
	g.writes[g.lastID] = w
	v := kmsg.NewGroupMetadataValue()
	v.ProtocolType = g.protocolType
	v.Generation = g.generation
	v.CurrentStateTimestamp = g.stateSince
	if g.protocol != "" {
		v.Protocol = kmsg.StringPtr(g.protocol)
	}
	if g.leader != "" {
		v.Leader = kmsg.StringPtr(g.leader)
	}
	for _, m := range g.members {
		vm := kmsg.NewGroupMetadataValueMember()
		vm.MemberID = m.id
		vm.InstanceID = m.instancePtr()
		vm.ClientID, vm.ClientHost = m.client.ID, m.client.Host
		vm.RebalanceTimeoutMillis, vm.SessionTimeoutMillis = m.rebalanceMillis, m.sessionMillis
		vm.Subscription = m.metadata(g.protocol)
		vm.Assignment = assignment(m)
		v.Members = append(v.Members, vm)
	}
	g.effects = append(g.effects, Save{ID: g.lastID, Value: v})
}

// Saved reports the outcome of a Save; code 0 means that it is replicated.
func (g *Group) Saved(now int64, id uint64, code int16) {
	w, waits := g.writes[id]
	if !waits {
		return
	}
	delete(g.writes, id)
	if code == 0 {
		w.done(now)
	} else {
		w.failed(now, code)
	}
}
