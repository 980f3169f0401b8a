package api

import (
	"context"
	"time"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/topics"
)

// Partition names a partition together with the Batch Coordinator partition that owns it, as the image at MetadataOffset says.
type Partition struct {
	kafka.TopicIDPartition
	Coordinator    int32
	MetadataOffset int64
}

func (h *Handlers) partition(image *clusterimage.Image, t *topics.Topic, partition int32) Partition {
	return Partition{
		TopicIDPartition: kafka.TopicIDPartition{ID: t.ID, Partition: partition},
		Coordinator:      t.Coordinators[partition],
		MetadataOffset:   image.Offset(),
	}
}

// Appender is the arrow Broker -> Batch Processor.
type Appender interface {
	// Append takes validated batches in the order of the calls and returns; done is called once, from any goroutine, with a result for each batch in
	// its order; after timeout (0: a default) those that are not known are REQUEST_TIMED_OUT. It blocks while the processor is full. The batches alias frame, of which Append keeps references of its own.
	Append(ctx context.Context, frame *slab.Buffer, batches []AppendBatch, timeout time.Duration, done func([]AppendResult))
}

// AppendBatch is one partition's batch of a Produce request.
type AppendBatch struct {
	Partition     Partition
	Batch         recordbatch.Batch
	LogAppendTime bool // message.timestamp.type
}

// AppendResult is what the producer is told. BaseOffset is -1 with an error, LogStartOffset where it is not known.
type AppendResult struct {
	Err            error
	BaseOffset     int64
	AppendTime     int64 // ms with LogAppendTime, else -1
	LogStartOffset int64
}

// Fetcher is the arrow Cache Manager -> Broker.
type Fetcher interface {
	// Fetch reads partitions in the order of the request and waits, at most maxWait, until minBytes can be read or an error is to be told.
	Fetch(ctx context.Context, req *FetchRequest) []FetchResult
	// ListOffset answers a timestamp of 0 or more, or a special one: latest -1, earliest -2, of the greatest timestamp -3.
	ListOffset(ctx context.Context, p Partition, timestamp int64) ListedOffset
}

// FetchRequest is one Fetch, its partitions resolved.
type FetchRequest struct {
	Partitions []FetchPartition
	MinBytes   int
	MaxBytes   int // of the whole answer; the first batch is given even if it is larger
	MaxWait    time.Duration
}

// FetchPartition asks for batches from Offset on.
type FetchPartition struct {
	Partition Partition
	Offset    int64
	MaxBytes  int
}

// FetchResult has whole batches; Records alias cached memory until Release is called, which must happen once.
type FetchResult struct {
	Err              error
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	Records          [][]byte
	Release          func() // may be nil
}

// ListedOffset is Offset -1 where no record matches.
type ListedOffset struct {
	Err       error
	Offset    int64
	Timestamp int64
}

// exists says whether the topic has the partition.
func exists(t *topics.Topic, partition int32) bool {
	return partition >= 0 && int(partition) < len(t.Coordinators)
}

func topicByName(image *clusterimage.Image, name string) (*topics.Topic, bool) {
	return image.TopicByName(name)
}

func topicByID(image *clusterimage.Image, id kafka.TopicID) (*topics.Topic, bool) {
	return image.TopicByID(id)
}
