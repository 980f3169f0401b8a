package sim

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A node is let in, and dies before the first entry of __cluster_metadata reaches it. Its folder names the cluster and no other node. It must take the leader's stream
// all the same, for nothing else will ever tell it who the others are.
func TestAJoinerThatDiesBeforeItsFirstEntryIsFedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := Plan{
			Seed: 1, MetadataNodes: 3, Guest: true, Latency: 2 * time.Millisecond, GiveUp: 30 * time.Second,
			CompactEntries: 320, KeepEntries: 20, HashEntries: 80, SegmentBytes: 16 << 10,
		}
		w := &World{plan: plan, source: Source{plan.Seed}, trace: NewTrace(nil), history: NewHistory()}
		defer w.source.seedCryptoRand()()
		w.net = newNetwork(w.source, w.trace, plan.Latency, plan.GiveUp)
		defer func() {
			w.ending.Store(true)
			w.end()
			w.running.Wait()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.build(ctx); err != nil {
			t.Fatal(err)
		}
		w.guest.start()
		if err := w.guest.awaitServing(ctx); err != nil {
			t.Fatal(err)
		}
		if err := w.guest.node.Load().Ready(); err == nil || !strings.Contains(err.Error(), "no leader") {
			t.Fatalf("the node was to die before it heard of a leader: %v", err)
		}
		w.guest.kill(false, 100)
		w.guest.start()
		if err := w.guest.awaitServing(ctx); err != nil {
			t.Fatal(err)
		}
		for {
			err := w.guest.node.Load().Ready()
			if err == nil {
				return
			}
			if sleep(ctx, 100*time.Millisecond) != nil {
				t.Fatalf("a minute later: %v\n%s", err, w.trace.Last(10))
			}
		}
	})
}
