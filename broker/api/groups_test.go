package api

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// coordinator answers like a Group Coordinator that commits everything, reads back 42, and describes each group.
func (w *world) coordinator(req *rpc.ForwardRequest) (kmsg.Response, error) {
	switch m := req.Request.(type) {
	case *kmsg.OffsetCommitRequest:
		resp := m.ResponseKind().(*kmsg.OffsetCommitResponse)
		for i := len(m.Topics) - 1; i >= 0; i-- { // not in the order of the request
			t := m.Topics[i]
			code := int16(0)
			if m.Group == "loading" {
				code = kerr.CoordinatorLoadInProgress.Code
			}
			t.TopicID = [16]byte{}
			resp.Topics = append(resp.Topics, offsetCommitAnswer(t, code))
		}
		return resp, nil
	case *kmsg.OffsetFetchRequest:
		resp := m.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, g := range m.Groups {
			rg := kmsg.NewOffsetFetchResponseGroup()
			rg.Group = g.Group
			asked := g.Topics
			if asked == nil {
				asked = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}, {Topic: "deleted", Partitions: []int32{0}}}
			}
			for _, t := range asked {
				rt := kmsg.NewOffsetFetchResponseGroupTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
					rp.Partition, rp.Offset = p, 42
					rt.Partitions = append(rt.Partitions, rp)
				}
				rg.Topics = append(rg.Topics, rt)
			}
			resp.Groups = append(resp.Groups, rg)
		}
		return resp, nil
	case *kmsg.DescribeGroupsRequest:
		resp := m.ResponseKind().(*kmsg.DescribeGroupsResponse)
		rg := kmsg.NewDescribeGroupsResponseGroup()
		rg.Group, rg.State = m.Groups[0], "Stable"
		resp.Groups = append(resp.Groups, rg)
		return resp, nil
	case *kmsg.DeleteGroupsRequest:
		resp := m.ResponseKind().(*kmsg.DeleteGroupsResponse)
		rg := kmsg.NewDeleteGroupsResponseGroup()
		rg.Group = m.Groups[0]
		resp.Groups = append(resp.Groups, rg)
		return resp, nil
	case *kmsg.ListGroupsRequest:
		resp := m.ResponseKind().(*kmsg.ListGroupsResponse)
		rg := kmsg.NewListGroupsResponseGroup()
		rg.Group = fmt.Sprintf("group%d", req.Target.Partition)
		if req.Target.Partition == 2 {
			rg.Group = rpc.MembershipGroup
		}
		resp.Groups = append(resp.Groups, rg)
		return resp, nil
	case *kmsg.OffsetDeleteRequest:
		resp := m.ResponseKind().(*kmsg.OffsetDeleteResponse)
		for _, t := range m.Topics {
			rt := kmsg.NewOffsetDeleteResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetDeleteResponseTopicPartition()
				rp.Partition = p.Partition
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil
	}
	return nil, errors.New("not a group's request")
}

func groupWorld(t *testing.T) *world {
	w := newWorld(t, Settings{}, topic("t", 2), topic("u", 1))
	w.forward = w.coordinator
	return w
}

