package forwarding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers each call with the next function; the last one stays.
type script struct {
	calls int
	steps []func(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error)
}

func (s *script) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	step := s.steps[min(s.calls, len(s.steps)-1)]
	s.calls++
	return step(ctx, req)
}

type step = func(context.Context, *rpc.ForwardRequest) (*rpc.ForwardResponse, error)

func fails(err error) step {
	return func(context.Context, *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		return nil, fmt.Errorf("in words: %w", err)
	}
}

func answers(offset int64) step {
	return func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: offset}, nil
	}
}

func says(code *kerr.Error) step {
	return func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		resp := req.Request.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = code.Code
		return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
	}
}

func parks(ctx context.Context, _ *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// image is at an offset that a test moves.
type image struct {
	at         chan int64
	partitions func(topic string) int32
}

func (i image) Partitions(topic string) int32 {
	if i.partitions == nil {
		return 0
	}
	return i.partitions(topic)
}

func (i image) HasTopicID([16]byte) bool { return false }

func (i image) Changed() <-chan struct{} { return nil }

func (i image) WaitFor(ctx context.Context, offset int64) error {
	for {
		select {
		case at := <-i.at:
			if at >= offset {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func forwarder(i Image, steps ...step) (*Forwarder, *script) {
	s := &script{steps: steps}
	return New(Config{Metadata: s, Image: i, Clock: clock.System, Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)}), s
}

var (
	heartbeat    = &rpc.ForwardRequest{Request: kmsg.NewPtrHeartbeatRequest()}
	createTopics = &rpc.ForwardRequest{Request: kmsg.NewPtrCreateTopicsRequest()}
	deleteGroups = &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetGroup, Group: "g"}, Request: kmsg.NewPtrDeleteGroupsRequest()}
)

func TestCallsAreRepeatedWhereThatIsSafe(t *testing.T) {
	for name, tc := range map[string]struct {
		req   *rpc.ForwardRequest
		first step
		want  error // nil: the second call's answer
	}{
		"no leader":                        {createTopics, fails(kerr.NotCoordinator), nil},
		"no controller":                    {createTopics, fails(kerr.NotController), nil},
		"never sent":                       {createTopics, fails(kerr.CoordinatorNotAvailable), nil},
		"unknown, may not be done twice":   {deleteGroups, fails(kafka.ErrUnknownOutcome), kafka.ErrUnknownOutcome},
		"unknown at the node":              {deleteGroups, fails(kerr.RequestTimedOut), kerr.RequestTimedOut},
		"unknown, and may be understood":   {createTopics, fails(kafka.ErrUnknownOutcome), nil},
		"both unknown and not available":   {deleteGroups, fails(fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, kafka.ErrUnknownOutcome)), kafka.ErrUnknownOutcome},
		"unknown, harmless":                {heartbeat, fails(kafka.ErrUnknownOutcome), nil},
		"unknown at the node, harmless":    {heartbeat, fails(kerr.RequestTimedOut), nil},
		"throttled":                        {createTopics, fails(kerr.ThrottlingQuotaExceeded), nil},
		"refused":                          {heartbeat, fails(kerr.ClusterAuthorizationFailed), kerr.ClusterAuthorizationFailed},
		"closed":                           {heartbeat, fails(kafka.ErrClosed), kafka.ErrClosed},
		"the answer says elsewhere":        {heartbeat, says(kerr.NotCoordinator), nil},
		"the answer says it is loading":    {heartbeat, says(kerr.CoordinatorLoadInProgress), nil},
		"the answer is the group's matter": {heartbeat, says(kerr.RebalanceInProgress), kerr.RebalanceInProgress},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := forwarder(image{}, tc.first, answers(-1))
				resp, err := f.Forward(t.Context(), tc.req, 0)
				if beat, ok := tc.req.Request.(*kmsg.HeartbeatRequest); ok && err == nil && beat != nil {
					err = kerr.ErrorForCode(resp.Response.(*kmsg.HeartbeatResponse).ErrorCode)
				}
				if !errors.Is(err, tc.want) || (s.calls == 2) != (tc.want == nil) {
					t.Errorf("got %v after %d calls", err, s.calls)
				}
			})
		})
	}
}

func TestRepeatingIsPacedAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := forwarder(image{}, fails(kerr.NotCoordinator))
		start := time.Now()
		_, err := f.Forward(t.Context(), createTopics, 10*time.Second)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kerr.NotCoordinator) || time.Since(start) != 30*time.Second || kafka.ErrorCode(err) != kerr.NotController.Code {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if s.calls < 30 || s.calls > 50 {
			t.Errorf("%d calls in 30 s", s.calls)
		}
		f, _ = forwarder(image{}, says(kerr.NotCoordinator))
		resp, err := f.Forward(t.Context(), heartbeat, 0)
		if err != nil || resp.Response.(*kmsg.HeartbeatResponse).ErrorCode != kerr.NotCoordinator.Code {
			t.Errorf("when the time is over the client is told what the coordinator said: %v", err)
		}
		f, s = forwarder(image{}, parks)
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := f.Forward(ctx, heartbeat, 0); !errors.Is(err, context.Canceled) || s.calls != 1 {
			t.Errorf("%v after %d calls", err, s.calls)
		}
	})
}

// Java's clients end at codes that an API of theirs does not know.
func TestWhenTheTimeIsOverClientsAreToldToComeBack(t *testing.T) {
	group := rpc.Target{Kind: rpc.TargetGroup, Group: "g"}
	for name, tc := range map[string]struct {
		target rpc.Target
		req    kmsg.Request
		step   step
		want   *kerr.Error
	}{
		"a group's coordinator is away":     {group, kmsg.NewPtrHeartbeatRequest(), fails(kerr.NotCoordinator), kerr.CoordinatorNotAvailable},
		"it is overloaded":                  {group, kmsg.NewPtrHeartbeatRequest(), fails(kerr.ThrottlingQuotaExceeded), kerr.CoordinatorNotAvailable},
		"its answers are lost":              {group, kmsg.NewPtrOffsetCommitRequest(), fails(kafka.ErrUnknownOutcome), kerr.CoordinatorNotAvailable},
		"an answer is lost, once is enough": {group, kmsg.NewPtrDeleteGroupsRequest(), fails(kafka.ErrUnknownOutcome), kerr.CoordinatorNotAvailable},
		"it does not answer":                {group, kmsg.NewPtrOffsetFetchRequest(), parks, kerr.CoordinatorNotAvailable},
		"the controller is away":            {rpc.Target{}, kmsg.NewPtrCreateTopicsRequest(), fails(kerr.NotCoordinator), kerr.NotController},
		"the controller's answer is lost":   {rpc.Target{}, kmsg.NewPtrCreateTopicsRequest(), fails(kafka.ErrUnknownOutcome), kerr.RequestTimedOut},
		"not allowed":                       {group, kmsg.NewPtrHeartbeatRequest(), fails(kerr.ClusterAuthorizationFailed), kerr.ClusterAuthorizationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := forwarder(image{}, tc.step)
				if _, err := f.Forward(t.Context(), &rpc.ForwardRequest{Target: tc.target, Request: tc.req}, 0); kafka.ErrorCode(err) != tc.want.Code {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			})
		})
	}
}

func TestAnAnswerWaitsForTheImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := image{at: make(chan int64)}
		f, _ := forwarder(i, answers(7))
		done := make(chan error, 1)
		go func() { _, err := f.Forward(t.Context(), createTopics, 0); done <- err }()
		i.at <- 6
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("answered before the image shows the change")
		}
		i.at <- 7
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		go func() { _, err := f.Forward(t.Context(), createTopics, 0); done <- err }()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) { // the image stands still
			t.Fatalf("got %v", err)
		}
	})
}

