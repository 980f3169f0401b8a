package sim

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// The log of one of three nodes is damaged while it is down. The node is lost until nothing is placed on it, then comes back by itself under its id; what was decided before is still there when
// of the two others one is gone.
func TestANodeThatLostItsLogComesBack(t *testing.T) {
	for id := range int32(lostNodes) {
		t.Run(fmt.Sprint("node", id+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, ctx, admin := worldWithClusters(t, false, 5)
				n := w.nodes[id]
				n.joinOnce = true // it has written down where the others are
				loseLog(t, n)
				if err := w.untilNode(ctx, admin, n.id, "is lost", func(d *rpc.NodeDescription) bool { return d.State == "lost" }); err != nil {
					t.Fatalf("%v\n%s", err, w.trace.Last(30))
				}
				makeClusters(ctx, t, admin, 5, 7)
				if err := w.untilBack(ctx, admin, n); err != nil {
					t.Fatalf("%v\n%s", err, w.trace.Last(30))
				}
				w.nodes[(id+1)%3].kill(true, 0)
				makeClusters(ctx, t, admin, 7, 9) // with the node that is back
				list, err := admin.ListClusters(ctx, &rpc.ListClustersRequest{})
				if err != nil || len(list.Clusters) != 9 {
					t.Fatalf("%+v %v", list, err)
				}
			})
		})
	}
}

// A node that only follows __cluster_metadata, since it joined later or is drained, loses its log. No placement says that the group has it as a member.
func TestALearnerThatLostItsLogComesBack(t *testing.T) {
	for _, state := range []string{"active", "draining"} {
		t.Run(state, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, ctx, admin := worldWithClusters(t, true, 2)
				n := w.guest
				n.start()
				is := func(want string) func(*rpc.NodeDescription) bool {
					return func(d *rpc.NodeDescription) bool {
						node := n.node.Load()
						return d.State == want && (want != state || d.Alive && d.Arriving == 0 && d.Leaving == 0 && node != nil && node.Ready() == nil)
					}
				}
				until := func(what, want string) {
					t.Helper()
					if err := w.untilNode(ctx, admin, n.id, what, is(want)); err != nil {
						t.Fatalf("%v\n%s", err, w.trace.Last(30))
					}
				}
				if state == "draining" {
					if err := w.setNode(ctx, admin, rpc.NodeDrain, n.id); err != nil {
						t.Fatal(err)
					}
				}
				until("has joined", state)
				loseLog(t, n)
				until("is lost", map[string]string{"active": "lost", "draining": "draining, lost"}[state])
				until("is back", state)
			})
		})
	}
}

// A node that is about to say that it lost its log, or to begin a new one, dies at each write of that.
func TestANodeThatLostItsLogDiesAgain(t *testing.T) {
	for nth := 1; nth <= 45; nth += writesBetween {
		t.Run(fmt.Sprint("write", nth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, ctx, admin := worldWithClusters(t, false, 5)
				n := w.nodes[2]
				died := false
				loseLogAnd(t, n, func() {
					n.disk.crashAtWrite(nth, func() {
						died = true
						n.kill(true, []int{0, 100}[nth%2])
						w.running.Go(n.start)
					})
				})
				if err := w.untilBack(ctx, admin, n); err != nil {
					t.Fatalf("%v\n%s", err, w.trace.Last(30))
				}
				if !died {
					t.Fatal("it did not die")
				}
				w.nodes[0].kill(true, 0)
				makeClusters(ctx, t, admin, 5, 6)
			})
		})
	}
}

// worldWithClusters has so many clusters, and every node has its replicas.
func worldWithClusters(t *testing.T, guest bool, clusters int) (*World, context.Context, *client.AdminClient) {
	t.Helper()
	w, ctx := smallWorld(t, 1, guest)
	admin := w.newAdmin()
	t.Cleanup(func() { _ = admin.Close() })
	makeClusters(ctx, t, admin, 0, clusters)
	for _, n := range w.nodes {
		if err := w.untilBack(ctx, admin, n); err != nil {
			t.Fatal(err)
		}
	}
	return w, ctx, admin
}

func makeClusters(ctx context.Context, t *testing.T, admin *client.AdminClient, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		for {
			_, err := admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: kafka.ClusterID(fmt.Sprint("c", i))})
			if err == nil {
				break
			}
			if sleep(ctx, time.Second/2) != nil {
				t.Fatalf("cluster %d is not made: %v", i, err)
			}
		}
	}
}

func loseLog(t *testing.T, n *metadataNode) { loseLogAnd(t, n, func() {}) }

func loseLogAnd(t *testing.T, n *metadataNode, before func()) {
	t.Helper()
	n.kill(true, 0)
	n.whileDown(func() {
		damaged, err := n.damageLog(n.w.source.Rand("damage"))
		if err != nil || !damaged {
			t.Fatalf("damaged %v: %v", damaged, err)
		}
		before()
	})
}
