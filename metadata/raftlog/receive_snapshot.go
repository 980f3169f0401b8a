package raftlog

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// staged is a snapshot that is in the store, and not installed.
type staged struct {
	place     uint64
	topic     topicState
	installed bool
	done      chan error // holds one
}

// ReceiveSnapshot takes over a snapshot that another node's SendSnapshot wrote. It returns when the snapshot is installed, or not needed. The
// transport calls it.
func (n *Node) ReceiveSnapshot(ctx context.Context, from int32, r io.Reader) (err error) {
	s, err := openStream(r)
	if err != nil {
		return err
	}
	if NodeOf(s.message.GetFrom()) != from || NodeOf(s.message.GetTo()) != n.cfg.NodeID {
		return fmt.Errorf("a snapshot from node %d to node %d, sent by node %d", NodeOf(s.message.GetFrom()), NodeOf(s.message.GetTo()), from)
	}
	var g *group
	var asked *rebuild
	refused := error(nil)
	if err := n.do(func() {
		g = n.groups[s.group]
		asked = n.rebuilds[s.group]
		switch {
		case s.flags&snapshotRebuild != 0 && (asked == nil || asked.receiving):
			refused = fmt.Errorf("nobody asked for the state of group %d", s.group)
		case s.flags&snapshotRebuild == 0 && (g == nil || g.over.Load()):
			refused = fmt.Errorf("group %d does not run on node %d", s.group, n.cfg.NodeID)
		case s.flags&snapshotRebuild == 0 && g.receiving:
			refused = fmt.Errorf("%s: another snapshot is on its way", g.name)
		case n.receiving >= maxSnapshotsReceived:
			refused = fmt.Errorf("node %d receives %d snapshots already", n.cfg.NodeID, n.receiving)
		default:
			n.receiving++
			n.workers.Add(1) // Close waits; the loop runs, so it does not wait yet
			if s.flags&snapshotRebuild == 0 {
				g.receiving, asked = true, nil
			} else {
				asked.receiving, g = true, nil
			}
		}
	}); err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	defer n.workers.Done()
	defer func() {
		_ = n.inbox.put(func(w *work) { // refused: the node is closed
			w.controls = append(w.controls, func() {
				n.receiving--
				if g != nil {
					g.receiving = false
				} else {
					asked.receiving = false
				}
			})
		})
	}()
	defer recoverFailure(&err)
	st := &staged{place: n.newPlace(), done: make(chan error, 1)}
	defer func() {
		if !st.installed {
			n.deletePlace(st.place)
		}
	}()
	if err := n.stage(ctx, st, s); err != nil {
		return err
	}
	if asked != nil {
		err := asked.take(st, s.message.GetSnapshot().GetMetadata())
		st.installed = err == nil // it belongs to the rebuild now
		return err
	}
	return n.offer(ctx, g, st, s.message)
}

// stage writes a snapshot into the store, durably, under an id that nobody uses.
func (n *Node) stage(ctx context.Context, st *staged, s *snapshotStream) (err error) {
	meta := s.message.GetSnapshot().GetMetadata()
	b := n.store.NewBatch()
	defer func() {
		if b != nil {
			b.Drop()
		}
	}()
	var tx statestore.Tx
	last := byte(0)
	for {
		kind, key, value, err := s.next()
		if err != nil {
			return err
		}
		if kind == 0 {
			break
		}
		if kind != last {
			if !slices.Contains(snapshotKinds, kind) {
				return fmt.Errorf("%w: data of kind %q, which this version does not know", errSnapshotDamaged, kind)
			}
			last, tx = kind, b.Tx(pebblestore.Space{Group: st.place, Kind: kind})
		}
		tx.Set(key, value)
		if b.Len() > maxBatchBytes {
			b.Commit()
			b, last = n.store.NewBatch(), 0
			if err := n.goOn(ctx); err != nil {
				return err
			}
		}
	}
	applied := appliedState{index: meta.GetIndex(), term: meta.GetTerm(), conf: meta.GetConfState(), installed: true}
	tx = b.Tx(pebblestore.Space{Group: st.place, Kind: kindMeta})
	tx.Set(appliedKey, applied.encode())
	if len(s.topic) > 0 {
		if st.topic, err = decodeTopicState(s.topic); err != nil {
			return err
		}
		tx.Set(topicKey, s.topic)
	}
	b.Commit()
	b = nil
	return n.store.Flush() // here, so that the flush in the event loop is short
}

func (n *Node) goOn(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.stop:
		return kafka.ErrClosed
	default:
		return nil
	}
}

// offer gives Raft the snapshot, and waits until it is installed or refused: an old one is, and Raft says to the leader what this replica has.
func (n *Node) offer(ctx context.Context, g *group, st *staged, m *pb.Message) error {
	m.Snapshot.Data = binary.BigEndian.AppendUint64(nil, st.place)
	if err := n.do(func() {
		if g.over.Load() {
			st.done <- g.endError()
			return
		}
		g.staged = st
		g.wakeUp()
		g.elapsed = 0
		if !g.guard(func() { _ = g.raw.Step(m) }) { // an error means that it is not for this replica any more
			g.staged = nil
			st.done <- g.endError()
			return
		}
		n.markDirty(g)
	}); err != nil {
		return err
	}
	select {
	case err := <-st.done:
		return err
	case <-n.loopDone:
		select {
		case err := <-st.done:
			return err
		default:
			return kafka.ErrClosed
		}
	}
}

// settleStaged tells the receiver what Raft did. It runs in the event loop, after the round that the snapshot was in.
func (g *group) settleStaged() {
	if st := g.staged; st != nil {
		g.staged = nil
		st.done <- g.endError()
	}
}

// install makes a staged snapshot the group's state, durably, and returns where the log begins then. It runs in the event loop before
// the log learns of it: when a crash comes in between, the state says that it is ahead.
func (g *group) install(s *pb.Snapshot) *wal.Start {
	n := g.node
	st := g.staged
	if st == nil || len(s.GetData()) != 8 || binary.BigEndian.Uint64(s.GetData()) != st.place {
		panic(fmt.Errorf("%w: a snapshot at index %d that was not received", ErrHalt, s.GetMetadata().GetIndex()))
	}
	n.applies.wait(g)
	meta := s.GetMetadata()
	applied := appliedState{index: meta.GetIndex(), term: meta.GetTerm(), conf: proto.Clone(meta.GetConfState()).(*pb.ConfState), installed: true}
	n.moveTo(g.id, st.place)
	st.installed = true
	old := g.place.Swap(st.place)
	n.deletePlace(old)
	g.applied, g.topicState, g.conf = applied, st.topic, applied.conf
	g.storage.confIndex = applied.index
	g.tail.replace(st.topic)
	g.mu.Lock()
	g.appliedIndex, g.appliedTerm = applied.index, applied.term
	g.mu.Unlock()
	n.metrics.snapshotsInstalled.Inc()
	g.log.Info("a snapshot was installed", "index", applied.index)
	start := g.installedStart()
	return &start
}

// moveTo makes place the group's, durably: the one moment at which the old state ends and the new begins.
func (n *Node) moveTo(id, place uint64) {
	b := n.store.NewBatch()
	b.Tx(placedSpace).Set(offsetKey(int64(id)), binary.BigEndian.AppendUint64(nil, place))
	b.Commit()
	if err := n.store.Flush(); err != nil {
		panic(&statestore.Failure{Op: "install a snapshot", Err: err})
	}
}
