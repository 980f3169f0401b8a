package batchcoordinator

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
)

// MetadataImage is the coordinator's view of its cluster's __metadata. Methods may be called by many.
//
// It shows only states that the controller had: whoever fills it publishes when it has read up to the high watermark, never
// between. __metadata is compacted, so a reader on its way passes states that never were: a topic's first record is gone
// and its latest one not read yet. The coordinator would take that for a deletion, and what it deletes is gone.
type MetadataImage interface {
	// WaitFor returns nil when the image shows the record at offset; at once for a negative offset.
	WaitFor(ctx context.Context, offset int64) error
	// Offset of the last record that the image shows, -1 for none.
	Offset() int64
	// Partition says who owns a partition and how it is kept; false when the image has no such topic id or partition.
	Partition(tp kafka.TopicIDPartition) (PartitionInfo, bool)
	// HasTopic says whether the topic id exists.
	HasTopic(id kafka.TopicID) bool
	// Partitions calls fn for each partition that the given partition of __batch_coordinates owns, until it returns false.
	Partitions(coordinator int32, fn func(tp kafka.TopicIDPartition, info PartitionInfo) bool)
	// LiveBrokers lists, by broker id, the epochs that may still commit as the image stands at offset asOf; both are of one
	// moment. An epoch at or below asOf that is not listed must never come back: its commits are refused for ever from then on.
	LiveBrokers() (asOf int64, live []state.BrokerEpoch)
	// Changed is closed when the image moves on.
	Changed() <-chan struct{}
}

// PartitionInfo is what the coordinator needs of a topic-partition. Settings are those in force, defaults included.
type PartitionInfo struct {
	Coordinator    int32 // owning partition of __batch_coordinates
	RetentionMs    int64 // retention.ms, -1 for no limit
	RetentionBytes int64 // retention.bytes, -1 for no limit
	Delete         bool  // cleanup.policy has "delete"
	Compact        bool  // cleanup.policy has "compact"
	Compaction     state.CompactionSettings
}