func commitRequest(group string, all ...kafka.TopicPartition) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = group
	for _, tp := range all {
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = tp.Topic, topicID(tp.Topic)
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset = tp.Partition, 5
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func TestOffsetCommit(t *testing.T) {
	for v := int16(2); v <= 10; v++ {
		w := groupWorld(t)
		resp := ask[*kmsg.OffsetCommitResponse](w, v, commitRequest("g", kafka.TopicPartition{Topic: "nope"}, kafka.TopicPartition{Topic: "t", Partition: 1}, kafka.TopicPartition{Topic: "t", Partition: 2}, kafka.TopicPartition{Topic: "u"}))
		missing := kerr.UnknownTopicOrPartition
		if v >= 10 {
			missing = kerr.UnknownTopicID
		}
		for i, want := range []*kerr.Error{missing, nil, kerr.UnknownTopicOrPartition, nil} {
			wantCode(t, fmt.Sprintf("version %d, %d", v, i), resp.Topics[i].Partitions[0].ErrorCode, want)
		}
		if v >= 10 && (resp.Topics[3].TopicID != topicID("u") || resp.Topics[0].TopicID != topicID("nope")) {
			t.Errorf("version %d: %+v", v, resp.Topics)
		}
		f := w.forwarded[0]
		got := f.Request.(*kmsg.OffsetCommitRequest)
		if len(w.forwarded) != 1 || f.Target != toGroup("g") || got.Version != min(v, 9) || len(got.Topics) != 2 || got.Topics[0].Topic != "t" || got.Topics[0].TopicID != topicID("t") {
			t.Errorf("version %d: forwarded %+v", v, got)
		}
	}
}

func TestOffsetCommitErrors(t *testing.T) {
	w := groupWorld(t)
	both := []kafka.TopicPartition{{Topic: "t"}, {Topic: "u"}}
	codes := func(group string) (all []int16) {
		for _, rt := range ask[*kmsg.OffsetCommitResponse](w, 9, commitRequest(group, both...)).Topics {
			all = append(all, rt.Partitions[0].ErrorCode)
		}
		return all
	}
	if diff := cmp.Diff([]int16{14, 14}, codes("loading")); diff != "" {
		t.Error(diff)
	}
	w.forward = func(*rpc.ForwardRequest) (kmsg.Response, error) { return nil, kerr.NotCoordinator }
	if diff := cmp.Diff([]int16{16, 16}, codes("g")); diff != "" {
		t.Error(diff)
	}
	w.forward = func(req *rpc.ForwardRequest) (kmsg.Response, error) { return req.Request.ResponseKind(), nil }
	if diff := cmp.Diff([]int16{-1, -1}, codes("g")); diff != "" {
		t.Errorf("an answer that says nothing is no success: %s", diff)
	}
	w.forwarded = nil
	if resp := ask[*kmsg.OffsetCommitResponse](w, 9, commitRequest("g")); len(resp.Topics) != 0 || len(w.forwarded) != 0 {
		t.Error("nothing was committed somewhere")
	}
}

func TestOffsetFetchOfManyGroups(t *testing.T) {
	for v := int16(8); v <= 10; v++ {
		w := groupWorld(t)
		req := kmsg.NewPtrOffsetFetchRequest()
		req.RequireStable = true
		some, all, hidden := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroup()
		some.Group, all.Group, hidden.Group = "some", "all", rpc.MembershipGroup
		some.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: topicID("t"), Partitions: []int32{1}}, {Topic: "nope", TopicID: topicID("nope"), Partitions: []int32{3}}}
		req.Groups = append(req.Groups, some, all, hidden)
		resp := ask[*kmsg.OffsetFetchResponse](w, v, req)
		if len(resp.Groups) != 3 || len(w.forwarded) != 2 {
			t.Fatalf("version %d: %d groups, %d calls", v, len(resp.Groups), len(w.forwarded))
		}
		for i, f := range w.forwarded {
			m := f.Request.(*kmsg.OffsetFetchRequest)
			if f.Target != toGroup(req.Groups[i].Group) || len(m.Groups) != 1 || m.Groups[0].Group != req.Groups[i].Group || m.Version != min(v, 9) || !m.RequireStable {
				t.Errorf("version %d: forwarded %+v to %+v", v, m, f.Target)
			}
		}
		got := resp.Groups[0].Topics
		if len(got) != 2 || got[0].Partitions[0].Offset != 42 || got[0].Partitions[0].Partition != 1 {
			t.Fatalf("version %d: %+v", v, got)
		}
		if v < 10 {
			if got[0].Topic != "t" || got[1].Topic != "nope" || len(resp.Groups[1].Topics) != 2 {
				t.Errorf("version %d: %+v", v, resp.Groups)
			}
		} else {
			if got[0].TopicID != topicID("t") || got[1].TopicID != topicID("nope") {
				t.Errorf("ids %+v", got)
			}
			wantCode(t, "an unknown id", got[1].Partitions[0].ErrorCode, kerr.UnknownTopicID)
			if all := resp.Groups[1].Topics; len(all) != 1 || all[0].TopicID != topicID("t") { // a topic that is gone has no id
				t.Errorf("all: %+v", all)
			}
		}
		wantCode(t, "the brokers' group", resp.Groups[2].ErrorCode, kerr.GroupAuthorizationFailed)
	}
}

