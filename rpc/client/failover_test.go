package client_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const groups = 4 // partitions of __consumer_offsets

func groupPartition(id string) int32 { return kafka.PartitionFor(id, groups) }

// threeNodes have the controller on node 1, batch coordinators 0 to 2 on nodes 1 to 3 and all groups on node 3.
func threeNodes(t *testing.T) *world {
	w := newWorld(t, 3)
	w.elect(rpc.TargetController, 0, 1)
	for p := range int32(3) {
		w.elect(rpc.TargetBatchCoordinator, p, p+1)
	}
	for p := range int32(groups) {
		w.elect(rpc.TargetGroupPartition, p, 3)
	}
	return w
}

func commit(ctx context.Context, c *client.Client, coordinator int32) error {
	_, err := c.CommitObjects(ctx, &rpc.CommitObjectsRequest{Coordinator: coordinator})
	return err
}

func find(ctx context.Context, c *client.Client, coordinator int32) error {
	_, err := c.FindSegments(ctx, &rpc.FindSegmentsRequest{Coordinator: coordinator})
	return err
}

func beat(ctx context.Context, c *client.Client, group string) error {
	m := kmsg.NewPtrHeartbeatRequest()
	m.Version, m.Group = 4, group
	_, err := c.Forward(ctx, &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetGroup, Group: group}, Request: m})
	return err
}

func wantDone(t *testing.T, w *world, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.executed()); diff != "" {
		t.Errorf("executed (-want +got):\n%s", diff)
	}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestCallsGoToTheirLeadersOverOneConnectionEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n2:1")
		for range 3 {
			ok(t, commit(t.Context(), c, 0), commit(t.Context(), c, 1), find(t.Context(), c, 2), beat(t.Context(), c, "g"))
			wantDone(t, w, "n1: commit to 0", "n2: commit to 1", "n3: find in 2", "n3: Heartbeat")
		}
		synctest.Wait()
		if diff := cmp.Diff(map[string]int{"n1:1": 1, "n2:1": 1, "n3:1": 1}, w.connections()); diff != "" {
			t.Errorf("connections (-want +got):\n%s", diff)
		}
	})
}

// A transfer of leadership costs one more hop and no time.
func TestHintsAreFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n1:1")
		ok(t, commit(t.Context(), c, 0), beat(t.Context(), c, "g"))
		w.executed()
		w.elect(rpc.TargetBatchCoordinator, 0, 3)
		w.elect(rpc.TargetGroupPartition, groupPartition("g"), 2)
		before := time.Now()
		ok(t, commit(t.Context(), c, 0), beat(t.Context(), c, "g"))
		if took := time.Since(before); took != 0 {
			t.Errorf("it took %s", took)
		}
		wantDone(t, w, "n3: commit to 0", "n2: Heartbeat")
	})
}

// The leader of everything is killed, twice; a second and a half later another leads. Nobody notices but by waiting.
func TestAKilledLeaderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n1:1", "n2:1", "n3:1")
		for _, step := range []struct{ dies, next int32 }{{1, 2}, {2, 3}} {
			w.elect(rpc.TargetBatchCoordinator, 0, step.dies)
			w.elect(rpc.TargetGroupPartition, groupPartition("g"), step.dies)
			ok(t, commit(t.Context(), c, 0), find(t.Context(), c, 0), beat(t.Context(), c, "g"))
			w.executed()
			w.node(step.dies).kill()
			time.AfterFunc(1500*time.Millisecond, func() {
				w.elect(rpc.TargetBatchCoordinator, 0, step.next)
				w.elect(rpc.TargetGroupPartition, groupPartition("g"), step.next)
			})
			before := time.Now()
			results := make(chan error, 3)
			go func() { results <- commit(t.Context(), c, 0) }()
			go func() { results <- find(t.Context(), c, 0) }()
			go func() { results <- beat(t.Context(), c, "g") }()
			ok(t, <-results, <-results, <-results)
			if took := time.Since(before); took < 1500*time.Millisecond || took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			if n := len(w.executed()); n != 3 {
				t.Errorf("%d calls were executed, want 3", n)
			}
			w.node(step.dies).start()
		}
	})
}

// The answer to a commit that was sent is lost with the connection: nobody knows what became of it. A read is made again.
func TestALeaderThatIsKilledWithCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n2:1")
		ok(t, commit(t.Context(), c, 0))
		n := w.node(1)
		n.mu.Lock()
		n.silent = make(chan struct{})
		n.mu.Unlock()
		committed, found := make(chan error, 1), make(chan error, 1)
		go func() { committed <- commit(t.Context(), c, 0) }()
		go func() { found <- find(t.Context(), c, 0) }()
		synctest.Wait()
		n.kill()
		if err := <-committed; !errors.Is(err, kafka.ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
		w.elect(rpc.TargetBatchCoordinator, 0, 2)
		ok(t, <-found, commit(t.Context(), c, 0))
	})
}

// A paused process keeps its sockets open. It is given up when it has answered nothing for SilentTimeout.
func TestASilentLeaderIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n2:1")
		ok(t, commit(t.Context(), c, 0))
		n := w.node(1)
		n.mu.Lock()
		n.silent = make(chan struct{})
		n.mu.Unlock()
		time.AfterFunc(1500*time.Millisecond, func() { w.elect(rpc.TargetBatchCoordinator, 0, 3) })
		before := time.Now()
		err := commit(t.Context(), c, 0)
		if !errors.Is(err, kafka.ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
		ok(t, commit(t.Context(), c, 0))
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		close(n.silent)
	})
}

// A long poll is no sign of a dead node, however long it takes.
func TestParkedCallsAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n1:1")
		_, err := c.FollowTopic(t.Context(), &rpc.FollowTopicRequest{Topic: rpc.MetadataTopic, MaxWaitMillis: 5 * 60 * 1000})
		ok(t, err)
		wantDone(t, w, "n1: follow")
		if n := w.connections()["n1:1"]; n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// Addresses where nobody answers cost little, at the start and later.
func TestDeadAddressesArePassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		w.node(3).kill()
		c := w.client("nowhere:1", "n3:1", "n2:1")
		before := time.Now()
		_, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
		ok(t, err, commit(t.Context(), c, 0))
		if took := time.Since(before); took > 3*time.Second {
			t.Errorf("the first calls took %s", took)
		}
		before = time.Now()
		for range 100 {
			_, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
			ok(t, err, commit(t.Context(), c, 1))
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("the next ones took %s", took)
		}
	})
}

// The whole cluster goes away and comes back.
func TestCallsWaitForTheClusterToReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := w.client("n1:1", "n2:1", "n3:1")
		ok(t, commit(t.Context(), c, 0))
		w.executed()
		for id := int32(1); id <= 3; id++ {
			w.node(id).kill()
		}
		patient, hasty := make(chan error, 1), make(chan error, 1)
		go func() { patient <- commit(t.Context(), c, 0) }()
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			hasty <- find(ctx, c, 0)
		}()
		if err := <-hasty; !errors.Is(err, kerr.CoordinatorNotAvailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(20 * time.Second)
		for id := int32(1); id <= 3; id++ {
			w.node(id).start()
		}
		ok(t, <-patient)
		wantDone(t, w, "n1: commit to 0")
	})
}

// A node that knows no leader, as one that just started, does not hide what the others know.
func TestANodeThatKnowsNothingIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		w.node(2).blind = true
		c := w.client("n2:1")
		ok(t, commit(t.Context(), c, 0), commit(t.Context(), c, 2), commit(t.Context(), c, 1))
		wantDone(t, w, "n1: commit to 0", "n3: commit to 2", "n2: commit to 1")
	})
}
