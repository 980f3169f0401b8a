package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// RecordDeleter moves log start offsets (DeleteRecords, key 21).
type RecordDeleter interface {
	DeleteRecords(ctx context.Context, req *DeleteRecordsRequest) (*DeleteRecordsResponse, error)
}

// DeleteRecordsRequest asks one coordinator partition.
type DeleteRecordsRequest struct {
	Coordinator    int32
	MetadataOffset int64
	Partitions     []DeleteRecords
}

// DeleteRecords moves one partition's log start to Before; -1 means the high watermark.
type DeleteRecords struct {
	Partition kafka.TopicIDPartition
	Before    int64
}

// DeleteRecordsResponse has one result for each partition of the request, in its order.
type DeleteRecordsResponse struct {
	Partitions []DeleteRecordsResult
}

// DeleteRecordsResult has the log start offset (Kafka's low watermark) after the call.
type DeleteRecordsResult struct {
	Error          int16
	LogStartOffset int64
}
