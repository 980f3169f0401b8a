package server_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/topics"
)

var orders = kafka.TopicIDPartition{ID: kafka.TopicID{1, 2, 3}, Partition: 5}

// privateCall is one arrow: a request, and whether a lost answer leaves it open what happened.
type privateCall struct {
	name    string
	changes bool
	req     any
	call    func(ctx context.Context, c rpc.MetadataCluster) (any, error)
}

func arrow[Q, A any](name string, changes bool, req Q, call func(rpc.MetadataCluster, context.Context, Q) (A, error)) privateCall {
	return privateCall{name, changes, req, func(ctx context.Context, c rpc.MetadataCluster) (any, error) { return call(c, ctx, req) }}
}

func privateCalls() []privateCall {
	object := kafka.ObjectID{Epoch: 3, Sequence: 4}
	return []privateCall{
		arrow("CommitObjects", true, &rpc.CommitObjectsRequest{Coordinator: 1, Broker: 7, Objects: []rpc.ObjectCommit{{
			Object: object, ObjectBytes: 99, Coordinators: []int32{0, 1},
			Segments: []rpc.SegmentCommit{{Partition: orders, Batches: []rpc.BatchCommit{{Bytes: 9, Records: 1, ProducerID: -1, BaseSequence: -1}}}},
		}}}, rpc.MetadataCluster.CommitObjects),
		arrow("FindSegments", false, &rpc.FindSegmentsRequest{Coordinator: 1, Partitions: []rpc.FindSegment{{Partition: orders, Offset: 12}}}, rpc.MetadataCluster.FindSegments),
		arrow("ListOffsets", false, &rpc.ListOffsetsRequest{Partitions: []rpc.ListOffset{{Partition: orders, Timestamp: -3}}}, rpc.MetadataCluster.ListOffsets),
		arrow("DeleteRecords", true, &rpc.DeleteRecordsRequest{Partitions: []rpc.DeleteRecords{{Partition: orders, Before: -1}}}, rpc.MetadataCluster.DeleteRecords),
		arrow("DescribePartitions", false, &rpc.DescribePartitionsRequest{Producers: true, Partitions: []kafka.TopicIDPartition{orders}}, rpc.MetadataCluster.DescribePartitions),
		arrow("RequestWork", true, &rpc.RequestWorkRequest{MaxObjects: 5}, rpc.MetadataCluster.RequestWork),
		arrow("CheckReleased", false, &rpc.CheckReleasedRequest{Objects: []kafka.ObjectID{object, object}}, rpc.MetadataCluster.CheckReleased),
		arrow("CompleteWork", true, &rpc.CompleteWorkRequest{Lease: 8, Deleted: []kafka.ObjectID{object}}, rpc.MetadataCluster.CompleteWork),
		arrow("RenewWork", true, &rpc.RenewWorkRequest{Lease: 8}, rpc.MetadataCluster.RenewWork),
		arrow("FailWork", true, &rpc.FailWorkRequest{Lease: 8, Cause: "damage", Damaged: []kafka.ObjectID{object}}, rpc.MetadataCluster.FailWork),
		arrow("DescribeWork", false, &rpc.DescribeWorkRequest{MaxItems: 5, From: []byte("k")}, rpc.MetadataCluster.DescribeWork),
		arrow("RetryWork", true, &rpc.RetryWorkRequest{Kind: rpc.WorkSweep}, rpc.MetadataCluster.RetryWork),
		arrow("DescribeCoordinates", false, &rpc.DescribeCoordinatesRequest{From: orders, Offset: 7, MaxCoordinates: 3}, rpc.MetadataCluster.DescribeCoordinates),
		arrow("DescribeObjects", false, &rpc.DescribeObjectsRequest{MetadataOffset: 4, Objects: []kafka.ObjectID{object}}, rpc.MetadataCluster.DescribeObjects),
		arrow("FollowTopic", false, &rpc.FollowTopicRequest{Topic: rpc.MetadataTopic, Offset: 41}, rpc.MetadataCluster.FollowTopic),
		arrow("AllocateProducerIDs", false, &rpc.AllocateProducerIDsRequest{Broker: 7, BrokerEpoch: 77}, rpc.MetadataCluster.AllocateProducerIDs),
		arrow("ReportCost", false, &rpc.ReportCostRequest{Broker: 7, Epoch: 77, Sequence: 3, Account: topics.StorageAccount{
			Uses: []topics.StorageUse{{Purpose: "flush", Kind: "put", Requests: 4, Bytes: 5}}, Topics: []topics.TopicBytes{{Name: "orders", Bytes: 6, Read: 8, Merged: 9, Compacted: 10}}, OtherTopics: topics.TopicBytes{Bytes: 7, Compacted: 11},
		}}, rpc.MetadataCluster.ReportCost),
		arrow("DescribeCost", false, &rpc.DescribeCostRequest{}, rpc.MetadataCluster.DescribeCost),
		arrow("DescribeCluster", false, &rpc.DescribeClusterRequest{}, rpc.MetadataCluster.DescribeCluster),
	}
}

