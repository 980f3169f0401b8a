package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a controller with its log and the follower of a node.
type rig struct {
	*Controller
	t        *testing.T
	log      *raftlogtest.Log
	follower *Follower
}

func newRig(t *testing.T) *rig {
	t.Helper()
	log := raftlogtest.New(state.Machine{})
	ids := 0
	c, err := New(Config{Cluster: "c1", ClusterUUID: "uuid", Log: log, BatchCoordinators: 3, Registerer: prometheus.NewRegistry(),
		NewTopicID: func() kafka.TopicID { ids++; return kafka.TopicID{byte(ids), byte(ids >> 8), 9} }})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Controller: c, t: t, log: log, follower: Follow(FollowerConfig{Cluster: "c1", Log: log})}
	t.Cleanup(func() {
		for range 2 { // Close is safe twice
			_ = r.Close()
			_ = r.follower.Close()
		}
	})
	return r
}

// ask handles a request and waits until the follower shows what the answer depends on.
func ask[R kmsg.Response](r *rig, req kmsg.Request) R {
	r.t.Helper()
	resp, offset, err := r.Handle(r.t.Context(), rpc.Client{ClientID: "test"}, req)
	if err != nil {
		r.t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	if err := r.follower.WaitFor(r.t.Context(), offset); err != nil {
		r.t.Fatal(err)
	}
	// The answer must survive the wire.
	if err := req.ResponseKind().ReadFrom(resp.AppendTo(nil)); err != nil {
		r.t.Fatal(err)
	}
	return resp.(R)
}

func newTopic(name string, partitions int32, replicas int16, settings ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i+1 < len(settings); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = settings[i], kmsg.StringPtr(settings[i+1])
		t.Configs = append(t.Configs, c)
	}
	return t
}