func TestOffsetFetchErrorsByVersion(t *testing.T) {
	w := groupWorld(t)
	w.forward = func(*rpc.ForwardRequest) (kmsg.Response, error) { return nil, kerr.CoordinatorNotAvailable }
	for v := int16(1); v <= 10; v++ {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = "g"
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group, g.Topics = "g", []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: topicID("t"), Partitions: []int32{0, 1}}}
		req.Groups = append(req.Groups, g)
		resp := ask[*kmsg.OffsetFetchResponse](w, v, req)
		what := fmt.Sprint("version ", v)
		switch {
		case v == 1:
			wantCode(t, what, resp.Topics[0].Partitions[1].ErrorCode, kerr.CoordinatorNotAvailable)
		case v < 8:
			if wantCode(t, what, resp.ErrorCode, kerr.CoordinatorNotAvailable); len(resp.Topics) != 0 {
				t.Errorf("%s: %+v", what, resp.Topics)
			}
		default:
			if wantCode(t, what, resp.Groups[0].ErrorCode, kerr.CoordinatorNotAvailable); len(resp.Groups[0].Topics) != 0 {
				t.Errorf("%s: %+v", what, resp.Groups[0].Topics)
			}
		}
	}
}

func TestFindCoordinator(t *testing.T) {
	for v := int16(0); v <= 6; v++ {
		w := groupWorld(t)
		w.brokers = append(w.brokers, w.broker(9, "b"))
		for _, tc := range []struct {
			kind int8
			key  string
			want *kerr.Error
		}{{0, "g", nil}, {1, "tx", kerr.InvalidRequest}, {2, "g:t:0", kerr.InvalidRequest}, {0, rpc.MembershipGroup, kerr.GroupAuthorizationFailed}} {
			if v == 0 && tc.kind != 0 {
				continue // has no types
			}
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = tc.kind, tc.key, []string{tc.key, tc.key}
			resp := ask[*kmsg.FindCoordinatorResponse](w, v, req)
			what := fmt.Sprintf("version %d, %+v", v, tc)
			code, id, port := resp.ErrorCode, resp.NodeID, resp.Port
			if v >= 4 {
				if len(resp.Coordinators) != 2 || resp.Coordinators[1].Key != tc.key {
					t.Fatalf("%s: %+v", what, resp.Coordinators)
				}
				code, id, port = resp.Coordinators[1].ErrorCode, resp.Coordinators[1].NodeID, resp.Coordinators[1].Port
			}
			wantCode(t, what, code, tc.want)
			if (tc.want == nil) != (id == 7 && port == 9099) || (tc.want != nil && id != -1) {
				t.Errorf("%s: node %d, port %d", what, id, port)
			}
		}
	}
}

func TestDescribeGroupsAsksEachGroupsCoordinator(t *testing.T) {
	for v := int16(0); v <= 6; v++ {
		w := groupWorld(t)
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups, req.IncludeAuthorizedOperations = []string{"a", rpc.MembershipGroup, "b"}, true
		resp := ask[*kmsg.DescribeGroupsResponse](w, v, req)
		if len(resp.Groups) != 3 || len(w.forwarded) != 2 || w.forwarded[1].Target != toGroup("b") {
			t.Fatalf("version %d: %+v", v, resp.Groups)
		}
		if resp.Groups[0].Group != "a" || resp.Groups[2].State != "Stable" || (v >= 3) != (resp.Groups[0].AuthorizedOperations == 3400) {
			t.Errorf("version %d: %+v", v, resp.Groups)
		}
		wantCode(t, "the brokers' group", resp.Groups[1].ErrorCode, kerr.GroupAuthorizationFailed)
	}
}