func TestEveryPrivateCallArrivesAndIsAnswered(t *testing.T) {
	remote := &cluster{arrived: make(chan any, 1)}
	c := dialTo(t, startNode(t, remote).address)
	for _, p := range privateCalls() {
		t.Run(p.name, func(t *testing.T) {
			got, err := p.call(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.req, <-remote.arrived, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the request (-sent +arrived):\n%s", diff)
			}
			want, _ := p.call(t.Context(), &cluster{}) // a fake answers by its request alone
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the answer (-node's +client's):\n%s", diff)
			}
		})
	}
}

func TestErrorsKeepTheirCodes(t *testing.T) {
	for _, want := range []error{
		kerr.StaleBrokerEpoch, kerr.FencedInstanceID, kerr.UnknownTopicID, kerr.UnknownServerError, kafka.ErrUnknownOutcome,
	} {
		t.Run(want.Error(), func(t *testing.T) {
			c := dialTo(t, startNode(t, &cluster{err: fmt.Errorf("said in words: %w", want)}).address)
			for _, p := range privateCalls() {
				if _, err := p.call(t.Context(), c); !errors.Is(err, want) || !strings.Contains(err.Error(), "said in words") {
					t.Errorf("%s: got %v", p.name, err)
				}
			}
		})
	}
}

// What says that nothing was done is asked again; when the caller's patience ends it learns the last answer.
func TestACallThatFindsNoLeaderIsMadeAgain(t *testing.T) {
	for _, p := range privateCalls() {
		t.Run(p.name, func(t *testing.T) {
			remote := &cluster{err: fmt.Errorf("said in words: %w", kerr.NotCoordinator), arrived: make(chan any)}
			c := dialTo(t, startNode(t, remote).address)
			ctx, cancel := context.WithCancelCause(t.Context())
			enough := errors.New("enough")
			failed := make(chan error, 1)
			go func() {
				_, err := p.call(ctx, c)
				failed <- err
			}()
			<-remote.arrived
			<-remote.arrived
			cancel(enough)
			for {
				select {
				case <-remote.arrived:
					continue
				case err := <-failed:
					if !errors.Is(err, enough) || errors.Is(err, kafka.ErrUnknownOutcome) && !p.changes {
						t.Errorf("got %v", err)
					}
				}
				break
			}
		})
	}
}

func TestFollowersLearnTheStartOfATruncatedTopic(t *testing.T) {
	c := dialTo(t, startNode(t, &cluster{follow: func(*rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
		return &rpc.FollowTopicResponse{StartOffset: 100, HighWatermark: 200}, fmt.Errorf("removed: %w", kerr.OffsetOutOfRange)
	}}).address)
	resp, err := c.FollowTopic(t.Context(), &rpc.FollowTopicRequest{Topic: rpc.MetadataTopic, Offset: 1})
	if !errors.Is(err, kerr.OffsetOutOfRange) || resp.StartOffset != 100 || resp.HighWatermark != 200 {
		t.Fatalf("got %+v, %v", resp, err)
	}
}

func TestAConnectionOfNoClusterGetsNothing(t *testing.T) {
	remote := &cluster{arrived: make(chan any, 1), forward: func(context.Context, *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		t.Error("a stranger's request was forwarded")
		return nil, kerr.UnknownServerError
	}}
	remote.stranger.Store(true)
	c := dialTo(t, startNode(t, remote).address)
	for _, p := range privateCalls() {
		if _, err := p.call(t.Context(), c); !errors.Is(err, kerr.ClusterAuthorizationFailed) {
			t.Errorf("%s: got %v", p.name, err)
		}
	}
	if _, err := c.Forward(t.Context(), heartbeat("m")); !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		t.Errorf("Envelope: got %v", err)
	}
	if len(remote.arrived) > 0 {
		t.Error("a stranger's request reached a cluster")
	}
}

