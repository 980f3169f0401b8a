package rpc

import (
	"context"
	"errors"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// LeaderFinder tells brokers where the coordinators of their cluster are. Every node of the Metadata Kafka Cluster answers it, leader or not, from what it
// knows: the answer is a hint. A request that goes to the wrong node does no harm: it is answered with NotLeader.
type LeaderFinder interface {
	FindLeaders(ctx context.Context, req *FindLeadersRequest) (*FindLeadersResponse, error)
}

// FindLeadersRequest is empty: the connection says which cluster.
type FindLeadersRequest struct{}

// FindLeadersResponse lists the live nodes of the Metadata Kafka Cluster and, for each coordinator partition of the caller's cluster, its leader.
type FindLeadersResponse struct {
	Self    int32 // the node that answers
	Nodes   []MetadataNode
	Leaders []PartitionLeader
}

// MetadataNode is one node and the HOST:PORT that brokers reach it at.
type MetadataNode struct {
	ID      int32
	Address string
}

// PartitionLeader is the leader of one coordinator partition: TargetController (partition 0), TargetGroupPartition or TargetBatchCoordinator.
type PartitionLeader struct {
	Kind      TargetKind
	Partition int32
	Node      int32 // -1 when unknown
	Term      int64 // of the leader; who knows of a higher one knows better
}

// NotLeader is an error that wraps kerr.NotCoordinator and says where the leader is, as far as the node that was asked knows. It survives the wire.
type NotLeader struct {
	Node    int32  // below 1 when unknown
	Address string // empty when unknown
	Term    int64
	Err     error // wraps kerr.NotCoordinator
}

// Error implements error.
func (e *NotLeader) Error() string { return e.Err.Error() }

// Unwrap gives Kafka's error.
func (e *NotLeader) Unwrap() error { return e.Err }

// Append encodes the hint for an answer; Err travels elsewhere.
func (e *NotLeader) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(e.Node))
	b = wire.AppendString(b, 2, e.Address)
	return wire.AppendSint(b, 3, e.Term)
}

// Decode reads what Append wrote.
func (e *NotLeader) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			e.Node = int32(d.Sint())
		case 2:
			e.Address = d.String()
		case 3:
			e.Term = d.Sint()
		}
	})
}

// LeaderHint is the hint in err, encoded, or nil.
func LeaderHint(err error) []byte {
	var hint *NotLeader
	if !errors.As(err, &hint) {
		return nil
	}
	return hint.Append(nil)
}

// WithLeaderHint adds an encoded hint to err.
func WithLeaderHint(err error, hint []byte) error {
	e := &NotLeader{Err: err}
	if len(hint) == 0 || e.Decode(hint) != nil {
		return err
	}
	return e
}