func (r *rig) create(validateOnly bool, ts ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsResponse {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.Topics, req.ValidateOnly = 7, ts, validateOnly
	return ask[*kmsg.CreateTopicsResponse](r, req)
}

func (r *rig) register(id int32, incarnation byte) *kmsg.BrokerRegistrationResponse {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version, req.BrokerID, req.ClusterID, req.IncarnationID = 4, id, "uuid", [16]byte{incarnation}
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name, l.Host, l.Port = "PLAINTEXT", "h", 9092
	req.Listeners = append(req.Listeners, l)
	return ask[*kmsg.BrokerRegistrationResponse](r, req)
}

func (r *rig) heartbeat(id int32, epoch int64, shutdown bool) *kmsg.BrokerHeartbeatResponse {
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.BrokerEpoch, req.WantShutdown, req.CurrentMetadataOffset = id, epoch, shutdown, epoch
	return ask[*kmsg.BrokerHeartbeatResponse](r, req)
}

func wantCode(t *testing.T, what string, got int16, want *kerr.Error) {
	t.Helper()
	if want == nil && got != 0 || want != nil && got != want.Code {
		t.Errorf("%s: %v, want %v", what, kerr.ErrorForCode(got), want)
	}
}

func TestCreateTopics(t *testing.T) {
	r := newRig(t)
	r.create(false, newTopic("there", 1, -1))
	assigned := newTopic("assigned", -1, -1)
	for p := range int32(2) {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = p, []int32{1}
		assigned.ReplicaAssignment = append(assigned.ReplicaAssignment, a)
	}
	gap := assigned
	gap.Topic, gap.ReplicaAssignment = "gap", assigned.ReplicaAssignment[1:]
	unknown := assigned
	unknown.Topic = "unknown-broker"
	unknown.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{7}}}
	null := newTopic("null", 1, 1, "retention.ms", "")
	null.Configs[0].Value = nil
	r.register(1, 1)
	for _, validateOnly := range []bool{true, false} {
		for _, c := range []struct {
			topic   kmsg.CreateTopicsRequestTopic
			want    *kerr.Error
			message string
		}{
			{newTopic("a", 2, 1), nil, ""},
			{newTopic("b", -1, -1), nil, ""},
			{newTopic("c", 1, 3), nil, ""},
			{newTopic("full", 3, 1, "retention.ms", "-1", "cleanup.policy", "compact,delete"), nil, ""},
			{assigned, nil, ""},
			{gap, kerr.InvalidReplicaAssignment, "consecutive"},
			{unknown, kerr.InvalidReplicaAssignment, "broker 7"},
			{null, kerr.InvalidConfig, "retention.ms"},
			{newTopic("there", 1, 1), kerr.TopicAlreadyExists, "'there' already exists"},
			{newTopic("d", 0, 1), kerr.InvalidPartitions, "non-positive"},
			{newTopic("d", -2, 1), kerr.InvalidPartitions, "non-positive"},
			{newTopic("d", 10_001, 1), kerr.PolicyViolation, "at most 10000"},
			{newTopic("d", 1<<31-1, 1), kerr.PolicyViolation, "at most 10000"},
			{newTopic("d", 1, 0), kerr.InvalidReplicationFactor, "larger than 0"},
			{newTopic("d", 1, 4), kerr.InvalidReplicationFactor, "1 broker(s)"},
			{newTopic("", 1, 1), kerr.InvalidTopicException, "empty"},
			{newTopic("..", 1, 1), kerr.InvalidTopicException, "'..'"},
			{newTopic("a b", 1, 1), kerr.InvalidTopicException, "characters"},
			{newTopic("größe", 1, 1), kerr.InvalidTopicException, "characters"},
			{newTopic(strings.Repeat("x", 250), 1, 1), kerr.InvalidTopicException, "249"},
			{newTopic(strings.Repeat("x", 249), 1, 1), nil, ""},
			{newTopic("d", 1, 1, "retention.ms", "soon"), kerr.InvalidConfig, "Not a number of type LONG"},
			{newTopic("d", 1, 1, "retention.ms", "-2"), kerr.InvalidConfig, "at least -1"},
			{newTopic("d", 1, 1, "no.such", "1"), kerr.InvalidConfig, "no.such"},
			{newTopic("d", 1, 1, "min.compaction.lag.ms", "9", "max.compaction.lag.ms", "8"), kerr.InvalidConfig, "conflict"},
			{newTopic("again", 1, 1, "retention.ms", "soon", "retention.ms", "2"), nil, ""},
			{newTopic("__cluster_metadata", 1, 1), kerr.InvalidRequest, "choose another"},
		} {
			got := r.create(validateOnly, c.topic).Topics[0]
			name := fmt.Sprintf("%.20s validate=%v", c.topic.Topic, validateOnly)
			wantCode(t, name, got.ErrorCode, c.want)
			if c.want != nil {
				if got.ErrorMessage == nil || !strings.Contains(*got.ErrorMessage, c.message) {
					t.Errorf("%s: message %v, want %q in it", name, str(got.ErrorMessage), c.message)
				}
				continue
			}
			if _, exists := r.follower.Image().TopicByName(c.topic.Topic); exists == validateOnly {
				t.Errorf("%s: exists: %v", name, exists)
			}
			if len(got.Configs) < 30 || got.ReplicationFactor != 1 || (got.TopicID == [16]byte{}) != validateOnly {
				t.Errorf("%s: %d configs, replication factor %d, id %v", name, len(got.Configs), got.ReplicationFactor, got.TopicID)
			}
		}
	}
	full, _ := r.follower.Image().TopicByName("full")
	if s := r.follower.Image().TopicSettings(full); s.RetentionMillis != -1 || !s.Compact || !s.Delete || len(full.Coordinators) != 3 {
		t.Errorf("settings %+v of %+v", s, full)
	}
	again, _ := r.follower.Image().TopicByName("again")
	if s := r.follower.Image().TopicSettings(again); s.RetentionMillis != 2 {
		t.Errorf("of a setting that was given twice the last value is %d, want 2", s.RetentionMillis)
	}
}

func str(s *string) string {
	if s == nil {
		return "<none>"
	}
	return *s
}

// One bad topic does not spoil the others; duplicates spoil each other; too many partitions spoil all.
func TestCreateManyTopics(t *testing.T) {
	r := newRig(t)
	resp := r.create(false, newTopic("a", 1, 1), newTopic("twice", 1, 1), newTopic("b c", 1, 1), newTopic("twice", 1, 1))
	if len(resp.Topics) != 3 { // each name is answered once
		t.Errorf("%d answers, want 3", len(resp.Topics))
	}
	for i, want := range []*kerr.Error{nil, kerr.InvalidRequest, kerr.InvalidTopicException} {
		wantCode(t, resp.Topics[i].Topic, resp.Topics[i].ErrorCode, want)
	}
	resp = r.create(false, newTopic("p", 6000, 1), newTopic("q", 6000, 1), newTopic(".", 1, 1))
	for i, want := range []*kerr.Error{kerr.PolicyViolation, kerr.PolicyViolation, kerr.InvalidTopicException} {
		wantCode(t, resp.Topics[i].Topic, resp.Topics[i].ErrorCode, want)
	}
	var many []kmsg.CreateTopicsRequestTopic
	for n := range topicsPerCommand + 7 {
		many = append(many, newTopic(fmt.Sprint("m", n), 1, 1))
	}
	r.create(false, many...)
	if n := r.follower.Image().TopicCount(); n != len(many)+1 {
		t.Errorf("%d topics, want %d", n, len(many)+1)
	}
}