func heartbeat(member string) *rpc.ForwardRequest {
	m := kmsg.NewPtrHeartbeatRequest()
	m.Version, m.Group, m.MemberID, m.Generation = 4, "g", member, 3
	return &rpc.ForwardRequest{
		Target:  rpc.Target{Kind: rpc.TargetGroup, Group: "g"},
		Client:  rpc.Client{Principal: "User:alice", ClientID: "app", Host: "/10.0.0.9", Listener: "PLAINTEXT"},
		Request: m,
	}
}

func TestEnvelopeCarriesRequestClientTargetAndOffset(t *testing.T) {
	for _, offset := range []int64{-1, 0, 1, 1 << 40} {
		arrived := make(chan *rpc.ForwardRequest, 1)
		c := dialTo(t, startNode(t, &cluster{forward: func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
			arrived <- req
			resp := req.Request.ResponseKind().(*kmsg.HeartbeatResponse)
			resp.ErrorCode = kerr.RebalanceInProgress.Code
			return &rpc.ForwardResponse{Response: resp, MetadataOffset: offset}, nil
		}}).address)
		sent := heartbeat("m1")
		if offset > 0 {
			sent.Sender = &rpc.Sender{Broker: 4, Epoch: offset}
		}
		resp, err := c.Forward(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		if resp.MetadataOffset != offset || resp.Response.(*kmsg.HeartbeatResponse).ErrorCode != kerr.RebalanceInProgress.Code {
			t.Errorf("got %+v at %d, want offset %d", resp.Response, resp.MetadataOffset, offset)
		}
		seen := <-arrived
		if seen.Target != sent.Target || seen.Client != sent.Client || !reflect.DeepEqual(seen.Sender, sent.Sender) {
			t.Errorf("arrived %+v, sent %+v", seen, sent)
		}
		if got := seen.Request.(*kmsg.HeartbeatRequest); got.MemberID != "m1" || got.Generation != 3 || got.Version != 4 {
			t.Errorf("arrived %+v", got)
		}
	}
}

func TestEveryVersionOfAForwardedRequestIsDecoded(t *testing.T) {
	c := dialTo(t, startNode(t, &cluster{forward: func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1}, nil
	}}).address)
	for _, key := range []kmsg.Key{kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.JoinGroup, kmsg.CreateTopics, kmsg.DeleteGroups, kmsg.IncrementalAlterConfigs} {
		req := kmsg.RequestForKey(key.Int16())
		for v := int16(0); v <= req.MaxVersion(); v++ {
			req.SetVersion(v)
			resp, err := c.Forward(t.Context(), &rpc.ForwardRequest{Request: req})
			if err != nil || resp.Response.GetVersion() != v {
				t.Errorf("%s version %d: %v", key.Name(), v, err)
			}
		}
	}
}

// What JoinGroup keeps (a member's metadata) must outlive the frame that it came in, which is used again at once.
func TestWhatACoordinatorKeepsIsItsOwn(t *testing.T) {
	kept := make(chan []byte, 20)
	c := dialTo(t, startNode(t, &cluster{forward: func(_ context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		kept <- req.Request.(*kmsg.JoinGroupRequest).Protocols[0].Metadata
		return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1}, nil
	}}).address)
	for i := range 20 {
		join := kmsg.NewPtrJoinGroupRequest()
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Metadata = fmt.Appendf(nil, "metadata %d", i)
		join.Protocols = append(join.Protocols, p)
		if _, err := c.Forward(t.Context(), &rpc.ForwardRequest{Request: join}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		if m := <-kept; string(m) != fmt.Sprintf("metadata %d", i) {
			t.Errorf("%d became %q", i, m)
		}
	}
}

