package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore/pebblestoretest"
)

// damageReplicas damages the state of a group on a node, again and again, until ctx ends: on another node only when all of the one before is well.
func (w *World) damageReplicas(ctx context.Context) {
	r := w.source.Rand("damage")
	for sleep(ctx, time.Duration(r.Int64N(int64(4*time.Second)))) == nil {
		n := w.nodes[r.IntN(len(w.nodes))]
		var group uint64
		var err error
		n.whileDown(func() { group, err = n.damage(r, w.plan.Damage) })
		if err != nil {
			w.violation("a state could not be damaged: %v", err)
			return
		}
		if group != 0 && w.untilWell(ctx, n, group) != nil {
			return // the end shows it
		}
	}
}

// whileDown stops a process, calls fn, and starts it. Nobody else starts it meanwhile.
func (p *process) whileDown(fn func()) {
	for held := false; !held; {
		p.stop()
		p.mu.Lock()
		if held = p.current == nil && !p.stopping; held {
			p.stopping = true
		}
		p.mu.Unlock()
		if !held {
			time.Sleep(time.Millisecond)
		}
	}
	fn()
	p.mu.Lock()
	p.stopping = false
	p.mu.Unlock()
	p.start()
}

// allWell waits until every node has a sound replica of each group that any has one of.
func (w *World) allWell(ctx context.Context) {
	groups := map[uint64]bool{}
	for _, n := range w.nodes {
		if node := n.node.Load(); node != nil {
			hashes, _ := node.StateHashes() // none: it is ending
			for _, h := range hashes {
				groups[h.Group] = true
			}
		}
	}
	for group := range groups {
		for _, n := range w.nodes {
			if err := w.untilWell(ctx, n, group); err != nil {
				why := errors.New("it is down")
				if node := n.node.Load(); node != nil {
					why = node.Ready()
				}
				w.violation("no progress: %s after the last fault %s has no sound replica of group %d: %v", w.plan.Settle, n.host, group, why)
				return
			}
		}
	}
}

// damage does it to one of the groups on a node that is stopped. It returns 0 if there is none yet.
func (n *metadataNode) damage(r *rand.Rand, kind pebblestoretest.Kind) (group uint64, err error) {
	group, err = pebblestoretest.Damage(n.disk.fs(), filepath.Join(dataDir, "state"), r, kind, func(group uint64) bool {
		return group >= state.ClusterMetadataGroup && group <= state.OwnOffsetsGroup
	})
	if group == 0 || err != nil {
		return 0, err
	}
	n.w.trace.Add("DAMAGE", n.host, fmt.Sprintf("group %d, kind %d", group, kind))
	n.w.damaged.Add(1)
	if kind == pebblestoretest.AnotherValue {
		n.w.differ.Store(group, true)
	}
	return group, nil
}

// untilWell returns when the node serves, rebuilds nothing, and its state of the group is that of another node at the same index.
func (w *World) untilWell(ctx context.Context, n *metadataNode, group uint64) error {
	for {
		if sleep(ctx, 200*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
		if node := n.node.Load(); node == nil || node.Ready() != nil {
			continue
		}
		own, ok := n.stateHash(group)
		if !ok {
			continue
		}
		for _, other := range w.nodes {
			if h, ok := other.stateHash(group); other != n && ok && h == own {
				return nil
			}
		}
	}
}

func (n *metadataNode) stateHash(group uint64) (raftlog.StateHash, bool) {
	node := n.node.Load()
	if node == nil {
		return raftlog.StateHash{}, false
	}
	hashes, _ := node.StateHashes() // none: it is ending
	for _, h := range hashes {
		if h.Group == group {
			return h, true
		}
	}
	return raftlog.StateHash{}, false
}

// checkState holds a state against those of other replicas at the same index. Where one was made to differ all may: until the next comparison that replica may lead, and send its
// state to another. In the end they agree, see allWell.
func (w *World) checkState(h raftlog.StateHash, where string) error {
	if _, may := w.differ.Load(h.Group); may {
		return nil
	}
	return w.check(w.history.State(h.Group, h.Index, h.Hash, where))
}
