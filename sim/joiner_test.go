package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A node is let in, and dies before the first entry of __cluster_metadata reaches it. Its folder names the cluster and no other node. It must take the leader's stream
// all the same, for nothing else will ever tell it who the others are.
func TestAJoinerThatDiesBeforeItsFirstEntryIsFedLater(t *testing.T) { joinerDies(t, false) }

// The same without --join at the second start: the folder remembers who let it in.
func TestAJoinerRemembersWhoLetItIn(t *testing.T) { joinerDies(t, true) }

func joinerDies(t *testing.T, joinOnce bool) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := smallWorld(t, 1, true)
		w.guest.joinOnce = joinOnce
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
