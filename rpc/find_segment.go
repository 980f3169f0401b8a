package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// SegmentFinder is the arrow Cache Manager -> Batch Coordinator.
type SegmentFinder interface {
	// FindSegments looks up coordinates and bounds. Its answers are linearizable: OFFSET_OUT_OF_RANGE may be told to a client.
	FindSegments(ctx context.Context, req *FindSegmentsRequest) (*FindSegmentsResponse, error)
}

// Coordinate (a batch coordinate) locates a run of contiguous batches of one partition: offsets Base to Last are the
// bytes [Position, Position+Bytes) of Object.
type Coordinate struct {
	Object     kafka.ObjectID
	Position   int64
	Bytes      int32
	BaseOffset int64
	LastOffset int64
	// MaxTimestamp of the records, in ms; with LogAppendTime the append time.
	MaxTimestamp int64
	// AppendTimestamp is -1, or the time that a reader must write into the batch headers as their max timestamp, with the timestamp type
	// bit, before it serves them (message.timestamp.type=LogAppendTime).
	AppendTimestamp int64
	Batches         int32
	// Stamped: the headers in the object already say their base offsets and append times, and a reader changes nothing. Offsets inside may have
	// gaps (key compaction). Whatever a job wrote is Stamped, with AppendTimestamp -1.
	Stamped bool
	// IndexPosition is where in the object this segment's sparse index is; IndexBytes is 0 without one.
	IndexPosition int64
	IndexBytes    int32
}

// FindSegmentsRequest asks one coordinator partition.
type FindSegmentsRequest struct {
	Coordinator    int32
	MetadataOffset int64
	Partitions     []FindSegment
}

// FindSegment asks for coordinates from Offset on.
type FindSegment struct {
	Partition kafka.TopicIDPartition
	Offset    int64
	// MaxBytes of segments and MaxCoordinates bound the answer; the first coordinate is always there.
	MaxBytes       int64
	MaxCoordinates int32
}

// FindSegmentsResponse has one result for each partition of the request, in its order.
type FindSegmentsResponse struct {
	Partitions []FindSegmentResult
}

// FindSegmentResult has the partition's bounds, and its coordinates in offset order, the first one holding the offset asked for.
type FindSegmentResult struct {
	Error            int16 // OFFSET_OUT_OF_RANGE (bounds are set), UNKNOWN_TOPIC_ID
	LogStartOffset   int64
	HighWatermark    int64
	LastStableOffset int64
	Coordinates      []Coordinate
}
