package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
)

// coordinates are those of all partitions that a node leads the coordinators of; with whole all of them must be told.
func coordinates(ctx context.Context, calls rpc.MetadataCluster, coordinators int32, whole bool) (told int, all []rpc.PartitionCoordinates, err error) {
	for c := range coordinators {
		req := &rpc.DescribeCoordinatesRequest{Coordinator: c, MaxCoordinates: 10_000}
		for more := true; more; {
			resp, err := calls.DescribeCoordinates(ctx, req)
			if err != nil {
				if whole {
					return told, nil, err
				}
				break // another node leads it
			}
			all = append(all, resp.Partitions...)
			if more = resp.More && len(resp.Partitions) > 0; more {
				last := resp.Partitions[len(resp.Partitions)-1].Partition
				req.From, req.Offset = last, 0
				req.From.Partition++
			} else {
				told++
			}
		}
	}
	return told, all, nil
}

// checkPartition holds coordinates against the store: they are without gaps, and point into objects that were not deleted before they were read.
func (w *World) checkPartition(c *cluster, p rpc.PartitionCoordinates, deletionsBefore int) error {
	next := int64(-1)
	for _, at := range p.Coordinates {
		key := at.Object.Key(c.name)
		if c.memory.deletedBefore(key, deletionsBefore) {
			return fmt.Errorf("dangling: offsets %d to %d of %s of %s are in %s, which was deleted", at.BaseOffset, at.LastOffset, p.Partition, c.name, key)
		}
		if size, ok := c.memory.size(key); ok && at.Position+int64(at.Bytes) > size {
			return fmt.Errorf("dangling: offsets %d to %d of %s of %s end at byte %d of %s, which has %d", at.BaseOffset, at.LastOffset, p.Partition, c.name, at.Position+int64(at.Bytes), key, size)
		}
		if next >= 0 && at.BaseOffset != next {
			return fmt.Errorf("coordinates of %s of %s are not dense: offset %d follows %d", p.Partition, c.name, at.BaseOffset, next-1)
		}
		next = at.LastOffset + 1
	}
	switch {
	case p.Deleting || !p.Complete:
	case next < 0 && p.LogStartOffset < p.HighWatermark:
		return fmt.Errorf("%s of %s has offsets %d to %d and no coordinates", p.Partition, c.name, p.LogStartOffset, p.HighWatermark-1)
	case next >= 0 && (next != p.HighWatermark || p.Coordinates[0].BaseOffset > p.LogStartOffset):
		return fmt.Errorf("coordinates of %s of %s reach from %d to %d, its offsets from %d to %d", p.Partition, c.name, p.Coordinates[0].BaseOffset, next-1, p.LogStartOffset, p.HighWatermark-1)
	}
	return nil
}

// auditFor is how long leftovers may stay, in virtual time: every round of sweeps and every back-off fits.
const auditFor = 15 * time.Minute

// endEpochs kills every broker and starts it again. What a broker uploaded and could not commit stays while its epoch lives, and is swept when that is over.
func (w *World) endEpochs() {
	for _, p := range w.allProcesses() {
		if p.isBroker() {
			p.kill(false, 0)
			p.start()
		}
	}
}

// audit waits until the stores have exactly the objects that coordinates point at: no orphans and nothing dangling.
func (w *World) audit(r *Result) {
	w.endEpochs()
	ctx, cancel := context.WithTimeoutCause(context.Background(), auditFor, errors.New("took too long"))
	defer cancel()
	for _, cl := range w.clusters {
		for {
			want, err := w.referenced(ctx, cl)
			var got []string
			if err == nil {
				got, err = w.objects(cl)
			}
			orphans, dangling := without(got, want), without(want, got)
			if err == nil && len(dangling) > 0 {
				w.violation("dangling: coordinates of %s point at %v, which are not in its store", cl.name, dangling)
				return
			}
			if err == nil && len(orphans) == 0 {
				r.Objects += len(got)
				break
			}
			if sleep(ctx, 2*time.Second) != nil {
				w.violation("orphans: after %s nothing refers to %d of the %d objects of %s, such as %v (%v)", auditFor, len(orphans), len(got), cl.name, orphans[:min(3, len(orphans))], err)
				return
			}
		}
	}
}

// without is what is in a and not in b.
func without(a, b []string) []string {
	has := map[string]bool{}
	for _, s := range b {
		has[s] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return has[s] })
}

// referenced are the keys that the coordinates of a cluster point at, asked where each coordinator is led.
func (w *World) referenced(ctx context.Context, cl *cluster) (keys []string, err error) {
	told := 0
	var all []rpc.PartitionCoordinates
	before := cl.memory.deletions()
	for _, n := range w.everyNode() {
		node := n.node.Load()
		if node == nil {
			continue
		}
		calls, err := node.Cluster(cl.name)
		if err != nil {
			continue // not here
		}
		here, found, err := coordinates(ctx, calls, w.plan.BatchCoordinator, false)
		if err != nil {
			return nil, err
		}
		told += here
		all = append(all, found...)
	}
	if told != int(w.plan.BatchCoordinator) {
		return nil, fmt.Errorf("%d of %d coordinators are led", told, w.plan.BatchCoordinator)
	}
	for _, p := range all {
		if err := w.check(w.checkPartition(cl, p, before)); err != nil {
			return nil, err
		}
		for _, at := range p.Coordinates {
			keys = append(keys, at.Object.Key(cl.name))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// everyNode has the guest, too.
func (w *World) everyNode() []*metadataNode {
	if w.guest != nil {
		return append(slices.Clone(w.nodes), w.guest)
	}
	return w.nodes
}

// compareStates says how many states of replicas of one group at one index there are. Each pair is the same.
func (w *World) compareStates() (same int) {
	at := map[raftlog.StateHash]int{}
	for _, n := range w.everyNode() {
		node := n.node.Load()
		if node == nil {
			continue
		}
		hashes, err := node.StateHashes()
		if err != nil {
			continue // it is ending
		}
		for _, h := range hashes {
			if w.checkState(h, n.host) != nil {
				return same
			}
			if at[h]++; at[h] > 1 {
				same++
			}
		}
	}
	return same
}

// objects are the keys of a cluster in its store.
func (w *World) objects(cl *cluster) (keys []string, err error) {
	infos, err := cl.memory.List(context.Background(), string(cl.name)+"/", "", 1<<20)
	if err != nil {
		return nil, fmt.Errorf("listing: %w", err)
	}
	for _, i := range infos {
		keys = append(keys, i.Key)
	}
	return keys, nil
}
