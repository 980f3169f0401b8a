package forwarding

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// group is a Group Coordinator with one group, which takes every joiner at once and rebalances when somebody comes or goes.
type group struct {
	mu         sync.Mutex
	generation int32
	members    map[string][]byte // metadata by instance
	synced     map[string]bool   // in this generation
	assignment map[string][]byte
	changed    chan struct{} // closed when the group changes
	down       error         // instead of any answer
	beats      int
}

func newGroup() *group { return &group{members: map[string][]byte{}, changed: make(chan struct{})} }

func (g *group) rebalance() {
	g.generation++
	g.synced, g.assignment = map[string]bool{}, nil
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *group) leader() string {
	least := ""
	for m := range g.members {
		if least == "" || m < least {
			least = m
		}
	}
	return least
}

func (g *group) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	if req.Target != (rpc.Target{Kind: rpc.TargetGroup, Group: rpc.MembershipGroup}) {
		return nil, kerr.InvalidRequest
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return nil, g.down
	}
	resp := req.Request.ResponseKind()
	switch m := req.Request.(type) {
	case *kmsg.JoinGroupRequest:
		old, known := g.members[*m.InstanceID]
		g.members[*m.InstanceID] = m.Protocols[0].Metadata
		if !known || m.MemberID != "" && string(old) != string(m.Protocols[0].Metadata) { // a static member's place is taken without a rebalance
			g.rebalance()
		}
		joined := resp.(*kmsg.JoinGroupResponse)
		joined.MemberID, joined.LeaderID, joined.Generation = *m.InstanceID, g.leader(), g.generation
		for id, metadata := range g.members {
			jm := kmsg.NewJoinGroupResponseMember()
			jm.MemberID, jm.ProtocolMetadata = id, metadata
			joined.Members = append(joined.Members, jm)
		}
	case *kmsg.SyncGroupRequest:
		return g.sync(ctx, m, resp.(*kmsg.SyncGroupResponse))
	case *kmsg.HeartbeatRequest:
		g.beats++
		beat := resp.(*kmsg.HeartbeatResponse)
		switch {
		case g.members[*m.InstanceID] == nil:
			beat.ErrorCode = kerr.UnknownMemberID.Code
		case m.Generation != g.generation:
			beat.ErrorCode = kerr.RebalanceInProgress.Code
		}
	case *kmsg.LeaveGroupRequest:
		delete(g.members, *m.Members[0].InstanceID)
		g.rebalance()
	}
	return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
}

