package raftlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// TransferLeadership hands a group that this node leads to another voter, and returns when that one leads. Proposals meanwhile end with
// kerr.NotCoordinator. When it does not work within an election timeout this node leads on.
func (n *Node) TransferLeadership(ctx context.Context, id uint64, to int32) error {
	var g *group
	err := fmt.Errorf("group %d is not led here: %w", id, kerr.NotCoordinator)
	if doErr := n.do(func() {
		if g = n.groups[id]; g != nil && g.leads && !g.over.Load() {
			err = g.transferTo(to)
		}
	}); doErr != nil {
		return doErr
	}
	if err != nil {
		return err
	}
	return g.awaitTransfer(ctx, to)
}

// transferTo runs in the event loop.
func (g *group) transferTo(to int32) (err error) {
	if to == g.node.cfg.NodeID {
		return nil
	}
	if !slices.Contains(g.conf.GetVoters(), raftID(to)) {
		return fmt.Errorf("%s: node %d has no vote: %w", g.name, to, kerr.InvalidRequest)
	}
	if err := g.caughtUp(to); err != nil {
		return err
	}
	g.wakeUp()
	g.guard(func() { g.raw.TransferLeader(raftID(to)) })
	g.node.markDirty(g)
	return nil
}

// awaitTransfer returns when another than this node leads.
func (g *group) awaitTransfer(ctx context.Context, to int32) error {
	timeout := g.node.cfg.Clock.NewTimer(time.Duration(2*g.node.cfg.ElectionTicks) * g.node.cfg.TickInterval)
	defer timeout.Stop()
	for {
		changed := g.LeadershipChanged()
		l := g.Leadership()
		switch {
		case l.Leader == to:
			return nil
		case l.Leader >= 0 && l.Leader != g.node.cfg.NodeID:
			return fmt.Errorf("%s: node %d leads, not %d: %w", g.name, l.Leader, to, kerr.NotCoordinator)
		}
		select {
		case <-changed:
		case <-g.endedCh:
			return g.endError()
		case <-timeout.C:
			return fmt.Errorf("%s: node %d did not take over in time: %w", g.name, to, kerr.RequestTimedOut)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// transferRounds is how often TransferAll tries; each time with another node where there is one.
const transferRounds = 3

// TransferAll hands every group that this node leads to another voter, before Close. It returns when none is left that another could lead, or
// with what could not be handed over.
func (n *Node) TransferAll(ctx context.Context) error {
	var errs []error
	for round := range transferRounds {
		type handed struct {
			g  *group
			to int32
		}
		var list []handed
		given := map[int32]int{} // groups that each node was given
		if err := n.do(func() {
			for _, g := range n.order {
				if g.over.Load() || !g.leads {
					continue
				}
				if to := g.successor(given, round); to >= 0 && g.transferTo(to) == nil {
					given[to]++
					list = append(list, handed{g, to})
				}
			}
		}); err != nil {
			return err
		}
		errs = nil
		for _, h := range list {
			if err := h.g.awaitTransfer(ctx, h.to); err != nil && h.g.Leadership().Leader == n.cfg.NodeID {
				errs = append(errs, err)
			}
		}
		if len(errs) == 0 || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// successor is the voter that can take over soonest; of equals the one with the fewest groups so far. -1: there is none.
func (g *group) successor(given map[int32]int, round int) int32 {
	type candidate struct {
		node int32
		lag  uint64
	}
	var list []candidate
	last := lastIndex(g.storage.Group)
	g.raw.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		node := NodeOf(id)
		if node == g.node.cfg.NodeID || kind == raft.ProgressTypeLearner || !current(pr, last) {
			return
		}
		list = append(list, candidate{node, last - min(last, pr.Match)})
	})
	if len(list) == 0 {
		return -1
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if given[a.node] != given[b.node] {
			return given[a.node] - given[b.node]
		}
		if a.lag != b.lag {
			return int(int64(a.lag) - int64(b.lag))
		}
		return int(a.node - b.node)
	})
	return list[round%len(list)].node
}