func TestDeleteTopics(t *testing.T) {
	r := newRig(t)
	created := r.create(false, newTopic("a", 1, 1), newTopic("b", 1, 1), newTopic("c", 1, 1))
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = 6
	req.Topics = []kmsg.DeleteTopicsRequestTopic{
		{Topic: kmsg.StringPtr("a")}, {TopicID: created.Topics[1].TopicID}, {Topic: kmsg.StringPtr("gone")}, {TopicID: [16]byte{99}}, {},
		{Topic: kmsg.StringPtr("c")}, {TopicID: created.Topics[2].TopicID}, {Topic: kmsg.StringPtr("c"), TopicID: [16]byte{1}},
	}
	resp := ask[*kmsg.DeleteTopicsResponse](r, req)
	wants := []*kerr.Error{nil, nil, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidRequest, kerr.InvalidRequest, kerr.InvalidRequest}
	if len(resp.Topics) != len(wants) { // c is answered once
		t.Fatalf("%d answers, want %d", len(resp.Topics), len(wants))
	}
	for i, want := range wants {
		wantCode(t, fmt.Sprint("deletion ", i), resp.Topics[i].ErrorCode, want)
	}
	if str(resp.Topics[1].Topic) != "b" {
		t.Errorf("deleted by id: %s", str(resp.Topics[1].Topic))
	}
	if names := topicNames(r); !slices.Equal(names, []string{"c"}) {
		t.Errorf("left: %v", names)
	}
	old := kmsg.NewPtrDeleteTopicsRequest()
	old.Version, old.TopicNames = 5, []string{"c"}
	wantCode(t, "by name", ask[*kmsg.DeleteTopicsResponse](r, old).Topics[0].ErrorCode, nil)
}

// What is named twice is refused, once, whether it exists or not; what is named once is deleted all the same.
func TestDeleteTopicsNamedTwice(t *testing.T) {
	r := newRig(t)
	created := r.create(false, newTopic("a", 1, 1), newTopic("b", 1, 1), newTopic("c", 1, 1))
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = 6
	gone, a, b, c := kmsg.DeleteTopicsRequestTopic{Topic: kmsg.StringPtr("gone")}, kmsg.DeleteTopicsRequestTopic{Topic: kmsg.StringPtr("a")},
		kmsg.DeleteTopicsRequestTopic{TopicID: created.Topics[1].TopicID}, kmsg.DeleteTopicsRequestTopic{Topic: kmsg.StringPtr("c")}
	unknown := kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{99}}
	req.Topics = []kmsg.DeleteTopicsRequestTopic{gone, a, unknown, gone, gone, b, c, a, unknown, b}
	var got []string
	for _, rt := range ask[*kmsg.DeleteTopicsResponse](r, req).Topics {
		got = append(got, fmt.Sprint(str(rt.Topic), " ", rt.ErrorCode))
	}
	twice := fmt.Sprint(" ", kerr.InvalidRequest.Code)
	if want := []string{"gone" + twice, "a" + twice, "<none>" + twice, "<none>" + twice, "c 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if names := topicNames(r); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("left: %v", names)
	}
}

func topicNames(r *rig) (names []string) {
	for _, t := range r.follower.Image().Topics() {
		names = append(names, t.Name)
	}
	return names
}

func TestCreatePartitions(t *testing.T) {
	r := newRig(t)
	r.create(false, newTopic("a", 2, 1))
	grow := func(name string, count int32, validateOnly bool, replicas ...int32) *kmsg.CreatePartitionsResponseTopic {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Version, req.ValidateOnly = 3, validateOnly
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = name, count
		for _, id := range replicas {
			rt.Assignment = append(rt.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: []int32{id}})
		}
		req.Topics = append(req.Topics, rt)
		return &ask[*kmsg.CreatePartitionsResponse](r, req).Topics[0]
	}
	wantCode(t, "validate", grow("a", 4, true).ErrorCode, nil)
	wantCode(t, "grow", grow("a", 4, false).ErrorCode, nil)
	wantCode(t, "same", grow("a", 4, false).ErrorCode, kerr.InvalidPartitions)
	wantCode(t, "fewer", grow("a", 3, false).ErrorCode, kerr.InvalidPartitions)
	wantCode(t, "absurd", grow("a", 1<<31-1, false).ErrorCode, kerr.InvalidPartitions)
	wantCode(t, "unknown", grow("b", 4, false).ErrorCode, kerr.UnknownTopicOrPartition)
	wantCode(t, "assignments", grow("a", 6, false, 1).ErrorCode, kerr.InvalidReplicaAssignment)
	twice := kmsg.NewPtrCreatePartitionsRequest()
	twice.Version, twice.Topics = 3, []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: 5}, {Topic: "a", Count: 6}}
	if resp := ask[*kmsg.CreatePartitionsResponse](r, twice); len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("named twice: %+v", resp.Topics)
	}
	if a, _ := r.follower.Image().TopicByName("a"); len(a.Coordinators) != 4 {
		t.Errorf("%d partitions, want 4", len(a.Coordinators))
	}
}