// sync parks until the leader's assignment is there. The caller holds mu.
func (g *group) sync(ctx context.Context, m *kmsg.SyncGroupRequest, resp *kmsg.SyncGroupResponse) (*rpc.ForwardResponse, error) {
	for m.Generation == g.generation {
		if len(m.GroupAssignment) > 0 && g.assignment == nil {
			g.assignment = map[string][]byte{}
			for _, a := range m.GroupAssignment {
				g.assignment[a.MemberID] = a.MemberAssignment
			}
			close(g.changed)
			g.changed = make(chan struct{})
		}
		if g.assignment != nil {
			resp.MemberAssignment = g.assignment[m.MemberID]
			return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		g.mu.Lock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	resp.ErrorCode = kerr.RebalanceInProgress.Code
	return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
}

func (g *group) with(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func join(g *group, id int32) *Membership {
	f := New(Config{Metadata: g, Clock: clock.System, Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)})
	return JoinMembership(MembershipConfig{
		ID: id, Self: func() (Peer, bool) { return peer(id), true }, SessionTimeout: 9 * time.Second, Forwarder: f, Clock: clock.System, Logger: slog.New(slog.DiscardHandler),
	})
}

func peer(id int32) Peer {
	return Peer{ID: id, Epoch: int64(id) * 100, Rack: "a", Version: "v1", Role: "broker", Listeners: []topics.BrokerListener{{Name: "PLAINTEXT", Host: fmt.Sprint("h", id), Port: 9092}}}
}

func wantPeers(t *testing.T, m *Membership, ids ...int32) {
	t.Helper()
	var want []Peer
	for _, id := range ids {
		want = append(want, peer(id))
	}
	if diff := cmp.Diff(want, m.Peers()); diff != "" {
		t.Errorf("peers of broker %d:\n%s", m.cfg.ID, diff)
	}
}

func TestBrokersLearnTheirPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		g.down = kafka.ErrUnknownOutcome
		a := join(g, 1)
		synctest.Wait()
		wantPeers(t, a, 1) // a broker serves before its peers know of it
		g.with(func() { g.down = nil })
		b, c := join(g, 2), join(g, 3)
		time.Sleep(10 * time.Second)
		for _, m := range []*Membership{a, b, c} {
			wantPeers(t, m, 1, 2, 3)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		wantPeers(t, a, 1, 3)
		wantPeers(t, c, 1, 3)

		// While the coordinator is away the view stays as it was.
		g.with(func() { g.down = kerr.NotCoordinator })
		time.Sleep(2 * time.Minute)
		wantPeers(t, a, 1, 3)
		g.with(func() { // its session ended meanwhile
			g.down = nil
			delete(g.members, "broker-3")
			g.rebalance()
		})
		time.Sleep(time.Minute)
		wantPeers(t, a, 1, 3) // it joined again
		wantPeers(t, c, 1, 3)

		for _, m := range []*Membership{a, b, c, a} { // twice is safe
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if len(g.members) != 0 {
			t.Errorf("members %v did not leave", g.members)
		}
	})
}

// A broker whose epoch is fenced is no member: its place may be another process's. With a new epoch it is back, and its peers see that one.
func TestAFencedBrokerIsNoMemberUntilItIsRegisteredAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		a := join(g, 1)
		var mu sync.Mutex
		self, registered := peer(2), true
		f := New(Config{Metadata: g, Clock: clock.System, Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)})
		b := JoinMembership(MembershipConfig{ID: 2, Self: func() (Peer, bool) {
			mu.Lock()
			defer mu.Unlock()
			return self, registered
		}, SessionTimeout: 9 * time.Second, Forwarder: f, Clock: clock.System, Logger: slog.New(slog.DiscardHandler)})
		time.Sleep(10 * time.Second)
		wantPeers(t, a, 1, 2)
		mu.Lock()
		registered = false
		mu.Unlock()
		time.Sleep(10 * time.Second)
		g.with(func() { // its session has ended
			delete(g.members, "broker-2")
			g.rebalance()
		})
		time.Sleep(time.Minute)
		wantPeers(t, a, 1)
		mu.Lock()
		self.Epoch, registered = 777, true
		mu.Unlock()
		time.Sleep(10 * time.Second)
		if peers := a.Peers(); len(peers) != 2 || peers[1].Epoch != 777 {
			t.Errorf("got %+v", peers)
		}
		mu.Lock()
		self.Epoch = 888 // fenced and registered between two heartbeats
		mu.Unlock()
		time.Sleep(10 * time.Second)
		if peers := a.Peers(); len(peers) != 2 || peers[1].Epoch != 888 {
			t.Errorf("got %+v", peers)
		}
		for _, m := range []*Membership{a, b} {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A broker that was killed and is back, perhaps elsewhere, takes its old member's place. Its peers must learn where it is now.
func TestARestartedBrokerIsSeenWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		a := join(g, 1)
		elsewhere := peer(2)
		g.with(func() { g.members["broker-2"] = elsewhere.encode() }) // was killed
		time.Sleep(10 * time.Second)
		elsewhere.Epoch, elsewhere.Listeners[0].Port = 999, 19092
		f := New(Config{Metadata: g, Clock: clock.System, Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)})
		b := JoinMembership(MembershipConfig{ID: 2, Self: func() (Peer, bool) { return elsewhere, true }, SessionTimeout: 9 * time.Second, Forwarder: f, Clock: clock.System, Logger: slog.New(slog.DiscardHandler)})
		time.Sleep(10 * time.Second)
		for _, m := range []*Membership{a, b} {
			if diff := cmp.Diff([]Peer{peer(1), elsewhere}, m.Peers()); diff != "" {
				t.Errorf("peers of broker %d:\n%s", m.cfg.ID, diff)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestHeartbeatsComeThreeTimesInASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		m := join(g, 1)
		time.Sleep(90*time.Second + time.Millisecond)
		g.with(func() {
			if g.beats != 30 {
				t.Errorf("%d heartbeats in ten sessions", g.beats)
			}
		})
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseDoesNotWaitForACoordinatorThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		m := join(g, 1)
		time.Sleep(time.Second)
		g.with(func() { g.down = kerr.CoordinatorNotAvailable })
		start := time.Now()
		if err := m.Close(); err != nil || time.Since(start) > 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func FuzzDecodePeers(f *testing.F) {
	f.Add(appendPeer(nil, peer(1).encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if peers, err := decodePeers(b); err == nil {
			for _, p := range peers {
				p.encode()
			}
		}
	})
}
