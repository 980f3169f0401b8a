package sim

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/inkwell-project/inkwell/rpc"
)

// One of three nodes is away. Of the two that are left neither may be replaced by force, for it is half of what is left of every partition; when all are back, one may.
func TestForceDoesNotCostAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx, admin := worldWithGuest(t)
		// The partitions of c are on nodes 1, 2 and 3: the guest came later.
		w.nodes[2].kill(true, 0)
		if err := w.untilNode(ctx, admin, 3, "is away", func(n *rpc.NodeDescription) bool { return !n.Alive }); err != nil {
			t.Fatal(err)
		}
		replace := &rpc.SetNodeRequest{Action: rpc.NodeReplace, Node: 2, By: w.guest.id, Force: true}
		_, err := admin.SetNode(ctx, replace)
		if err == nil || !strings.Contains(err.Error(), "without a majority") || !strings.Contains(err.Error(), "of which without it only [1") {
			t.Fatalf("it was not refused: %v", err)
		}
		w.nodes[2].start()
		if err := w.replace(ctx, admin, w.nodes[1], true); err != nil {
			t.Fatalf("with all nodes there: %v", err)
		}
	})
}
