package classic

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// world plays clients, timers and the log for one group, in any order that can happen, and checks after each step:
// every request is answered once; generations grow; a generation has one leader and one owner per partition.
type world struct {
	t        *rapid.T
	g        *Group
	settings *Settings
	rand     *rand.Rand // rapid's own choices favour small values, which ends most histories early
	now      int64
	last     RequestID
	open     map[RequestID]*wclient
	timers   map[TimerKey]SetTimer
	due      map[TimerKey]int64
	saves    []Save
	saved    *kmsg.GroupMetadataValue
	clients  []*wclient
	uuid     int

	highest int32
	leaders map[int32]string            // generation -> the one who was told the members
	owners  map[int32]map[string]string // generation -> partition -> member
}

type wclient struct {
	name       string
	static     bool
	memberID   string
	generation int32
	members    []string // as leader
	inFlight   int
}

func (w *world) drain() {
	for _, e := range w.g.Effects() {
		switch e := e.(type) {
		case Answer:
			cl, ok := w.open[e.Request]
			if !ok {
				w.t.Fatalf("request %d answered twice or never asked", e.Request)
			}
			delete(w.open, e.Request)
			cl.inFlight--
			w.answered(cl, e.Response)
		case SetTimer:
			w.timers[e.Key], w.due[e.Key] = e, w.now+e.Delay.Milliseconds()
		case StopTimer:
			delete(w.timers, e.Key)
		case Save:
			w.saves = append(w.saves, e)
		}
	}
	g := w.g
	if g.generation < w.highest {
		w.t.Fatalf("generation went from %d back to %d", w.highest, g.generation)
	}
	w.highest = g.generation
	waiting := 0
	for _, m := range g.members {
		if m.awaitingJoin != 0 {
			waiting++
		}
		if g.byID[m.id] != m {
			w.t.Fatalf("member %s is not in the index", m.id)
		}
		if m.isStatic && g.static[m.instance] != m.id {
			w.t.Fatalf("static member %s is not known by its instance", m.id)
		}
	}
	if waiting != g.awaitingJoin || len(g.byID) != len(g.members) {
		w.t.Fatalf("%d wait, %d counted; %d members, %d indexed", waiting, g.awaitingJoin, len(g.members), len(g.byID))
	}
	if (g.state == CompletingRebalance || g.state == Stable) && len(g.members) == 0 || g.state == Empty && len(g.members) > 0 {
		w.t.Fatalf("%s with %d members", g.state, len(g.members))
	}
	if len(g.members) > 0 && g.state != Dead && g.byID[g.leader] == nil {
		w.t.Fatalf("leader %q is no member", g.leader)
	}
	if g.state == PreparingRebalance && w.timers[TimerKey{Kind: TimerJoin}].ID == 0 {
		w.t.Fatal("a join phase without an end")
	}
	if g.state == CompletingRebalance && w.leaders[g.generation] == "" {
		w.t.Fatalf("nobody was told to assign in generation %d", g.generation)
	}
	if g.state == CompletingRebalance && len(g.pendingSync) > 0 && w.timers[TimerKey{Kind: TimerSync}].ID == 0 {
		w.t.Fatal("a sync phase without an end")
	}
}

func (w *world) answered(cl *wclient, resp kmsg.Response) {
	switch r := resp.(type) {
	case *kmsg.JoinGroupResponse:
		switch {
		case r.ErrorCode == kerr.MemberIDRequired.Code:
			cl.memberID = r.MemberID
		case r.ErrorCode == kerr.UnknownMemberID.Code || r.ErrorCode == kerr.FencedInstanceID.Code:
			cl.memberID = ""
		case r.ErrorCode == 0:
			cl.memberID, cl.generation, cl.members = r.MemberID, r.Generation, nil
			for _, m := range r.Members {
				cl.members = append(cl.members, m.MemberID)
			}
			if len(r.Members) > 0 && !r.SkipAssignment {
				if other, told := w.leaders[r.Generation]; told && other != cl.name {
					w.t.Fatalf("generation %d has two leaders, %s and %s", r.Generation, other, cl.name)
				}
				w.leaders[r.Generation] = cl.name
			}
		}
	case *kmsg.SyncGroupResponse:
		if r.ErrorCode != 0 || len(r.MemberAssignment) == 0 {
			return
		}
		if w.g.state != Stable || w.saved == nil || w.saved.Generation < w.g.generation {
			w.t.Fatalf("an assignment went out in %s before it was saved", w.g.state)
		}
		owners := w.owners[w.g.generation]
		if owners == nil {
			owners = map[string]string{}
			w.owners[w.g.generation] = owners
		}
		partition := string(r.MemberAssignment)
		if other, owned := owners[partition]; owned && other != cl.name {
			w.t.Fatalf("generation %d: %s is owned by %s and %s", w.g.generation, partition, other, cl.name)
		}
		owners[partition] = cl.name
	}
}

func (w *world) request(cl *wclient) RequestID {
	w.last++
	w.open[w.last] = cl
	cl.inFlight++
	return w.last
}