func TestListGroupsAsksAllCoordinatorsAndHidesTheBrokers(t *testing.T) {
	w := groupWorld(t)
	req := kmsg.NewPtrListGroupsRequest()
	req.StatesFilter = []string{"Stable"}
	names := func(resp *kmsg.ListGroupsResponse) (all []string) {
		for _, g := range resp.Groups {
			all = append(all, g.Group)
		}
		return all
	}
	if diff := cmp.Diff([]string{"group0", "group1", "group3"}, names(ask[*kmsg.ListGroupsResponse](w, 5, req))); diff != "" {
		t.Error(diff)
	}
	var partitions []int
	for _, f := range w.forwarded {
		if f.Target.Kind != rpc.TargetGroupPartition || f.Request.(*kmsg.ListGroupsRequest).StatesFilter[0] != "Stable" {
			t.Errorf("forwarded %+v", f)
		}
		partitions = append(partitions, int(f.Target.Partition))
	}
	if sort.Ints(partitions); !cmp.Equal(partitions, []int{0, 1, 2, 3}) {
		t.Errorf("asked %v", partitions)
	}
	w.forward = func(req *rpc.ForwardRequest) (kmsg.Response, error) {
		if req.Target.Partition == 1 {
			return nil, kerr.CoordinatorLoadInProgress
		}
		return w.coordinator(req)
	}
	resp := ask[*kmsg.ListGroupsResponse](w, 5, req)
	wantCode(t, "one is loading", resp.ErrorCode, kerr.CoordinatorLoadInProgress)
	if diff := cmp.Diff([]string{"group0", "group3"}, names(resp)); diff != "" {
		t.Error(diff)
	}
}

func TestDeleteGroups(t *testing.T) {
	w := groupWorld(t)
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{"a", "b", "a", rpc.MembershipGroup}
	resp := ask[*kmsg.DeleteGroupsResponse](w, 2, req)
	if len(resp.Groups) != 3 || len(w.forwarded) != 2 || resp.Groups[1].Group != "b" || resp.Groups[1].ErrorCode != 0 {
		t.Fatalf("got %+v", resp.Groups)
	}
	wantCode(t, "the brokers' group", resp.Groups[2].ErrorCode, kerr.GroupAuthorizationFailed)
}

func TestOffsetDelete(t *testing.T) {
	w := groupWorld(t)
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = "g"
	req.Topics = []kmsg.OffsetDeleteRequestTopic{
		{Topic: "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 2}}}, {Topic: "nope", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}},
	}
	resp := ask[*kmsg.OffsetDeleteResponse](w, 0, req)
	type code struct {
		topic     string
		partition int32
		code      int16
	}
	var got []code
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			got = append(got, code{rt.Topic, p.Partition, p.ErrorCode})
		}
	}
	if diff := cmp.Diff([]code{{"t", 0, 0}, {"t", 2, 3}, {"nope", 0, 3}}, got, cmp.AllowUnexported(code{})); diff != "" {
		t.Error(diff)
	}
	w.forward = func(*rpc.ForwardRequest) (kmsg.Response, error) { return nil, kerr.GroupIDNotFound }
	if resp := ask[*kmsg.OffsetDeleteResponse](w, 0, req); resp.ErrorCode != kerr.GroupIDNotFound.Code || len(resp.Topics) != 0 {
		t.Errorf("got %+v", resp)
	}
}

