package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// PartitionDescriber answers DescribeProducers and DescribeLogDirs.
type PartitionDescriber interface {
	DescribePartitions(ctx context.Context, req *DescribePartitionsRequest) (*DescribePartitionsResponse, error)
}

// DescribePartitionsRequest asks one coordinator partition.
type DescribePartitionsRequest struct {
	Coordinator    int32
	MetadataOffset int64
	Producers      bool // list producers, too
	Partitions     []kafka.TopicIDPartition
}

// DescribePartitionsResponse has one result for each partition of the request, in its order.
type DescribePartitionsResponse struct {
	Partitions []PartitionDescription
}

// PartitionDescription is one partition's size and active producers.
type PartitionDescription struct {
	Error          int16
	Bytes          int64 // of live coordinates
	Coordinates    int64
	LogStartOffset int64
	HighWatermark  int64
	Producers      []ActiveProducer
}

// ActiveProducer is what DescribeProducers (key 61) tells of one producer.
type ActiveProducer struct {
	ProducerID    int64
	ProducerEpoch int16
	LastSequence  int32
	LastTimestamp int64
}