func TestAParkedJoinGroupHoldsNothingUp(t *testing.T) {
	const parked = 300 // more than a client's connection may pipeline
	joined, release := make(chan struct{}, parked), make(chan struct{})
	c := dialTo(t, startNode(t, &cluster{forward: func(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		if _, ok := req.Request.(*kmsg.JoinGroupRequest); ok {
			joined <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1}, nil
	}}).address)
	var all sync.WaitGroup
	for range parked {
		all.Go(func() {
			if _, err := c.Forward(t.Context(), &rpc.ForwardRequest{Request: kmsg.NewPtrJoinGroupRequest()}); err != nil {
				t.Error(err)
			}
		})
	}
	for range parked {
		<-joined
	}
	for range 10 {
		if _, err := c.Forward(t.Context(), heartbeat("m")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	all.Wait()
}

func TestACutConnectionLeavesChangesUnknownAndRepeatsReads(t *testing.T) {
	for _, p := range append(privateCalls(), privateCall{name: "Envelope", changes: true, call: func(ctx context.Context, c rpc.MetadataCluster) (any, error) {
		return c.Forward(ctx, heartbeat("m"))
	}}) {
		t.Run(p.name, func(t *testing.T) {
			remote := &cluster{arrived: make(chan any, 10), hold: make(chan struct{})}
			remote.forward = func(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
				return answer(remote, ctx, req, &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1})
			}
			n := startNode(t, remote)
			c := dialTo(t, n.address)
			failed := make(chan error, 1)
			go func() {
				_, err := p.call(t.Context(), c)
				failed <- err
			}()
			<-remote.arrived
			n.cut()
			if !p.changes {
				<-remote.arrived // it is read again, over a new connection
				close(remote.hold)
			}
			err := <-failed
			if unknown := errors.Is(err, kafka.ErrUnknownOutcome); unknown != p.changes || !p.changes && err != nil {
				t.Errorf("got %v", err)
			}
			if p.changes {
				close(remote.hold)
			}
			if _, err := p.call(t.Context(), c); err != nil { // dials anew
				t.Errorf("after the cut: %v", err)
			}
		})
	}
}

func TestADeadlineLeavesAChangeUnknown(t *testing.T) {
	remote := &cluster{arrived: make(chan any, 2), hold: make(chan struct{})}
	c := dialTo(t, startNode(t, remote).address)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go func() {
		<-remote.arrived
		cancel(enough)
	}()
	if _, err := c.CommitObjects(ctx, &rpc.CommitObjectsRequest{}); !errors.Is(err, kafka.ErrUnknownOutcome) || !errors.Is(err, enough) {
		t.Errorf("a change: got %v", err)
	}
	if _, err := c.CommitObjects(ctx, &rpc.CommitObjectsRequest{}); errors.Is(err, kafka.ErrUnknownOutcome) || !errors.Is(err, enough) {
		t.Errorf("a change that was never sent: got %v", err)
	}
	if len(remote.arrived) > 0 {
		t.Error("it was sent")
	}
	close(remote.hold)
	if _, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{}); err != nil {
		t.Errorf("the connection is still good: %v", err)
	}
}

func TestTheNextAddressIsTriedAndAGoodOneKept(t *testing.T) {
	a, b := startNode(t, &cluster{}), startNode(t, &cluster{})
	c := dialTo(t, a.address, b.address)
	ask := func() error {
		_, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
		return err
	}
	served := func(n *node) int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.conns)
	}
	for range 3 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if served(a) != 1 || served(b) != 0 {
		t.Fatalf("%d and %d connections, want one, to the first", served(a), served(b))
	}
	a.stop()
	if err := ask(); err != nil || served(b) != 1 {
		t.Fatalf("%v, %d connections to the second", err, served(b))
	}
	if err := ask(); err != nil || served(b) != 1 {
		t.Fatalf("%v, %d connections to the second", err, served(b))
	}
	b.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.DescribeCluster(ctx, &rpc.DescribeClusterRequest{}); !errors.Is(err, kerr.CoordinatorNotAvailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("both are gone: got %v", err)
	}
}

