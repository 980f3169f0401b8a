package groupcoordinator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/rpc"
)

// watcher sees what all consumers see.
type watcher struct {
	t    *testing.T
	calm atomic.Bool // no more crashes

	mu      sync.Mutex
	owners  map[string]string // "group generation partition" -> member name
	commits int
}

func (w *watcher) owns(cs *consumer, generation int32, partition string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(cs.group, " ", generation, " ", partition)
	if other, taken := w.owners[key]; taken && other != cs.name {
		w.t.Errorf("%s is owned by %s and %s", key, other, cs.name)
	}
	w.owners[key] = cs.name
}

// consumer is one group member, as Kafka's clients are.
type consumer struct {
	c        *Coordinator
	w        *watcher
	rand     *rand.Rand
	name     string
	group    string
	instance *string

	memberID   string
	generation int32
}

// ask sends a request and sometimes gives up on it, as a client whose connection breaks.
func ask[R kmsg.Response](ctx context.Context, cs *consumer, req kmsg.Request) (resp R, ok bool) {
	if !cs.w.calm.Load() && cs.rand.IntN(20) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(cs.rand.IntN(4000))*time.Millisecond)
		defer cancel()
	}
	req.SetVersion(req.MaxVersion())
	if _, isCommit := req.(*kmsg.OffsetCommitRequest); isCommit {
		req.SetVersion(9)
	}
	got, err := cs.c.Handle(ctx, rpc.Client{ClientID: cs.name, Host: "h"}, req)
	if err != nil {
		return resp, false
	}
	return got.(R), true
}

func (cs *consumer) run(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(cs.rand.IntN(300)+1) * time.Millisecond)
		if cs.joinAndSync(ctx) {
			cs.consume(ctx)
		}
		if !cs.w.calm.Load() && cs.rand.IntN(10) == 0 {
			cs.memberID = "" // it crashed and restarts
			time.Sleep(time.Duration(cs.rand.IntN(15000)) * time.Millisecond)
		}
	}
}

func (cs *consumer) failed(code int16) bool {
	switch kerr.ErrorForCode(code) {
	case nil:
		return false
	case kerr.UnknownMemberID, kerr.FencedInstanceID:
		cs.memberID = ""
	}
	return true
}

func (cs *consumer) joinAndSync(ctx context.Context) bool {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.MemberID, join.InstanceID, join.ProtocolType = cs.group, cs.memberID, cs.instance, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 10000, 20000
	p := kmsg.NewJoinGroupRequestProtocol()
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics = []string{"orders"}
	p.Name, p.Metadata = "range", m.AppendTo(nil)
	join.Protocols = append(join.Protocols, p)
	joined, ok := ask[*kmsg.JoinGroupResponse](ctx, cs, join)
	if !ok {
		return false
	}
	if joined.ErrorCode == kerr.MemberIDRequired.Code {
		cs.memberID = joined.MemberID
		return false
	}
	if cs.failed(joined.ErrorCode) {
		return false
	}
	cs.memberID, cs.generation = joined.MemberID, joined.Generation
	syncing := kmsg.NewPtrSyncGroupRequest()
	syncing.Group, syncing.MemberID, syncing.InstanceID, syncing.Generation = cs.group, cs.memberID, cs.instance, cs.generation
	syncing.ProtocolType, syncing.Protocol = joined.ProtocolType, joined.Protocol
	if !joined.SkipAssignment {
		for i, m := range joined.Members {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = m.MemberID, fmt.Appendf(nil, "%d", i)
			syncing.GroupAssignment = append(syncing.GroupAssignment, a)
		}
	}
	synced, ok := ask[*kmsg.SyncGroupResponse](ctx, cs, syncing)
	if !ok || cs.failed(synced.ErrorCode) {
		return false
	}
	if len(synced.MemberAssignment) > 0 {
		cs.w.owns(cs, cs.generation, string(synced.MemberAssignment))
	}
	return true
}

// consume sends heartbeats and commits until it must rejoin.
func (cs *consumer) consume(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(cs.rand.IntN(2000)+1) * time.Millisecond)
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.InstanceID, beat.Generation = cs.group, cs.memberID, cs.instance, cs.generation
		if resp, ok := ask[*kmsg.HeartbeatResponse](ctx, cs, beat); ok {
			if retriable := kerr.ErrorForCode(resp.ErrorCode); retriable == kerr.NotCoordinator || retriable == kerr.CoordinatorNotAvailable {
				continue
			}
			if cs.failed(resp.ErrorCode) {
				return
			}
		}
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Group, commit.MemberID, commit.InstanceID, commit.Generation = cs.group, cs.memberID, cs.instance, cs.generation
		t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		t.Topic, p.Offset = "orders", time.Now().UnixMilli()
		t.Partitions = append(t.Partitions, p)
		commit.Topics = append(commit.Topics, t)
		if resp, ok := ask[*kmsg.OffsetCommitResponse](ctx, cs, commit); ok && resp.Topics[0].Partitions[0].ErrorCode == 0 {
			cs.w.mu.Lock()
			cs.w.commits++
			cs.w.mu.Unlock()
		}
		if !cs.w.calm.Load() && cs.rand.IntN(30) == 0 {
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Group = cs.group
			m := kmsg.NewLeaveGroupRequestMember()
			m.MemberID, m.InstanceID = cs.memberID, cs.instance
			leave.Members = append(leave.Members, m)
			ask[*kmsg.LeaveGroupResponse](ctx, cs, leave)
			cs.memberID = ""
			return
		}
	}
}