// A commit of offsets is not sent again later than lateCommit: its client has gone elsewhere and committed more.
func TestALateOffsetCommitIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := forwarder(nil, fails(kerr.NotCoordinator))
		began := time.Now()
		if _, err := f.Forward(t.Context(), &rpc.ForwardRequest{Request: kmsg.NewPtrOffsetCommitRequest(), Target: rpc.Target{Kind: rpc.TargetController}}, time.Hour); !errors.Is(err, kerr.NotController) {
			t.Error(err)
		}
		if waited := time.Since(began); waited > lateCommit+2*lastBackoff || s.calls < 3 {
			t.Errorf("%d calls in %s", s.calls, waited)
		}
	})
}

// A client that gave a commit up and connected again sends the next one. The first, which waits for a leader, must not come behind it.
func TestCommitsOfAMemberKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leader atomic.Bool
		var done []int64
		at := func(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
			if !leader.Load() {
				return nil, kerr.NotCoordinator
			}
			done = append(done, req.Request.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Offset)
			return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1}, nil
		}
		f, _ := forwarder(nil, at)
		commit := func(offset int64) chan error {
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Group, req.MemberID = "g", "m"
			req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: offset}}}}
			ended := make(chan error, 1)
			go func() {
				_, err := f.Forward(context.Background(), &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetGroup, Group: "g"}, Request: req}, 0)
				ended <- err
			}()
			return ended
		}
		first := commit(1)
		time.Sleep(1900 * time.Millisecond) // its next attempt is up to a second and a half away
		second := commit(2)
		time.Sleep(10 * time.Millisecond)
		leader.Store(true)
		if err := <-first; !errors.Is(err, kerr.CoordinatorNotAvailable) {
			t.Errorf("the first commit: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the second commit: %v", err)
		}
		if len(done) != 1 || done[0] != 2 {
			t.Errorf("committed %d, want only 2", done)
		}
		if err := <-commit(3); err != nil || len(f.commits.newest) != 0 {
			t.Errorf("the next commit: %v, %d are thought to be under way", err, len(f.commits.newest))
		}
	})
}

// A commit that gives up while it waits for an earlier one is still in the way of the next, as long as the earlier one is.
func TestACommitThatWaitsGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o commitOrder
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.MemberID = "g", "m"
		_, endFirst, err := o.enter(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := o.enter(short, req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second: %v", err)
		}
		entered := false
		go func() {
			_, endThird, err := o.enter(t.Context(), req)
			if err != nil {
				t.Errorf("the third: %v", err)
				return
			}
			entered = true
			endThird()
		}()
		synctest.Wait()
		if entered {
			t.Error("the third did not wait for the first")
		}
		endFirst()
		synctest.Wait()
		if !entered || len(o.newest) != 0 {
			t.Errorf("entered: %v, under way: %d", entered, len(o.newest))
		}
	})
}

func TestHarmlessJoins(t *testing.T) {
	for _, tc := range []struct {
		version  int16
		member   string
		instance *string
		want     bool
	}{{3, "", nil, false}, {3, "m", nil, true}, {4, "", nil, true}, {9, "", nil, true}, {3, "", new(string), true}} {
		m := kmsg.NewPtrJoinGroupRequest()
		m.Version, m.MemberID, m.InstanceID = tc.version, tc.member, tc.instance
		if harmless(m) != tc.want {
			t.Errorf("%+v", tc)
		}
	}
	if harmless(kmsg.NewPtrOffsetCommitRequest()) || harmless(kmsg.NewPtrDeleteGroupsRequest()) || harmless(kmsg.NewPtrOffsetDeleteRequest()) || harmless(kmsg.NewPtrCreatePartitionsRequest()) {
		t.Error("not harmless")
	}
}

