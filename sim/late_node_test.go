package sim

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// smallWorld has three metadata nodes and nothing else that runs.
func smallWorld(t *testing.T, seed uint64, guest bool) (*World, context.Context) {
	plan := Plan{
		Seed: seed, MetadataNodes: 3, Guest: guest, Latency: 2 * time.Millisecond, GiveUp: 30 * time.Second,
		CompactEntries: 320, KeepEntries: 20, HashEntries: 80, SegmentBytes: 16 << 10,
	}
	w := &World{plan: plan, source: Source{plan.Seed}, trace: NewTrace(nil), history: NewHistory()}
	restore := w.source.seedCryptoRand()
	w.net = newNetwork(w.source, w.trace, plan.Latency, plan.GiveUp)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(func() {
		cancel()
		w.ending.Store(true)
		w.end()
		w.running.Wait()
		restore()
	})
	if err := w.build(ctx); err != nil {
		t.Fatal(err)
	}
	return w, ctx
}

// A node was away while a cluster was made and another one's password changed. When it starts again it must not take their brokers for liars until it has heard of that:
// a broker that knows no other node would end.
func TestANodeThatWasAwayRefusesNoPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := smallWorld(t, 1, false)
		admin := w.newAdmin()
		defer admin.Close()
		if _, err := admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: "old"}); err != nil {
			t.Fatal(err)
		}
		late := w.nodes[2]
		late.kill(true, 0)
		made, err := admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: "new"})
		if err != nil {
			t.Fatal(err)
		}
		rotated, err := admin.RotateCredential(ctx, &rpc.RotateCredentialRequest{Name: "old"})
		if err != nil {
			t.Fatal(err)
		}
		login := func(cluster kafka.ClusterID, password string) <-chan error {
			c := client.New(client.Config{
				Addresses: []string{late.address()}, Cluster: cluster, Password: password, Dial: w.net.Dialer("broker of "+string(cluster), func() bool { return true }), Logger: slog.New(slog.DiscardHandler),
			})
			done := make(chan error, 1)
			go func() {
				defer c.Close()
				_, err := c.DescribeCluster(ctx, &rpc.DescribeClusterRequest{})
				done <- err
			}()
			return done
		}
		late.start()
		if err := late.awaitServing(ctx); err != nil {
			t.Fatal(err)
		}
		for name, done := range map[string]<-chan error{"a new cluster": login("new", made.Password), "a new password": login("old", rotated.Password)} {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// worldWithGuest has a cluster c on its first three nodes, and a fourth that came later.
func worldWithGuest(t *testing.T) (*World, context.Context, *client.AdminClient) {
	t.Helper()
	w, ctx := smallWorld(t, 1, true)
	admin := w.newAdmin()
	t.Cleanup(func() { _ = admin.Close() })
	if _, err := admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: "c"}); err != nil {
		t.Fatal(err)
	}
	w.guest.start()
	if err := w.untilNode(ctx, admin, w.guest.id, "has joined", func(n *rpc.NodeDescription) bool { return n.Alive }); err != nil {
		t.Fatal(err)
	}
	return w, ctx, admin
}
