package raftlog

import (
	"encoding/binary"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore"
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

// Snapshot implements raft.Storage: what a snapshot would be, without its contents. sendSnapshot streams them, from a view of its own, which is
// not older.
func (s *groupStorage) Snapshot() (*pb.Snapshot, error) {
	var snapshot *pb.Snapshot
	err := raft.ErrSnapshotTemporarilyUnavailable
	n := s.g.node
	if n.sending >= maxSnapshotsSent || n.ticks < s.g.snapshotFrom {
		return nil, err // Raft asks again at the next heartbeat
	}
	s.g.view(func(reader func(byte) statestore.Reader) {
		value, _ := reader(kindMeta).Get(appliedKey)
		applied, decodeErr := decodeApplied(value)
		if decodeErr != nil || applied.index < s.confIndex {
			return // the new member must be in the snapshot that it gets
		}
		snapshot, err = &pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: applied.conf, Index: &applied.index, Term: &applied.term}}, nil
	})
	return snapshot, err
}

func appendField(b, field []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}
