package forwarding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
)

// membershipProtocol is the one protocol of the membership group: its metadata is Peer.encode, its assignment all peers.
const membershipProtocol = "peers-v1"

// MembershipConfig of one broker's place in the membership group.
type MembershipConfig struct {
	ID int32 // of this broker
	// Self is this broker as its peers should see it. False: it has no broker epoch now and is no member.
	Self           func() (Peer, bool)
	SessionTimeout time.Duration // a broker that stops answering leaves the view after it
	Forwarder      *Forwarder
	Clock          clock.Clock
	Logger         *slog.Logger
}

// Membership keeps this broker in its cluster's membership group and knows its peers from the assignment.
type Membership struct {
	cfg    MembershipConfig
	peers  atomic.Pointer[[]Peer]
	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

// JoinMembership starts to join in the background: a broker serves before its peers know of it, with itself in the view.
func JoinMembership(cfg MembershipConfig) *Membership {
	ctx, cancel := context.WithCancel(context.Background())
	m := &Membership{cfg: cfg, cancel: cancel, done: make(chan struct{})}
	m.setPeers(nil)
	go func() {
		defer close(m.done)
		m.run(ctx)
	}()
	return m
}

// Peers are the live brokers by id, this one always among them. The slice is shared and never changed.
func (m *Membership) Peers() []Peer { return *m.peers.Load() }

func (m *Membership) setPeers(others []Peer) {
	self, _ := m.cfg.Self()
	peers := []Peer{self}
	for _, p := range others {
		if p.ID != m.cfg.ID {
			peers = append(peers, p)
		}
	}
	sort.Slice(peers, func(i, j int) bool { return peers[i].ID < peers[j].ID })
	m.peers.Store(&peers)
}

// Close leaves the group, so that the others need not wait for the session to end, and returns when the loop has ended.
func (m *Membership) Close() error {
	m.once.Do(func() {
		m.cancel()
		<-m.done
	})
	return nil
}

// rejoinPause keeps a group that cannot agree from keeping its coordinator busy.
const rejoinPause = 50 * time.Millisecond

// errUnregistered says that this broker has no broker epoch now.
var errUnregistered = errors.New("this broker is not registered")

// member is one stay in the group.
type member struct {
	id         string
	generation int32
	asks       int64 // for a new assignment
}

func (m *Membership) run(ctx context.Context) {
	var me member
	for ctx.Err() == nil {
		err := m.joinAndStay(ctx, &me)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errUnregistered):
			// Another process may have this broker's id and its place. Whoever is registered joins.
			me = member{generation: -1}
			_ = clock.Sleep(ctx, m.cfg.Clock, m.cfg.SessionTimeout/10) // ends early only with ctx, which the loop looks at
		case errors.Is(err, kerr.RebalanceInProgress): // join again as the same member
			_ = clock.Sleep(ctx, m.cfg.Clock, rejoinPause)
		case errors.Is(err, kerr.MemberIDRequired):
		default:
			m.cfg.Logger.Warn("membership: joining again", "group", rpc.MembershipGroup, "error", err)
			if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.FencedInstanceID) || errors.Is(err, kerr.IllegalGeneration) {
				me = member{generation: -1}
			}
			_ = clock.Sleep(ctx, m.cfg.Clock, m.cfg.SessionTimeout/10) // ends early only with ctx, which the loop looks at
		}
	}
	m.leave(me)
}

