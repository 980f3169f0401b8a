package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// OffsetLister answers ListOffsets as far as coordinates can.
type OffsetLister interface {
	// ListOffsets is linearizable.
	ListOffsets(ctx context.Context, req *ListOffsetsRequest) (*ListOffsetsResponse, error)
}

// Kafka's special timestamps (ListOffsets, key 2).
const (
	LatestTimestamp   int64 = -1
	EarliestTimestamp int64 = -2
	MaxTimestamp      int64 = -3
)

// ListOffsetsRequest asks one coordinator partition.
type ListOffsetsRequest struct {
	Coordinator    int32
	MetadataOffset int64
	Partitions     []ListOffset
}

// ListOffset asks for the bounds or, with a timestamp of 0 or more, for the first coordinate with a record of that time or later;
// with MaxTimestamp, for the first coordinate that holds the greatest timestamp.
type ListOffset struct {
	Partition kafka.TopicIDPartition
	Timestamp int64
}

// ListOffsetsResponse has one result for each partition of the request, in its order.
type ListOffsetsResponse struct {
	Partitions []ListOffsetResult
}

// ListOffsetResult has the bounds always; Coordinate is the one whose records the broker must search, if any matches.
type ListOffsetResult struct {
	Error            int16
	LogStartOffset   int64
	HighWatermark    int64
	LastStableOffset int64
	Found            bool
	Coordinate       Coordinate
}
