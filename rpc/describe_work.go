package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// WorkDescriber is the arrow by which people see what the Compaction Jobs have to do.
type WorkDescriber interface {
	// DescribeWork lists what waits, runs and failed, in pages.
	DescribeWork(ctx context.Context, req *DescribeWorkRequest) (*DescribeWorkResponse, error)
	// RetryWork has parked work of a kind leased again at once.
	RetryWork(ctx context.Context, req *RetryWorkRequest) (*RetryWorkResponse, error)
}

// DescribeWorkRequest asks one coordinator partition.
type DescribeWorkRequest struct {
	Coordinator int32
	MaxItems    int32  // 0: only the summary
	From        []byte // Next of the page before
}

// DescribeWorkResponse has a page of items and a summary of all.
type DescribeWorkResponse struct {
	Kinds []WorkSummary
	Items []WorkItem
	Next  []byte // empty at the end
}

// WorkSummary counts one kind.
type WorkSummary struct {
	Kind    WorkKind
	Waiting int64
	Running int64
	Failed  int64 // waits for its next attempt
	Parked  int64
	// OldestMillis is since when the oldest of those that are not done waits, 0 when there is none.
	OldestMillis int64
	// Attempts is the greatest number of attempts among what runs, failed or is parked.
	Attempts int32
}

// WorkState is what is going on with an item. Numbers travel.
type WorkState int8

// The states.
const (
	WorkWaiting WorkState = iota
	WorkRunning
	WorkFailed // waits for its next attempt
	WorkParked // failed too often
)

func (s WorkState) String() string {
	switch s {
	case WorkWaiting:
		return "waiting"
	case WorkRunning:
		return "running"
	case WorkFailed:
		return "failed"
	case WorkParked:
		return "parked"
	}
	return "unknown"
}

// WorkItem is one thing to do.
type WorkItem struct {
	Kind  WorkKind
	State WorkState
	// What it is about: objects of a delete, commits of a merge, a partition, a broker epoch.
	Subject     string
	Attempts    int32
	SinceMillis int64 // when it first could have been done
	NextMillis  int64 // not before
	// Of what runs.
	Lease          int64
	Broker         int32
	BrokerEpoch    int64
	DeadlineMillis int64
	// Of the last failure.
	Cause   string
	Damaged []kafka.ObjectID
}

// RetryWorkRequest names the kind.
type RetryWorkRequest struct {
	Coordinator int32
	Kind        WorkKind
}

// RetryWorkResponse says how much was taken up again.
type RetryWorkResponse struct {
	Items int64
}