func (w *world) join(cl *wclient, version int16) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.MemberID, req.ProtocolType = version, cl.memberID, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = pick[int32](w.rand, 10000, 40000), pick[int32](w.rand, 5000, 30000)
	if cl.static {
		req.InstanceID = kmsg.StringPtr("i-" + cl.name)
	}
	for _, name := range pick(w.rand, []string{"range"}, []string{"range", "rr"}, []string{"range", "rr"}, []string{"rr", "range"}) {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = name, []byte{0, 0, 0, 0, 0, 0, 255, 255, 255, 255}
		req.Protocols = append(req.Protocols, p)
	}
	w.uuid++
	w.g.Join(w.now, w.request(cl), Client{ID: cl.name}, req, fmt.Sprintf("%s-%d", cl.name, w.uuid))
}

func (w *world) sync(cl *wclient) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.MemberID, req.Generation = 4, cl.memberID, cl.generation
	for i, id := range cl.members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = id, []byte(fmt.Sprintf("p%d", i))
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	w.g.Sync(w.request(cl), req)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (w *world) step() {
	t := w.t
	cl := pick(w.rand, w.clients...)
	switch pick(w.rand, "join", "join", "join", "join", "sync", "sync", "sync", "sync", "save", "save", "timer", "leave", "heartbeat", "restart", "reload") {
	case "join":
		w.join(cl, pick[int16](w.rand, 3, 8, 9))
	case "sync":
		w.sync(cl)
	case "save":
		if len(w.saves) == 0 {
			return
		}
		s := w.saves[0]
		w.saves = w.saves[1:]
		code := pick(w.rand, 0, 0, 0, 0, 0, 0, 0, kerr.CoordinatorNotAvailable.Code)
		if code == 0 {
			w.saved = &s.Value
		}
		w.g.Saved(w.now, s.ID, code)
	case "timer":
		w.fireNext()
	case "leave":
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = cl.memberID
		w.g.Leave(w.now, []kmsg.LeaveGroupRequestMember{m})
		cl.memberID, cl.members = "", nil
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.MemberID, req.Generation = cl.memberID, cl.generation
		w.g.Heartbeat(req)
	case "restart":
		cl.memberID, cl.members = "", nil
	case "reload": // a failover: nothing was promised that was not saved
		if w.saved == nil || len(w.saves) > 0 {
			return
		}
		w.g.Close(kerr.NotCoordinator.Code)
		w.drain()
		if len(w.open) > 0 {
			t.Fatalf("%d requests were not answered at the end of leadership", len(w.open))
		}
		v := kmsg.NewGroupMetadataValue()
		v.Version, w.saved.Version = 3, 3
		if err := v.ReadFrom(w.saved.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		clear(w.timers)
		w.highest = v.Generation
		for generation := range w.leaders {
			if generation > v.Generation {
				delete(w.leaders, generation)
				delete(w.owners, generation)
			}
		}
		w.g = Load("g", w.settings, w.now, &v)
	}
}

func (w *world) fireNext() {
	var next TimerKey
	for key := range w.timers {
		if next.Kind == 0 || w.due[key] < w.due[next] || w.due[key] == w.due[next] && (key.Kind < next.Kind || key.Kind == next.Kind && key.Member < next.Member) {
			next = key
		}
	}
	if next.Kind == 0 {
		return
	}
	timer := w.timers[next]
	delete(w.timers, next)
	w.now = max(w.now, w.due[next])
	w.g.TimerFired(w.now, next, timer.ID)
}

func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), settings: &Settings{InitialRebalanceDelay: 3 * time.Second, NewMemberJoinTimeout: 5 * time.Minute, MaxSize: 3},
			open: map[RequestID]*wclient{}, timers: map[TimerKey]SetTimer{}, due: map[TimerKey]int64{},
			leaders: map[int32]string{}, owners: map[int32]map[string]string{},
		}
		for i := range 4 {
			w.clients = append(w.clients, &wclient{name: string(rune('a' + i)), static: i < 2, generation: -1})
		}
		w.g = NewForJoin("g", w.settings, 0)
		w.join(w.clients[0], 9)
		w.drain()
		for range rapid.SampledFrom([]int{400, 20, 60, 150}).Draw(t, "steps") {
			w.step()
			w.drain()
			if w.g.Gone() {
				break
			}
		}
		// Left alone, everybody's session ends and the group becomes empty: it never gets stuck.
		for n := 0; !w.g.Gone() && (len(w.timers) > 0 || len(w.saves) > 0); n++ {
			if n > 500 {
				t.Fatalf("the group does not come to rest: %s with %d members", w.g.state, len(w.g.members))
			}
			for len(w.saves) > 0 {
				s := w.saves[0]
				w.saves = w.saves[1:]
				w.saved = &s.Value
				w.g.Saved(w.now, s.ID, 0)
				w.drain()
			}
			w.fireNext()
			w.drain()
		}
		if !w.g.Gone() && w.g.state != Empty {
			t.Fatalf("the group came to rest as %s with %d members", w.g.state, len(w.g.members))
		}
		w.g.Close(kerr.NotCoordinator.Code)
		w.drain()
		if len(w.open) > 0 {
			t.Fatalf("%d requests were never answered", len(w.open))
		}
	})
}