// Whatever a client does with the brokers' own group, it is refused before anybody is asked.
func TestTheBrokersGroupIsNotForClients(t *testing.T) {
	w := groupWorld(t)
	want := kerr.GroupAuthorizationFailed
	group := rpc.MembershipGroup
	join, sync, beat, leave := kmsg.NewPtrJoinGroupRequest(), kmsg.NewPtrSyncGroupRequest(), kmsg.NewPtrHeartbeatRequest(), kmsg.NewPtrLeaveGroupRequest()
	join.Group, sync.Group, beat.Group, leave.Group = group, group, group, group
	wantCode(t, "JoinGroup", ask[*kmsg.JoinGroupResponse](w, 9, join).ErrorCode, want)
	wantCode(t, "SyncGroup", ask[*kmsg.SyncGroupResponse](w, 5, sync).ErrorCode, want)
	wantCode(t, "Heartbeat", ask[*kmsg.HeartbeatResponse](w, 4, beat).ErrorCode, want)
	wantCode(t, "LeaveGroup", ask[*kmsg.LeaveGroupResponse](w, 5, leave).ErrorCode, want)
	wantCode(t, "OffsetCommit", ask[*kmsg.OffsetCommitResponse](w, 9, commitRequest(group, kafka.TopicPartition{Topic: "t"})).Topics[0].Partitions[0].ErrorCode, want)
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group = group
	wantCode(t, "OffsetFetch", ask[*kmsg.OffsetFetchResponse](w, 7, fetch).ErrorCode, want)
	remove := kmsg.NewPtrOffsetDeleteRequest()
	remove.Group = group
	wantCode(t, "OffsetDelete", ask[*kmsg.OffsetDeleteResponse](w, 0, remove).ErrorCode, want)
	if len(w.forwarded) > 0 {
		t.Errorf("%d calls were forwarded", len(w.forwarded))
	}
}

func TestGroupCallsGoThroughUnchanged(t *testing.T) {
	w := groupWorld(t)
	w.client, w.conn.Principal, w.conn.Net = "app", "User:alice", pipeConn{}
	w.forward = func(req *rpc.ForwardRequest) (kmsg.Response, error) {
		resp := req.Request.ResponseKind().(*kmsg.JoinGroupResponse)
		resp.MemberID, resp.Generation = "m", 3
		return resp, nil
	}
	for v := int16(0); v <= 9; v++ {
		join := kmsg.NewPtrJoinGroupRequest()
		join.Group = "g"
		if resp := ask[*kmsg.JoinGroupResponse](w, v, join); resp.MemberID != "m" || resp.Generation != 3 {
			t.Errorf("version %d: %+v", v, resp)
		}
		f := w.forwarded[v]
		want := rpc.Client{Principal: "User:alice", ClientID: "app", Host: "/10.0.0.9", Listener: "PLAINTEXT"}
		if f.Client != want || f.Target != toGroup("g") || f.Request.GetVersion() != v {
			t.Errorf("version %d: %+v", v, f)
		}
	}
}

func TestAdminCallsThatFailAreAnsweredInTheirPlaces(t *testing.T) {
	w := newWorld(t, Settings{})
	w.forward = func(*rpc.ForwardRequest) (kmsg.Response, error) {
		return nil, fmt.Errorf("nobody leads: %w", kerr.NotController)
	}
	want := kerr.NotController
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "a"}, {Topic: "b"}}
	wantCode(t, "CreateTopics", ask[*kmsg.CreateTopicsResponse](w, 7, create).Topics[1].ErrorCode, want)
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames, del.Topics = []string{"a"}, []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("a")}, {TopicID: topicID("b")}}
	wantCode(t, "DeleteTopics 5", ask[*kmsg.DeleteTopicsResponse](w, 5, del).Topics[0].ErrorCode, want)
	wantCode(t, "DeleteTopics 6", ask[*kmsg.DeleteTopicsResponse](w, 6, del).Topics[1].ErrorCode, want)
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "a"}}
	wantCode(t, "CreatePartitions", ask[*kmsg.CreatePartitionsResponse](w, 3, grow).Topics[0].ErrorCode, want)
	alter := kmsg.NewPtrAlterConfigsRequest()
	alter.Resources = []kmsg.AlterConfigsRequestResource{{ResourceName: "a"}}
	wantCode(t, "AlterConfigs", ask[*kmsg.AlterConfigsResponse](w, 2, alter).Resources[0].ErrorCode, want)
	change := kmsg.NewPtrIncrementalAlterConfigsRequest()
	change.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceName: "a"}}
	wantCode(t, "IncrementalAlterConfigs", ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, change).Resources[0].ErrorCode, want)
}

// blocks allocates producer ids.
type blocks struct {
	mu    sync.Mutex
	next  int64
	calls int
	err   error
	hold  chan struct{}
}