func TestNotLeading(t *testing.T) {
	r := newRig(t)
	r.log.SetLeader(false)
	for _, req := range []kmsg.Request{kmsg.NewPtrCreateTopicsRequest(), kmsg.NewPtrDeleteTopicsRequest(), kmsg.NewPtrBrokerHeartbeatRequest(), kmsg.NewPtrUnregisterBrokerRequest()} {
		resp, offset, err := r.Handle(t.Context(), rpc.Client{}, req)
		if !errors.Is(err, kerr.NotCoordinator) || resp != nil || offset != -1 {
			t.Errorf("%s: %v, %d, %v", kmsg.NameForKey(req.Key()), resp, offset, err)
		}
	}
	if _, _, err := r.Handle(t.Context(), rpc.Client{}, kmsg.NewPtrFetchRequest()); !errors.Is(err, kerr.UnsupportedVersion) {
		t.Errorf("Fetch: %v", err)
	}
}

func TestUnknownOutcome(t *testing.T) {
	r := newRig(t)
	r.log.Inject(raftlogtest.Fault{Err: kafka.ErrUnknownOutcome, Applied: true})
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, newTopic("a", 1, 1))
	if _, _, err := r.Handle(t.Context(), rpc.Client{}, req); !errors.Is(err, kafka.ErrUnknownOutcome) {
		t.Errorf("%v, want an unknown outcome", err)
	}
	wantCode(t, "again", r.create(false, newTopic("a", 1, 1)).Topics[0].ErrorCode, kerr.TopicAlreadyExists)
}

