package raftlog

import (
	"errors"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

var (
	// ErrHalt marks an error after which a group must not go on: an entry of a newer version, a damaged state.
	ErrHalt = errors.New("this partition is halted")
	// ErrDiverged: the replica's state differs from that of the others. Rebuild makes it anew.
	ErrDiverged = errors.New("this replica's state differs from that of the others")
	// errDamagedState: what the state store holds of the group cannot be decoded, or does not fit the log.
	errDamagedState = errors.New("this replica's state is damaged")
	// errLogBehind: the log lacks entries that the state has.
	errLogBehind = errors.New("the log lacks entries that were in it")
	// ErrChangePending: another change of the group's replicas is under way; try again when it is done.
	ErrChangePending = errors.New("another change of the replicas is under way")
	// ErrNotCaughtUp: the replica lags too far behind to become a voter or the leader; try again later.
	ErrNotCaughtUp = errors.New("the replica has not caught up")
)

// Lost says whether err, of Open, means that this node's disk does not hold what the node voted and acknowledged, so that it may be heard in no group any more: the log is damaged, or the
// state store where it tells of all groups. An error of the disk itself is not meant, nor what a newer version wrote.
func Lost(err error) bool {
	var l *lost
	return errors.As(err, &l)
}

type lost struct{ error }

func (l *lost) Unwrap() error { return l.error }

// orLost marks err, of opening the log or of holding the states against it, if that means Lost.
func orLost(err error) error {
	var damage *wal.Damage
	if errors.As(err, &damage) || errors.Is(err, errLogBehind) {
		return &lost{err}
	}
	return err
}

// storeOrLost does so for an error of the state store.
func storeOrLost(err error) error {
	if pebblestore.Damaged(err) {
		return &lost{err}
	}
	return err
}

// Rebuildable says whether err, of StartGroup or of a Condition, is about what this node's disk holds, so that Rebuild helps. A command that this version
// does not know, or that no replica can apply, is not: the state of the others would only hide it.
func Rebuildable(err error) bool {
	var failure *statestore.Failure
	var damage *wal.Damage
	return errors.Is(err, ErrDiverged) || errors.Is(err, errDamagedState) || errors.As(err, &failure) || errors.As(err, &damage)
}
