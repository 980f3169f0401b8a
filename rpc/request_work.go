package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// WorkRequester is the arrow Compaction Jobs -> Batch Coordinator. The jobs of this release delete objects; others join them as kinds of Work.
type WorkRequester interface {
	// RequestWork leases a page of work to a broker; an empty page means that there is none now.
	RequestWork(ctx context.Context, req *RequestWorkRequest) (*RequestWorkResponse, error)
	// CheckReleased says which of the objects no coordinate of this partition refers to any more, for ever.
	CheckReleased(ctx context.Context, req *CheckReleasedRequest) (*CheckReleasedResponse, error)
	// CompleteWork reports deleted objects, valid only while the lease is (kerr.FencedInstanceID else).
	CompleteWork(ctx context.Context, req *CompleteWorkRequest) (*CompleteWorkResponse, error)
}

// RequestWorkRequest asks one coordinator partition for up to MaxObjects to delete.
type RequestWorkRequest struct {
	Coordinator int32
	Broker      int32
	BrokerEpoch int64
	MaxObjects  int32
	// WaitMillis parks the call until there is work, at most this long.
	WaitMillis int64
}

// RequestWorkResponse is a lease on deleting objects that this coordinator partition has released, after the time that a reader may hold their coordinates.
type RequestWorkResponse struct {
	Lease          int64 // id, which is its fencing token: it grows with every lease
	DeadlineMillis int64
	Objects        []ReleasedObject
}

// ReleasedObject may be deleted once every other partition of Coordinators has released it, too.
type ReleasedObject struct {
	Object       kafka.ObjectID
	Bytes        int64
	Coordinators []int32
}

// CheckReleasedRequest asks one coordinator partition about objects.
type CheckReleasedRequest struct {
	Coordinator int32
	Objects     []kafka.ObjectID
}

// CheckReleasedResponse has one answer for each object of the request, in its order. An object that the coordinator never saw is not released,
// unless the uploader's epoch is fenced there; one whose deletion was completed is.
type CheckReleasedResponse struct {
	Released []bool
}

// CompleteWorkRequest names the objects of a lease that are gone from storage. The others stay and are leased again.
type CompleteWorkRequest struct {
	Coordinator int32
	Broker      int32
	BrokerEpoch int64
	Lease       int64
	Deleted     []kafka.ObjectID
}

// CompleteWorkResponse is empty.
type CompleteWorkResponse struct{}