func TestProducerIDs(t *testing.T) {
	r := newRig(t)
	epoch := r.register(1, 1).BrokerEpoch
	for n := range int64(3) {
		got, err := r.AllocateProducerIDs(t.Context(), &rpc.AllocateProducerIDsRequest{Broker: 1, BrokerEpoch: epoch})
		if err != nil || got.First != n*1000 || got.Length != 1000 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, c := range []struct {
		broker int32
		epoch  int64
		want   *kerr.Error
	}{{1, epoch + 1, kerr.StaleBrokerEpoch}, {2, epoch, kerr.BrokerIDNotRegistered}} {
		if _, err := r.AllocateProducerIDs(t.Context(), &rpc.AllocateProducerIDsRequest{Broker: c.broker, BrokerEpoch: c.epoch}); !errors.Is(err, c.want) {
			t.Errorf("broker %d epoch %d: %v, want %v", c.broker, c.epoch, err, c.want)
		}
	}
}

func TestRegistrationChecks(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name   string
		change func(*kmsg.BrokerRegistrationRequest)
		want   *kerr.Error
	}{
		{"fine", func(*kmsg.BrokerRegistrationRequest) {}, nil},
		{"by the cluster's name", func(q *kmsg.BrokerRegistrationRequest) { q.ClusterID = "c1" }, nil},
		{"of another cluster", func(q *kmsg.BrokerRegistrationRequest) { q.ClusterID = "other" }, kerr.InconsistentClusterID},
		{"without listeners", func(q *kmsg.BrokerRegistrationRequest) { q.Listeners = nil }, kerr.InvalidRegistration},
		{"negative", func(q *kmsg.BrokerRegistrationRequest) { q.BrokerID = -1 }, kerr.InvalidRegistration},
	} {
		req := kmsg.NewPtrBrokerRegistrationRequest()
		req.Version, req.BrokerID, req.ClusterID = 4, 1, "uuid"
		req.Listeners = append(req.Listeners, kmsg.BrokerRegistrationRequestListener{Name: "n", Host: "h", Port: 1})
		c.change(req)
		wantCode(t, c.name, ask[*kmsg.BrokerRegistrationResponse](r, req).ErrorCode, c.want)
	}
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := r.register(1, 1)
		second := r.register(2, 1)
		if b, _ := r.follower.Image().Broker(1); b.Epoch != first.BrokerEpoch || b.Fenced {
			t.Fatalf("registered as %+v, answered %d", b, first.BrokerEpoch)
		}
		// A restarted process takes over at once.
		again := r.register(1, 2)
		if again.ErrorCode != 0 || again.BrokerEpoch <= first.BrokerEpoch {
			t.Fatalf("%+v after %+v", again, first)
		}
		wantCode(t, "the old epoch", r.heartbeat(1, first.BrokerEpoch, false).ErrorCode, kerr.StaleBrokerEpoch)
		// Both send heartbeats for a while, and nobody takes over.
		for range 10 {
			wantCode(t, "heartbeat 1", r.heartbeat(1, again.BrokerEpoch, false).ErrorCode, nil)
			wantCode(t, "heartbeat 2", r.heartbeat(2, second.BrokerEpoch, false).ErrorCode, nil)
			time.Sleep(2 * time.Second)
			wantCode(t, "the earlier incarnation", r.register(1, 1).ErrorCode, kerr.DuplicateBrokerRegistration)
		}
		// Broker 1 stops: after its session it is fenced, and its own next heartbeat says so.
		for range 6 {
			r.heartbeat(2, second.BrokerEpoch, false)
			time.Sleep(2 * time.Second)
		}
		_, live := r.follower.LiveBrokers()
		if len(live) != 1 || live[0].ID != 2 {
			t.Errorf("live: %+v", live)
		}
		wantCode(t, "fenced", r.heartbeat(1, again.BrokerEpoch, false).ErrorCode, kerr.StaleBrokerEpoch)
		anew := r.register(1, 2) // the same process
		if anew.BrokerEpoch <= again.BrokerEpoch {
			t.Errorf("epoch %d after the fenced %d", anew.BrokerEpoch, again.BrokerEpoch)
		}
		// A new leader has heard nobody, and gives everybody a full session.
		r.heartbeat(1, anew.BrokerEpoch, false)
		time.Sleep(8 * time.Second)
		r.heartbeat(2, second.BrokerEpoch, false)
		r.log.SetLeader(false)
		time.Sleep(10 * time.Second) // longer than a session: nobody leads, nobody can be heard
		r.log.SetLeader(true)
		time.Sleep(8 * time.Second)
		wantCode(t, "the earlier incarnation, before the new leader has heard the later", r.register(1, 1).ErrorCode, kerr.DuplicateBrokerRegistration)
		if _, live := r.follower.LiveBrokers(); len(live) != 2 {
			t.Errorf("live under the new leader: %+v", live)
		}
		r.heartbeat(2, second.BrokerEpoch, false)
		time.Sleep(6 * time.Second) // broker 1 died meanwhile
		if _, live := r.follower.LiveBrokers(); len(live) != 1 || live[0].ID != 2 {
			t.Errorf("live under the new leader after its first session: %+v", live)
		}
		// The later one is gone: the id is the earlier one's again, until an incarnation comes that nobody saw before.
		back := r.register(1, 1)
		wantCode(t, "the earlier incarnation", back.ErrorCode, nil)
		wantCode(t, "the later incarnation", r.register(1, 2).ErrorCode, kerr.DuplicateBrokerRegistration)
		wantCode(t, "a new incarnation", r.register(1, 3).ErrorCode, nil)
		wantCode(t, "heartbeat of the replaced", r.heartbeat(1, back.BrokerEpoch, false).ErrorCode, kerr.StaleBrokerEpoch)
		// A broker that shuts down gives its epoch up.
		bye := r.heartbeat(2, second.BrokerEpoch, true)
		if !bye.ShouldShutdown || !bye.IsFenced {
			t.Errorf("%+v", bye)
		}
		un := kmsg.NewPtrUnregisterBrokerRequest()
		un.BrokerID = 1
		wantCode(t, "unregister", ask[*kmsg.UnregisterBrokerResponse](r, un).ErrorCode, nil)
		if _, live := r.follower.LiveBrokers(); len(live) != 0 {
			t.Errorf("live at the end: %+v", live)
		}
	})
}

func TestFollowerStopsAtForeignRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.create(false, newTopic("a", 1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.follower.WaitFor(ctx, r.follower.Offset()+1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the future: %v", err)
		}
		changed := r.follower.Changed()
		r.create(false, newTopic("b", 1, 1))
		<-changed
	})
}

func TestConfigIsChecked(t *testing.T) {
	_, err := New(Config{MaxPartitionsPerTopic: 5, NumPartitions: 6, SessionTimeout: time.Millisecond})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Cluster", "Log", "NewTopicID", "BatchCoordinators is 0", "num.partitions is 6, want 1 to MaxPartitionsPerTopic (5)", "broker.session.timeout.ms is 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}