func (b *blocks) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	if b.hold != nil {
		select {
		case <-b.hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.err != nil || req.BrokerEpoch != 77 {
		return nil, b.err
	}
	b.next += 10
	return &rpc.AllocateProducerIDsResponse{First: b.next - 10, Length: 10}, nil
}

func TestInitProducerID(t *testing.T) {
	w := newWorld(t, Settings{})
	b := &blocks{}
	w.cfg.ProducerIDs = &ProducerIDBlocks{Allocator: b, Epoch: func() int64 { return 77 }}
	for v := int16(0); v <= 5; v++ {
		resp := ask[*kmsg.InitProducerIDResponse](w, v, kmsg.NewPtrInitProducerIDRequest())
		if resp.ErrorCode != 0 || resp.ProducerID != int64(v) || resp.ProducerEpoch != 0 {
			t.Errorf("version %d: %+v", v, resp)
		}
	}
	refused := func(what string, want *kerr.Error, change func(*kmsg.InitProducerIDRequest)) {
		t.Helper()
		req := kmsg.NewPtrInitProducerIDRequest()
		change(req)
		resp := ask[*kmsg.InitProducerIDResponse](w, 4, req)
		if wantCode(t, what, resp.ErrorCode, want); resp.ProducerID != -1 || resp.ProducerEpoch != -1 {
			t.Errorf("%s: %+v", what, resp)
		}
	}
	refused("a transaction", kerr.InvalidRequest, func(r *kmsg.InitProducerIDRequest) { r.TransactionalID = ptr("tx") })
	refused("an id without an epoch", kerr.InvalidRequest, func(r *kmsg.InitProducerIDRequest) { r.ProducerID = 4 })
	refused("an epoch without an id", kerr.InvalidRequest, func(r *kmsg.InitProducerIDRequest) { r.ProducerEpoch = 4 })
	b.err = kerr.CoordinatorNotAvailable
	w.cfg.ProducerIDs = &ProducerIDBlocks{Allocator: b, Epoch: func() int64 { return 77 }}
	refused("no controller", kerr.CoordinatorNotAvailable, func(*kmsg.InitProducerIDRequest) {})
}

func TestManyCallersShareBlocksOfProducerIDs(t *testing.T) {
	b := &blocks{}
	ids := &ProducerIDBlocks{Allocator: b, Epoch: func() int64 { return 77 }}
	var mu sync.Mutex
	seen := map[int64]bool{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 50 {
				id, err := ids.Next(t.Context())
				mu.Lock()
				if err != nil || seen[id] {
					t.Errorf("id %d, %v", id, err)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if b.calls != 100 {
		t.Errorf("%d blocks of 10 for 1000 ids", b.calls)
	}
}

func TestACallerThatWaitsForABlockMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &blocks{hold: make(chan struct{})}
		ids := &ProducerIDBlocks{Allocator: b, Epoch: func() int64 { return 77 }}
		first, second := make(chan error, 1), make(chan error, 1)
		impatient, cancel := context.WithCancel(t.Context())
		go func() { _, err := ids.Next(impatient); first <- err }()
		synctest.Wait()
		go func() { _, err := ids.Next(t.Context()); second <- err }()
		synctest.Wait()
		cancel() // the one that asks goes: the other asks itself
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(b.hold)
		if err := <-second; err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestEveryAPIAnswersAnEmptyRequest(t *testing.T) {
	w := groupWorld(t)
	w.cfg.ProducerIDs = &ProducerIDBlocks{Allocator: &blocks{}, Epoch: func() int64 { return 77 }}
	w.forward = nil
	w.describe = func(kafka.TopicIDPartition) rpc.PartitionDescription { return rpc.PartitionDescription{} }
	for _, a := range w.APIs() {
		for v := a.MinVersion; v <= a.MaxVersion; v++ {
			req := kmsg.RequestForKey(a.Key)
			req.SetVersion(v)
			if p, ok := req.(*kmsg.ProduceRequest); ok {
				p.Acks = 1
			}
			resp := w.serve(t.Context(), v, req)
			decode[kmsg.Response](w, v, req, resp)
		}
	}
}
