package raftlog

import "errors"

var (
	// ErrHalt marks an error after which a group must not go on: an entry of a newer version, a damaged state.
	ErrHalt = errors.New("this partition is halted")
	// ErrDiverged: the replica's state differs from that of the others. Rebuild makes it anew.
	ErrDiverged = errors.New("this replica's state differs from that of the others")
	// ErrChangePending: another change of the group's replicas is under way; try again when it is done.
	ErrChangePending = errors.New("another change of the replicas is under way")
	// ErrNotCaughtUp: the replica lags too far behind to become a voter or the leader; try again later.
	ErrNotCaughtUp = errors.New("the replica has not caught up")
)