// joinAndStay joins, takes the assignment and heartbeats until the group changes or something fails.
func (m *Membership) joinAndStay(ctx context.Context, me *member) error {
	self, registered := m.cfg.Self()
	if !registered {
		return errUnregistered
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.SetVersion(9)
	join.Group, join.MemberID, join.ProtocolType = rpc.MembershipGroup, me.id, rpc.MembershipProtocolType
	join.InstanceID = kmsg.StringPtr(fmt.Sprintf("broker-%d", m.cfg.ID)) // a restarted broker replaces its old member at once
	join.SessionTimeoutMillis = int32(m.cfg.SessionTimeout.Milliseconds())
	join.RebalanceTimeoutMillis = join.SessionTimeoutMillis
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = membershipProtocol, self.encodeAsking(me.asks)
	join.Protocols = append(join.Protocols, p)
	joined, err := call[*kmsg.JoinGroupResponse](ctx, m, join, 2*m.cfg.SessionTimeout)
	if err != nil {
		return err
	}
	if joined.MemberID != "" {
		me.id = joined.MemberID
	}
	if err := kerr.ErrorForCode(joined.ErrorCode); err != nil {
		return fmt.Errorf("JoinGroup: %w", err)
	}
	me.generation = joined.Generation
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.SetVersion(5)
	sync.Group, sync.MemberID, sync.Generation, sync.InstanceID = rpc.MembershipGroup, me.id, me.generation, join.InstanceID
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr(rpc.MembershipProtocolType), kmsg.StringPtr(membershipProtocol)
	if joined.LeaderID == me.id && !joined.SkipAssignment {
		sync.GroupAssignment = assignEverybody(joined.Members)
	}
	synced, err := call[*kmsg.SyncGroupResponse](ctx, m, sync, 2*m.cfg.SessionTimeout)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(synced.ErrorCode); err != nil {
		return fmt.Errorf("SyncGroup: %w", err)
	}
	peers, err := decodePeers(synced.MemberAssignment)
	if err != nil {
		return fmt.Errorf("the assignment of generation %d: %w", me.generation, err)
	}
	if !slices.ContainsFunc(peers, func(p Peer) bool { return p.ID == self.ID && p.Epoch == self.Epoch }) {
		// A static member that replaces another gets that one's assignment, without a rebalance: peers would look for this broker where the other was.
		me.asks++
		return fmt.Errorf("the assignment of generation %d does not have this broker's epoch %d: %w", me.generation, self.Epoch, kerr.RebalanceInProgress)
	}
	m.setPeers(peers)
	m.cfg.Logger.Info("membership: joined", "group", rpc.MembershipGroup, "generation", me.generation, "brokers", len(m.Peers()))
	return m.stay(ctx, me, self.Epoch, join.InstanceID)
}

// stay heartbeats until the group changes, something fails, or this broker's registration is another one.
func (m *Membership) stay(ctx context.Context, me *member, epoch int64, instance *string) error {
	for {
		if err := clock.Sleep(ctx, m.cfg.Clock, m.cfg.SessionTimeout/3); err != nil {
			return err
		}
		switch self, registered := m.cfg.Self(); {
		case !registered:
			return errUnregistered
		case self.Epoch != epoch:
			return fmt.Errorf("registered anew with epoch %d: %w", self.Epoch, kerr.RebalanceInProgress) // its peers learn of it
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.SetVersion(4)
		beat.Group, beat.MemberID, beat.Generation, beat.InstanceID = rpc.MembershipGroup, me.id, me.generation, instance
		resp, err := call[*kmsg.HeartbeatResponse](ctx, m, beat, 0)
		if err != nil {
			m.cfg.Logger.Warn("membership: heartbeat", "group", rpc.MembershipGroup, "error", err)
			continue // the coordinator may be moving; it decides whether the session ended
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			return fmt.Errorf("Heartbeat: %w", err)
		}
	}
}

// farewell is how long a broker that ends tries to leave. Without an answer its session ends by itself.
const farewell = 1500 * time.Millisecond

func (m *Membership) leave(me member) {
	if me.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.SetVersion(5)
	req.Group = rpc.MembershipGroup
	lm := kmsg.NewLeaveGroupRequestMember()
	lm.MemberID = me.id
	lm.InstanceID = kmsg.StringPtr(fmt.Sprintf("broker-%d", m.cfg.ID))
	req.Members = append(req.Members, lm)
	if _, err := call[*kmsg.LeaveGroupResponse](ctx, m, req, 0); err != nil {
		m.cfg.Logger.Info("membership: could not leave, the session will end by itself", "group", rpc.MembershipGroup, "error", err)
	}
}

// call sends one group request of this broker and types its answer.
func call[R kmsg.Response](ctx context.Context, m *Membership, req kmsg.Request, extra time.Duration) (R, error) {
	var none R
	self, _ := m.cfg.Self()
	resp, err := m.cfg.Forwarder.Forward(ctx, &rpc.ForwardRequest{
		Target:  rpc.Target{Kind: rpc.TargetGroup, Group: rpc.MembershipGroup},
		Client:  rpc.Client{Principal: "User:broker", ClientID: fmt.Sprintf("inkwell-broker-%d", m.cfg.ID), Host: self.host()},
		Request: req,
	}, extra)
	if err != nil {
		return none, fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	answer, ok := resp.Response.(R)
	if !ok {
		return none, fmt.Errorf("%s: answered with %T", kmsg.NameForKey(req.Key()), resp.Response)
	}
	return answer, nil
}

// assignEverybody is the leader's assignment: each member learns all members.
func assignEverybody(members []kmsg.JoinGroupResponseMember) []kmsg.SyncGroupRequestGroupAssignment {
	var all []byte
	for _, jm := range members {
		all = appendPeer(all, jm.ProtocolMetadata)
	}
	out := make([]kmsg.SyncGroupRequestGroupAssignment, 0, len(members))
	for _, jm := range members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = jm.MemberID, all
		out = append(out, a)
	}
	return out
}
