package classic

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// State is a group's state, spelled as Kafka does.
type State string

// The states.
const (
	Empty               State = "Empty"
	PreparingRebalance  State = "PreparingRebalance"  // the join phase
	CompletingRebalance State = "CompletingRebalance" // the sync phase
	Stable              State = "Stable"
	Dead                State = "Dead" // removed; only Kafka's answers about unknown groups show it
)

// Settings are the bounds of a group.
type Settings struct {
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	NewMemberJoinTimeout  time.Duration // group.new.member.join.timeout.ms (internal in Kafka)
	MaxSize               int           // group.max.size
}

// Group is one group.
type Group struct {
	id       string
	settings *Settings

	state, previous State
	stateSince      int64 // milliseconds; -1 unknown
	generation      int32
	protocolType    string // "" until a member joined: a simple group
	protocol        string // selected for the generation
	leader          string
	subscribed      map[string]bool // topics; nil when unknown

	members       []*member // in the order in which they came: the first to vote breaks a tie, the first to join becomes leader
	byID          map[string]*member
	static        map[string]string // group.instance.id -> member id
	supported     map[string]int    // protocol name -> members that support it
	awaitingJoin  int               // members with a parked JoinGroup
	pendingJoin   map[string]bool   // ids that were handed out with MEMBER_ID_REQUIRED and have not come back
	pendingSync   map[string]bool   // members of this generation that have not sent SyncGroup
	newMember     bool              // a member came during the initial delay
	initialDelay  time.Duration     // the running initial delay, 0 in a later rebalance
	initialRemain time.Duration     // how far the initial delay may still be extended

	unsaved bool // created by a JoinGroup and not yet replicated
	lastID  uint64
	timers  map[TimerKey]uint64
	writes  map[uint64]write
	effects []Effect
}

func newGroup(id string, settings *Settings, now int64) *Group {
	return &Group{
		id: id, settings: settings,
		state: Empty, previous: Dead, stateSince: now,
		byID: map[string]*member{}, static: map[string]string{}, supported: map[string]int{},
		pendingJoin: map[string]bool{}, pendingSync: map[string]bool{},
		timers: map[TimerKey]uint64{}, writes: map[uint64]write{},
	}
}

// NewForJoin is a group that its first JoinGroup creates; that event saves it.
func NewForJoin(id string, settings *Settings, now int64) *Group {
	g := newGroup(id, settings, now)
	g.unsaved = true
	return g
}

// NewSimple is a group that exists because offsets were committed to it.
func NewSimple(id string, settings *Settings, now int64) *Group {
	return newGroup(id, settings, now)
}

// Load is a group as it was saved, when its coordinator begins to lead. Sessions start anew: a failover expires nobody.
func Load(id string, settings *Settings, now int64, v *kmsg.GroupMetadataValue) *Group {
	g := newGroup(id, settings, now)
	g.stateSince = v.CurrentStateTimestamp
	g.generation, g.protocolType = v.Generation, v.ProtocolType
	if v.Protocol != nil {
		g.protocol = *v.Protocol
	}
	if v.Leader != nil {
		g.leader = *v.Leader
	}
	for i := range v.Members {
		vm := &v.Members[i]
		m := &member{
			id: vm.MemberID, client: Client{ID: vm.ClientID, Host: vm.ClientHost},
			sessionMillis: vm.SessionTimeoutMillis, rebalanceMillis: vm.RebalanceTimeoutMillis,
			protocols: []protocol{{g.protocol, vm.Subscription}}, assignment: vm.Assignment,
		}
		if vm.InstanceID != nil {
			m.instance, m.isStatic = *vm.InstanceID, true
		}
		if m.rebalanceMillis == -1 {
			m.rebalanceMillis = m.sessionMillis
		}
		g.add(m, 0)
	}
	if len(g.members) > 0 {
		g.state = Stable
	}
	g.subscribed = g.computeSubscribed()
	for _, m := range g.members {
		g.restartSession(m)
	}
	if len(g.members) > settings.MaxSize {
		g.prepareRebalance(now) // the bound was lowered
	}
	return g
}

// ID is the group id.
func (g *Group) ID() string { return g.id }

// State is the current state.
func (g *Group) State() State { return g.state }

// Generation is the current generation.
func (g *Group) Generation() int32 { return g.generation }

// Gone says that the group was removed and must be forgotten.
func (g *Group) Gone() bool { return g.state == Dead }

// HasPendingMembers says whether clients were given a member id and are about to join with it.
func (g *Group) HasPendingMembers() bool { return len(g.pendingJoin) > 0 }

// Close answers every parked request with code and ends the group: its coordinator leads no more, or it was deleted.
func (g *Group) Close(code int16) {
	for _, m := range g.members {
		g.answerJoin(m, joinError(m.id, code))
		g.answerSync(m, syncError(code))
	}
	for _, key := range g.timerKeys() {
		g.stopTimer(key)
	}
	g.state = Dead
	g.members, g.byID, g.static = nil, map[string]*member{}, map[string]string{}
	g.writes = map[uint64]write{}
}

func (g *Group) timerKeys() []TimerKey {
	keys := make([]TimerKey, 0, len(g.timers))
	for key := range g.timers {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b TimerKey) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return compare(a.Member, b.Member)
	})
	return keys
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// transition enters a state.
func (g *Group) transition(now int64, to State) {
	g.previous, g.state, g.stateSince = g.state, to, now
}

// validateMember is Kafka's check of member and instance id that most requests begin with.
func (g *Group) validateMember(id string, instance *string) *kerr.Error {
	if instance != nil {
		switch current, known := g.static[*instance]; {
		case !known:
			return kerr.UnknownMemberID
		case current != id:
			return kerr.FencedInstanceID
		}
	}
	if g.byID[id] == nil {
		return kerr.UnknownMemberID
	}
	return nil
}

// Delete ends an empty group, for DeleteGroups.
func (g *Group) Delete() *kerr.Error {
	switch g.state {
	case Dead:
		return kerr.GroupIDNotFound
	case Empty:
		g.Close(kerr.CoordinatorNotAvailable.Code)
		return nil
	default:
		return kerr.NonEmptyGroup
	}
}