func TestAnOversizedAnswerEndsTheConnectionNotTheProcess(t *testing.T) {
	for _, size := range []uint32{300 << 20, 1<<32 - 1, 3} {
		address := rawNode(t, func(nc net.Conn) {
			frame, err := readRequest(nc)
			if err != nil {
				return
			}
			_, _ = nc.Write(append(binary.BigEndian.AppendUint32(nil, size), frame[4:8]...))
			_, _ = readFrame(nc) // until the client closes
		})
		c := dialTo(t, address)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := c.FindSegments(ctx, &rpc.FindSegmentsRequest{}); !errors.Is(err, kerr.CoordinatorNotAvailable) || !strings.Contains(err.Error(), "an answer of") {
			t.Errorf("size %d: got %v", size, err)
		}
		if _, err := c.CommitObjects(t.Context(), &rpc.CommitObjectsRequest{}); !errors.Is(err, kafka.ErrUnknownOutcome) {
			t.Errorf("size %d: got %v", size, err)
		}
	}
}

func TestGarbageAnswersAreErrors(t *testing.T) {
	address := rawNode(t, func(nc net.Conn) {
		for {
			frame, err := readRequest(nc)
			if err != nil {
				return
			}
			body := append(frame[4:8:8], 0xff, 0xff, 0xff, 0xff, 0xff)
			_, _ = nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
		}
	})
	c := dialTo(t, address)
	for _, p := range privateCalls() {
		if _, err := p.call(t.Context(), c); err == nil {
			t.Errorf("%s took garbage for an answer", p.name)
		}
	}
	if _, err := c.Forward(t.Context(), heartbeat("m")); err == nil {
		t.Error("Envelope took garbage for an answer")
	}
}

func TestMalformedEnvelopesAreRefused(t *testing.T) {
	n := startNode(t, &cluster{forward: func(context.Context, *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
		t.Error("a malformed request was forwarded")
		return nil, kerr.UnknownServerError
	}})
	for name, tc := range map[string]struct {
		data, principal, target []byte
		want                    *kerr.Error
	}{
		"empty":           {nil, nil, nil, kerr.InvalidRequest},
		"short":           {[]byte{0, 12}, nil, nil, kerr.InvalidRequest},
		"unknown key":     {[]byte{0x4e, 0x20, 0, 0}, nil, nil, kerr.UnsupportedVersion},
		"unknown version": {[]byte{0, 12, 0, 99}, nil, nil, kerr.UnsupportedVersion},
		"cut":             {[]byte{0, 12, 0, 4, 1}, nil, nil, kerr.InvalidRequest},
		"principal":       {[]byte{0, 12, 0, 0}, []byte{0xff}, nil, kerr.PrincipalDeserializationFailure},
		"target":          {[]byte{0, 12, 0, 0}, nil, []byte{0xff}, kerr.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", n.address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			req := kmsg.NewPtrEnvelopeRequest()
			req.RequestData, req.RequestPrincipal = tc.data, tc.principal
			req.UnknownTags.Set(rpc.EnvelopeTargetTag, tc.target)
			if _, err := nc.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
				t.Fatal(err)
			}
			frame, err := readFrame(nc)
			if err != nil {
				t.Fatal(err)
			}
			resp := req.ResponseKind().(*kmsg.EnvelopeResponse)
			if err := resp.ReadFrom(frame[5:]); err != nil {
				t.Fatal(err)
			}
			if resp.ErrorCode != tc.want.Code {
				t.Errorf("got %v, want %v", kerr.ErrorForCode(resp.ErrorCode), tc.want)
			}
		})
	}
}

func TestCloseAnswersCallsInFlight(t *testing.T) {
	remote := &cluster{arrived: make(chan any, 2), hold: make(chan struct{})}
	c := dialTo(t, startNode(t, remote).address)
	failed := make(chan error, 2)
	go func() {
		_, err := c.CommitObjects(t.Context(), &rpc.CommitObjectsRequest{})
		failed <- err
	}()
	<-remote.arrived
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, kafka.ErrUnknownOutcome) || !errors.Is(err, kafka.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{}); !errors.Is(err, kafka.ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
}

func TestCloseEndsDialling(t *testing.T) {
	dialling := make(chan struct{})
	c := client.New(client.Config{Addresses: []string{"x:1"}, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	failed := make(chan error, 1)
	go func() {
		_, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
		failed <- err
	}()
	<-dialling
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, kafka.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestConfigNamesEveryMistake(t *testing.T) {
	err := (&client.Config{Addresses: []string{"nowhere"}, Password: "x", Timeout: -1}).Validate()
	for _, want := range []string{`"nowhere" is no host:port`, "Dial is not set", "a password without", "-1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
