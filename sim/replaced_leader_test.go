package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// A node that lives and leads is replaced by force. It is no voter of __cluster_metadata any more before its other replicas move, and only it can hand over what it leads: it must go
// on hearing where that is to go.
func TestReplacedLeaderHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx, admin := worldWithGuest(t)
		leader := leaderBesideController(ctx, t, admin, w.guest.id)
		if err := w.replace(ctx, admin, w.nodes[leader-1], true); err != nil {
			t.Fatal(err)
		}
		if err := w.untilNode(ctx, admin, leader, "is replaced", func(n *rpc.NodeDescription) bool { return n.Replicas == 0 && n.Leads == 0 }); err != nil {
			t.Fatal(err)
		}
	})
}

// leaderBesideController waits until a node that is not the controller leads more than one partition and nothing moves.
func leaderBesideController(ctx context.Context, t *testing.T, admin *client.AdminClient, but int32) int32 {
	t.Helper()
	for {
		list, err := admin.ListNodes(ctx, &rpc.ListNodesRequest{})
		if err == nil && len(list.Moves) == 0 {
			for i := range list.Nodes {
				if n := &list.Nodes[i]; n.ID != list.Controller && n.ID != but && n.Leads > 1 {
					return n.ID
				}
			}
		}
		if sleep(ctx, time.Second) != nil {
			t.Fatalf("no node besides the controller leads: %+v %v", list, err)
		}
	}
}
