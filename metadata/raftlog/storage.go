package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// groupStorage is what Raft reads: entries from the log, members and snapshots from the state store.
type groupStorage struct {
	*wal.Group
	g         *group
	confIndex uint64 // of the last change of membership that was handed to the workers
}

var _ raft.Storage = (*groupStorage)(nil)

// InitialState implements raft.Storage. What is applied is committed, whatever the log knew of it.
func (s *groupStorage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	hs := s.HardState()
	commit := max(hs.GetCommit(), s.g.applied.index)
	return &pb.HardState{Term: hs.Term, Vote: hs.Vote, Commit: &commit}, s.g.applied.conf, nil
}

// snapshotKinds are the spaces that a snapshot carries; the applied index is in its metadata.
var snapshotKinds = []byte{kindKeys, kindState, kindStones, kindTopic}

// Snapshot implements raft.Storage: the group's whole state at its applied index.
func (s *groupStorage) Snapshot() (*pb.Snapshot, error) {
	var snapshot *pb.Snapshot
	err := raft.ErrSnapshotTemporarilyUnavailable
	s.g.node.view(func(v *pebblestore.View) {
		meta := v.Reader(s.g.space(kindMeta))
		value, _ := meta.Get(appliedKey)
		applied, decodeErr := decodeApplied(value)
		if decodeErr != nil || applied.index < s.confIndex {
			return // the new member must be in the snapshot that it gets
		}
		topic, _ := meta.Get(topicKey)
		data := appendField(nil, topic)
		for _, kind := range snapshotKinds {
			v.Reader(s.g.space(kind)).Scan(nil, nil, func(key, value []byte) bool {
				data = appendField(appendField(append(data, kind), key), value)
				return true
			})
		}
		snapshot, err = &pb.Snapshot{Data: data, Metadata: &pb.SnapshotMetadata{ConfState: applied.conf, Index: &applied.index, Term: &applied.term}}, nil
	})
	return snapshot, err
}

// install replaces the state by a snapshot's, durably, and returns where the log begins then. It runs in the event loop before
// the log learns of it: when a crash comes in between, the state says that it is ahead.
func (g *group) install(s *pb.Snapshot) *wal.Start {
	g.node.applies.wait(g)
	applied := appliedState{index: s.GetMetadata().GetIndex(), term: s.GetMetadata().GetTerm(), conf: s.GetMetadata().GetConfState(), installed: true}
	b := g.node.store.NewBatch()
	topic, err := g.writeSnapshot(b, applied, s.GetData())
	if err != nil {
		b.Drop()
		panic(fmt.Errorf("%w: %w", ErrHalt, err))
	}
	b.Commit()
	if err := g.node.store.Flush(); err != nil {
		panic(&statestore.Failure{Op: "install a snapshot", Err: err})
	}
	g.applied, g.topicState, g.conf = applied, topic, applied.conf
	g.storage.confIndex = applied.index
	g.tail.replace(topic)
	g.mu.Lock()
	g.appliedIndex, g.appliedTerm = applied.index, applied.term
	g.mu.Unlock()
	start := g.installedStart()
	return &start
}

func (g *group) writeSnapshot(b *pebblestore.Batch, applied appliedState, data []byte) (topic topicState, err error) {
	b.DeleteGroup(g.id)
	value, data, ok := cutField(data)
	if !ok {
		return topic, errors.New("the snapshot is damaged")
	}
	if len(value) > 0 {
		if topic, err = decodeTopicState(value); err != nil {
			return topic, err
		}
		b.Tx(g.space(kindMeta)).Set(topicKey, value)
	}
	b.Tx(g.space(kindMeta)).Set(appliedKey, applied.encode())
	var tx statestore.Tx
	kind := byte(0)
	for len(data) > 0 {
		if data[0] != kind {
			kind = data[0]
			tx = b.Tx(g.space(kind))
		}
		var key []byte
		key, data, ok = cutField(data[1:])
		if ok {
			value, data, ok = cutField(data)
		}
		if !ok {
			return topic, errors.New("the snapshot is damaged")
		}
		tx.Set(key, value)
	}
	return topic, nil
}

func appendField(b, field []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

func cutField(b []byte) (field, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}
