package raftlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// rebuild is a replica that waits for a state to replace its own.
type rebuild struct {
	least     uint64 // the log begins behind it
	receiving bool
	taken     chan taken // holds one
}

type taken struct {
	st   *staged
	meta *pb.SnapshotMetadata
}

// take runs beside the event loop.
func (r *rebuild) take(st *staged, meta *pb.SnapshotMetadata) error {
	if meta.GetIndex() < r.least {
		return fmt.Errorf("the state at index %d is older than the log, which begins behind %d", meta.GetIndex(), r.least)
	}
	select {
	case r.taken <- taken{st, meta}:
		return nil
	default:
		return errors.New("there is a state already")
	}
}

// Rebuild replaces the state of this node's replica by that of the group's leader, which is one of peers, and starts the replica again. It is for
// replicas that are Halted or Diverged, and for those that StartGroup refuses because of their state: term, vote and log stay as they are, so
// the replica breaks no promise to the others. An entry that is damaged is dropped once a state has it, so where no leader has applied it yet, try again. Where there is no log
// any more, it fails: remove the replica and add it as a learner. The Log from before has ended. A crash in the middle leaves the old state.
func (n *Node) Rebuild(ctx context.Context, cfg GroupConfig, peers []int32) (Log, error) {
	if _, ok := n.cfg.Transport.(SnapshotTransport); !ok || len(peers) == 0 {
		return nil, fmt.Errorf("rebuild %s: there is no other replica to take the state from; %s", cfg.Name, restoreHint)
	}
	if err := n.StopGroup(cfg.ID); err != nil {
		return nil, err
	}
	r := &rebuild{taken: make(chan taken, 1)}
	var err error
	if doErr := n.do(func() {
		entries := n.log.Group(cfg.ID)
		switch {
		case entries == nil:
			err = fmt.Errorf("rebuild %s: there is no log of it here: remove this replica from the group and add it as a learner", cfg.Name)
		case n.rebuilds[cfg.ID] != nil:
			err = fmt.Errorf("rebuild %s: it is being rebuilt already", cfg.Name)
		default:
			r.least = entries.Start().Index
			n.rebuilds[cfg.ID] = r
		}
	}); doErr != nil {
		return nil, doErr
	}
	if err != nil {
		return nil, err
	}
	t, err := n.fetchState(ctx, cfg, r, peers)
	if err == nil {
		err = n.replaceState(cfg.ID, t)
	}
	if doErr := n.do(func() { delete(n.rebuilds, cfg.ID) }); doErr != nil {
		return nil, doErr
	}
	if err != nil {
		return nil, fmt.Errorf("rebuild %s: %w", cfg.Name, err)
	}
	n.metrics.rebuilt.Inc()
	n.cfg.Logger.Info("a replica was rebuilt", "group", cfg.ID, "name", cfg.Name, "index", t.meta.GetIndex())
	log, err := n.StartGroup(cfg)
	if err != nil {
		return nil, err
	}
	n.control(n.compactSoon) // a damaged file of the log goes as soon as no group needs it
	return log, nil
}

// fetchState asks one peer after the other: only the leader answers.
func (n *Node) fetchState(ctx context.Context, cfg GroupConfig, r *rebuild, peers []int32) (taken, error) {
	for turn := 0; ; turn++ {
		to := peers[turn%len(peers)]
		receiving := false
		if err := n.do(func() {
			if receiving = r.receiving; !receiving && to != n.cfg.NodeID {
				n.sendControl(to, &pb.Message{Type: pb.MsgSnapStatus.Enum(), Index: new(cfg.ID)})
			}
		}); err != nil {
			return taken{}, err
		}
		timer := n.cfg.Clock.NewTimer(time.Duration(n.cfg.ElectionTicks) * n.cfg.TickInterval)
		select {
		case t := <-r.taken:
			timer.Stop()
			return t, nil
		case <-timer.C:
		case <-n.loopDone:
			timer.Stop()
			return taken{}, errors.New("the node is closed")
		case <-ctx.Done():
			timer.Stop()
			return taken{}, fmt.Errorf("no leader among nodes %v sent its state: %w", peers, context.Cause(ctx))
		}
	}
}

// replaceState runs in the event loop's turn, so that no other change of the group's place comes between.
func (n *Node) replaceState(id uint64, t taken) error {
	var err error
	old := id
	doErr := n.do(func() {
		defer recoverFailure(&err)
		n.viewMu.RLock()
		n.store.Durable(placedSpace, func(r statestore.Reader) { old = placeOf(r, id) })
		n.viewMu.RUnlock()
		n.moveTo(id, t.st.place)
		err = n.dropEntries(id, t.meta)
	})
	if err := errors.Join(doErr, err); err != nil {
		return err
	}
	// Its files may be damaged. Not in the event loop: it writes and waits for what is in memory.
	if err := n.store.Excise(n.ctx, old); err != nil {
		n.cfg.Logger.Warn("a damaged state is still on disk; the next start deletes it", "group", id, "error", err)
	}
	return nil
}

// dropEntries cuts the log up to a state that was installed: one of those entries may be what is damaged.
func (n *Node) dropEntries(id uint64, meta *pb.SnapshotMetadata) error {
	entries := n.log.Group(id)
	if entries == nil {
		return nil
	}
	if term, err := entries.Term(meta.GetIndex()); err != nil || term != meta.GetTerm() {
		return nil // the log begins anew behind the state, see openEntries
	}
	if err := n.log.Cut(map[uint64]uint64{id: meta.GetIndex()}); err != nil {
		n.fail(err)
		return err
	}
	return nil
}

// sendState sends this group's state to a replica that keeps its log. Only a leader's state will do: it has everything that is committed.
func (n *Node) sendState(g *group, to int32) {
	carrier, ok := n.cfg.Transport.(SnapshotTransport)
	if !ok || !g.leads || n.sending >= maxSnapshotsSent || g.rebuilding[to] {
		return
	}
	if g.rebuilding == nil {
		g.rebuilding = map[int32]bool{}
	}
	g.rebuilding[to] = true
	n.sending++
	term := g.raw.BasicStatus().GetTerm()
	m := &pb.Message{From: new(raftID(n.cfg.NodeID)), To: new(raftID(to)), Term: &term}
	n.workers.Go(func() {
		if err := n.sendSnapshot(carrier, g, m, snapshotRebuild); err != nil && n.ctx.Err() == nil {
			g.log.Warn("the state for a replica that is rebuilt did not arrive", "node", to, "error", err)
		}
		_ = n.inbox.put(func(w *work) { // refused: the node is closed
			w.controls = append(w.controls, func() {
				n.sending--
				delete(g.rebuilding, to)
			})
		})
	})
}
