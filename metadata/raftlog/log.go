package raftlog

import (
	"context"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// StateMachine is a coordinator's deterministic half. Every replica applies the same commands in the same order and
// must reach the same bytes: Apply reads no clock, no randomness and no configuration outside tx and command.
type StateMachine interface {
	// Apply executes one committed command. result goes to the proposer on the replica that proposed it and is dropped elsewhere;
	// records are appended to the partition's topic in order. A command that this version cannot decode
	// returns an error that wraps ErrHalt: the group stops serving, loudly, and its neighbours go on.
	Apply(tx statestore.Tx, index uint64, command []byte) (result any, records []Record, err error)
}

// Record is one record of a partition's topic. A nil Value is a tombstone. TimestampMillis comes from the command.
type Record struct {
	Offset          int64 // assigned by the log when the record is appended
	TimestampMillis int64
	Key, Value      []byte
}

// Leadership says who leads a group.
type Leadership struct {
	Term     uint64
	Leader   int32 // node id, -1 when unknown
	IsLeader bool  // this replica leads and has applied every entry of earlier terms
}

// Log is one partition of a topic on the Metadata Kafka Cluster, as its coordinator sees it. All methods may be called by many.
type Log interface {
	// Propose replicates command and returns what Apply returned. kerr.NotCoordinator: this replica does not lead and the
	// command was not proposed. kafka.ErrUnknownOutcome: it may have been applied or may yet be. Commands that were proposed
	// one after the other by one goroutine are applied in that order.
	Propose(ctx context.Context, command []byte) (any, error)
	// ReadBarrier returns nil once View shows everything that was acknowledged before the call. kerr.NotCoordinator when not leader.
	ReadBarrier(ctx context.Context) error
	// View calls fn with a consistent, read-only view of the applied state. Without a ReadBarrier it may be stale.
	View(fn func(statestore.Reader))
	// Leadership is the latest known; LeadershipChanged is closed at the next change.
	Leadership() Leadership
	LeadershipChanged() <-chan struct{}
	// Bounds are the log start offset and the high watermark (the offset of the next record) of the topic.
	Bounds() (start, highWatermark int64)
	// Read returns records from offset on, at least one if there is one, until maxBytes of keys and values. kerr.OffsetOutOfRange
	// when offset is below the start or above the high watermark. In a compacted topic offsets have gaps.
	Read(offset int64, maxBytes int) ([]Record, error)
	// Wait returns nil when the high watermark is above offset.
	Wait(ctx context.Context, offset int64) error
}
