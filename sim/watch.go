package sim

import (
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/rpc"
)

// watchPause is the time between two looks at what a node knows.
const watchPause = 200 * time.Millisecond

// watch looks at what a node knows while it runs: who leads, the hashes of its states, and what its coordinates point at.
func (i *incarnation) watch(node *metadata.Node) {
	w := i.p.w
	w.running.Go(func() {
		for looks := 0; sleep(i.ctx, watchPause) == nil; looks++ {
			for _, c := range w.clusters {
				if calls, err := node.Cluster(c.name); err == nil { // or it is not here yet
					i.watchLeaders(c, calls)
					if looks%4 == 0 {
						i.watchCoordinates(c, calls)
					}
				}
			}
			if looks%5 == 0 {
				i.watchHashes(node)
			}
		}
	})
}

func (i *incarnation) watchLeaders(c *cluster, calls rpc.MetadataCluster) {
	resp, err := calls.FindLeaders(i.ctx, &rpc.FindLeadersRequest{})
	if err != nil {
		return
	}
	for _, l := range resp.Leaders {
		if l.Node > 0 && i.alive() {
			i.p.w.check(i.p.w.history.Leads(fmt.Sprintf("%s/%d/%d", c.name, l.Kind, l.Partition), l.Term, l.Node))
		}
	}
}

// watchHashes: replicas that applied the same index have the same state.
func (i *incarnation) watchHashes(node *metadata.Node) {
	hashes, err := node.StateHashes()
	if err != nil || !i.alive() {
		return // it is ending
	}
	for _, h := range hashes {
		_ = i.p.w.checkState(h, i.name()) // it is recorded
	}
}

// watchCoordinates: no coordinate points at an object that was deleted before.
func (i *incarnation) watchCoordinates(c *cluster, calls rpc.MetadataCluster) {
	before := c.memory.deletions()
	_, all, err := coordinates(i.ctx, calls, i.p.w.plan.BatchCoordinator, false)
	if err != nil || !i.alive() {
		return
	}
	for _, p := range all {
		i.p.w.check(i.p.w.checkPartition(c, p, before))
	}
}