func TestEveryGroupAnswerThatMovedIsSeen(t *testing.T) {
	code := kerr.NotCoordinator.Code
	fetched := kmsg.NewOffsetFetchResponseGroup()
	fetched.ErrorCode = code
	for _, resp := range []kmsg.Response{
		&kmsg.JoinGroupResponse{ErrorCode: code}, &kmsg.SyncGroupResponse{ErrorCode: code}, &kmsg.LeaveGroupResponse{ErrorCode: code}, &kmsg.ListGroupsResponse{ErrorCode: code},
		&kmsg.OffsetDeleteResponse{ErrorCode: code}, &kmsg.OffsetFetchResponse{ErrorCode: code}, &kmsg.OffsetFetchResponse{Groups: []kmsg.OffsetFetchResponseGroup{fetched}},
		&kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{Partitions: []kmsg.OffsetCommitResponseTopicPartition{{ErrorCode: code}}}}},
		&kmsg.DescribeGroupsResponse{Groups: []kmsg.DescribeGroupsResponseGroup{{ErrorCode: code}}}, &kmsg.DeleteGroupsResponse{Groups: []kmsg.DeleteGroupsResponseGroup{{ErrorCode: code}}},
	} {
		if !moved(resp) {
			t.Errorf("%T", resp)
		}
	}
	if moved(&kmsg.CreateTopicsResponse{}) || moved(&kmsg.OffsetCommitResponse{}) || moved(&kmsg.DescribeGroupsResponse{}) {
		t.Error("nothing moved")
	}
}

func TestRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got *rpc.ForwardRequest
		f, s := forwarder(image{}, fails(kafka.ErrUnknownOutcome), func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
			got = req
			resp := req.Request.ResponseKind().(*kmsg.BrokerRegistrationResponse)
			resp.BrokerEpoch = 99
			return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
		})
		epoch, err := f.Register(t.Context(), Identity{ID: 7, IncarnationID: [16]byte{1}, ClusterID: "c", Rack: "a", Listeners: []topics.BrokerListener{{Name: "PLAINTEXT", Host: "h", Port: 9092}}})
		if err != nil || epoch != 99 || s.calls != 2 {
			t.Fatalf("epoch %d, %v after %d calls", epoch, err, s.calls)
		}
		m := got.Request.(*kmsg.BrokerRegistrationRequest)
		if got.Target.Kind != rpc.TargetController || m.BrokerID != 7 || m.IncarnationID != [16]byte{1} || *m.Rack != "a" || m.Listeners[0].Port != 9092 {
			t.Errorf("sent %+v", m)
		}
		f, _ = forwarder(image{}, func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
			resp := req.Request.ResponseKind().(*kmsg.BrokerRegistrationResponse)
			resp.ErrorCode = kerr.DuplicateBrokerRegistration.Code
			return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // another broker of the id that does not go away
		defer cancel()
		if _, err := f.Register(ctx, Identity{ID: 7}); !errors.Is(err, kerr.DuplicateBrokerRegistration) || !strings.Contains(err.Error(), "--broker.id") {
			t.Errorf("got %v", err)
		}
	})
}

// A broker that stood still takes no OffsetCommit, which may be older than what the member has committed through another broker. Everything else goes on.
func TestNoCommitAfterAStall(t *testing.T) {
	s := &script{steps: []step{answers(-1)}}
	stalled := true
	f := New(Config{Metadata: s, Image: image{}, Clock: clock.System, Jitter: func() float64 { return 0 }, Logger: slog.New(slog.DiscardHandler), Stalled: func() bool { return stalled }})
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group = "g"
	send := func(req kmsg.Request) error {
		_, err := f.Forward(t.Context(), &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetGroup, Group: "g"}, Request: req}, 0)
		return err
	}
	if err := send(commit); !errors.Is(err, kerr.CoordinatorNotAvailable) || s.calls != 0 {
		t.Errorf("a commit: %v, sent %d times", err, s.calls)
	}
	if err := send(kmsg.NewPtrHeartbeatRequest()); err != nil || s.calls != 1 {
		t.Errorf("a heartbeat: %v, sent %d times", err, s.calls)
	}
	stalled = false
	if err := send(commit); err != nil || s.calls != 2 {
		t.Errorf("a later commit: %v, sent %d times in all", err, s.calls)
	}
}
