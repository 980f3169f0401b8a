package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// ObjectDescriber is the arrow by which `inkwell object verify` compares what the Batch Coordinator believes with what is in the store. Answers are linearizable.
type ObjectDescriber interface {
	// DescribeCoordinates lists coordinates by partition, in pages. What one answer has of a partition is of one moment.
	DescribeCoordinates(ctx context.Context, req *DescribeCoordinatesRequest) (*DescribeCoordinatesResponse, error)
	// DescribeObjects says what one coordinator partition knows of objects.
	DescribeObjects(ctx context.Context, req *DescribeObjectsRequest) (*DescribeObjectsResponse, error)
}

// DescribeCoordinatesRequest asks one coordinator partition for the coordinates of the partitions from From on; of From itself those that end at Offset or later.
type DescribeCoordinatesRequest struct {
	Coordinator    int32
	From           kafka.TopicIDPartition
	Offset         int64
	MaxCoordinates int32
}

// DescribeCoordinatesResponse has a page. Only its last partition can lack coordinates: then it is not Complete, and the next request begins there.
type DescribeCoordinatesResponse struct {
	Partitions []PartitionCoordinates
	// More partitions come behind the last one of the page.
	More bool
}

// PartitionCoordinates are a partition's bounds and sums as the coordinator keeps them, and coordinates.
type PartitionCoordinates struct {
	Partition      kafka.TopicIDPartition
	LogStartOffset int64
	HighWatermark  int64
	// HolesBelow: key compaction has left offsets out below.
	HolesBelow int64
	// Bytes and Count are of all coordinates, in the page or not.
	Bytes       int64
	Count       int64
	Coordinates []Coordinate
	Complete    bool // the coordinates reach to the partition's end
	Deleting    bool // its topic is deleted: coordinates go in pages
}

// DescribeObjectsRequest asks one coordinator partition, at most MaxDescribedObjects at a time.
type DescribeObjectsRequest struct {
	Coordinator int32
	// MetadataOffset is that of the newest record of __metadata: whether an epoch is over is judged no earlier.
	MetadataOffset int64
	Objects        []kafka.ObjectID
}

// MaxDescribedObjects bounds DescribeObjects.
const MaxDescribedObjects = 10_000

// DescribeObjectsResponse has one answer for each object of the request, in its order.
type DescribeObjectsResponse struct {
	Objects []ObjectDescription
}

// ObjectState is what a coordinator partition knows of an object. Numbers travel.
type ObjectState int8

// The states.
const (
	ObjectUnknown    ObjectState = iota // never committed here, or deleted
	ObjectReferenced                    // by coordinates
	ObjectReleased                      // waits for its deletion
	ObjectDeleting                      // leased to a broker that deletes it
)

// EpochState is what becomes of the epoch of an object's uploader. Numbers travel.
type EpochState int8

// The states.
const (
	EpochFenced   EpochState = iota // no commit of it is taken any more
	EpochLive                       // it may commit
	EpochEnding                     // it is over and about to be fenced here
	EpochUnissued                   // newer than all of __metadata: no broker has it
)

// ObjectDescription is about one object.
type ObjectDescription struct {
	State      ObjectState
	References int64
	Bytes      int64 // of the whole object as its uploader said, 0 if unknown
	Epoch      EpochState
	// SweepPlanned: the objects of the epoch are yet to be looked through for what nobody committed; SweepParked: that failed too often.
	SweepPlanned bool
	SweepParked  bool
}
