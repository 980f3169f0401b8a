package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// WorkRequester is the arrow Compaction Jobs -> Batch Coordinator: work is a lease with a fencing token and a deadline, and what a job did counts only
// if it is completed while the lease is valid.
type WorkRequester interface {
	// RequestWork leases work to a broker; Kind 0 means that there is none now.
	RequestWork(ctx context.Context, req *RequestWorkRequest) (*RequestWorkResponse, error)
	// RenewWork moves the deadline of a lease on (kerr.FencedInstanceID when it is no longer valid: the job stops).
	RenewWork(ctx context.Context, req *RenewWorkRequest) (*RenewWorkResponse, error)
	// FailWork gives a lease back with the reason (kerr.FencedInstanceID when it is no longer valid).
	FailWork(ctx context.Context, req *FailWorkRequest) (*FailWorkResponse, error)
	// CheckReleased says which of the objects no coordinate of this partition refers to any more, for ever.
	CheckReleased(ctx context.Context, req *CheckReleasedRequest) (*CheckReleasedResponse, error)
	// CompleteWork reports what was done, valid only while the lease is. kerr.FencedInstanceID means that nothing of it counts and never will: the
	// job deletes what it uploaded. After an unknown outcome the same request may be sent again: a lease's first result is remembered.
	CompleteWork(ctx context.Context, req *CompleteWorkRequest) (*CompleteWorkResponse, error)
}

// WorkKind is what a job does. Numbers travel and are stored: they are added, never changed.
type WorkKind int8

// The kinds.
const (
	WorkDelete      WorkKind = iota + 1 // objects that nothing refers to
	WorkMerge                           // small segments become larger ones
	WorkCompactKeys                     // cleanup.policy=compact
	WorkSweep                           // uploads of a fenced broker epoch that nobody committed
)

func (k WorkKind) String() string {
	switch k {
	case WorkDelete:
		return "delete"
	case WorkMerge:
		return "merge"
	case WorkCompactKeys:
		return "compact"
	case WorkSweep:
		return "sweep"
	}
	return "unknown"
}

// RequestWorkRequest asks one coordinator partition.
type RequestWorkRequest struct {
	Coordinator int32
	Broker      int32
	BrokerEpoch int64
	MaxObjects  int32 // of WorkDelete
	// WaitMillis parks the call until there is work, at most this long.
	WaitMillis int64
	// Kinds that the broker does. None means WorkDelete alone, as brokers of the first release ask.
	Kinds []WorkKind
	// MaxBytes bounds what a merge or compaction has to read; 0 leaves it to the coordinator.
	MaxBytes int64
}

// RequestWorkResponse is a lease, and what to do for it: the one field that belongs to its kind.
type RequestWorkResponse struct {
	Lease          int64 // id, which is its fencing token: it grows with every lease
	DeadlineMillis int64
	// Objects of WorkDelete: this coordinator partition has released them, and the time that a reader may hold their coordinates is over.
	Objects []ReleasedObject
	// Kind of the work. A coordinator of the first release leaves it 0 and gives WorkDelete.
	Kind        WorkKind
	Attempt     int32 // 1 for the first
	Merge       *MergeWork
	CompactKeys *CompactKeysWork
	Sweep       *SweepWork
}

// ReleasedObject may be deleted once every other partition of Coordinators has released it, too.
type ReleasedObject struct {
	Object       kafka.ObjectID
	Bytes        int64
	Coordinators []int32
}

// MergeWork is to write all the batches of these coordinates, unchanged, into one object of at most TargetBytes, sorted by partition, each run
// one after the other. A run's output is one coordinate: the first one's BaseOffset, the last one's LastOffset, the sums of Bytes and Batches, the
// greatest MaxTimestamp, Stamped.
type MergeWork struct {
	TargetBytes int64
	Partitions  []PartitionRun // a partition comes twice when its coordinates are not contiguous
}

// PartitionRun has contiguous coordinates of one partition in the order of their offsets.
type PartitionRun struct {
	Partition   kafka.TopicIDPartition
	Coordinates []Coordinate
}

// CompactKeysWork is to keep the latest record of each key, to Kafka's rules, in the coordinates from the log start to the end of what may be cleaned.
type CompactKeysWork struct {
	Partition   kafka.TopicIDPartition
	Coordinates []Coordinate
	// LogStartOffset may lie inside the first coordinate; records below it are gone.
	LogStartOffset int64
	// FirstDirtyOffset: everything below was cleaned before.
	FirstDirtyOffset int64
	HighWatermark    int64
	NowMillis        int64 // the coordinator's time, which delete horizons are reckoned with
	// DeleteRetentionMillis is delete.retention.ms.
	DeleteRetentionMillis int64
	// MaxObjectBytes bounds one output object.
	MaxObjectBytes int64
	// ActiveProducers: the batch with a producer's last offset stays, empty if it must, so that its sequence is known.
	ActiveProducers []ProducerEnd
}

// ProducerEnd is where a producer's last batch in a partition ends.
type ProducerEnd struct {
	ProducerID    int64
	ProducerEpoch int16
	LastOffset    int64
}

// SweepWork is to list the objects of a fenced epoch, to ask every coordinator partition CheckReleased and to delete what all have released.
type SweepWork struct {
	Broker int32
	Epoch  int64
	Round  int32 // 1 for the first; the rounds have growing distances, for PUTs and lists that are late
}

// RenewWorkRequest names a lease.
type RenewWorkRequest struct {
	Coordinator int32
	Broker      int32
	BrokerEpoch int64
	Lease       int64
}

// RenewWorkResponse has the lease's new deadline.
type RenewWorkResponse struct {
	DeadlineMillis int64
}

// FailWorkRequest gives a lease back.
type FailWorkRequest struct {
	Coordinator int32
	Broker      int32
	BrokerEpoch int64
	Lease       int64
	// Cause for people; the coordinator keeps MaxWorkCause bytes of it.
	Cause string
	// Damaged names objects that are corrupt or missing, if that is the cause.
	Damaged []kafka.ObjectID
}

// MaxWorkCause bounds the text of a failure in bytes, MaxWorkDamaged how many objects it names.
const (
	MaxWorkCause   = 1024
	MaxWorkDamaged = 16
)

// FailWorkResponse says what becomes of the work.
type FailWorkResponse struct {
	Attempts    int32
	Parked      bool  // it failed too often and is not tried again for a long time, or until RetryWork
	RetryMillis int64 // when it is leased again at the earliest
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

// CompleteWorkRequest ends a lease with what was done.
type CompleteWorkRequest struct {
	Coordinator int32
	Broker      int32
	BrokerEpoch int64
	Lease       int64
	// Deleted objects of a WorkDelete lease, gone from storage. The others stay and are leased again.
	Deleted []kafka.ObjectID
	// Outputs are the objects that WorkMerge or WorkCompactKeys wrote, ids of this broker's epoch.
	Outputs []OutputObject
	// Segments say what takes whose place. A run that is not mentioned stays as it is.
	Segments []ReplacedSegment
	// DeleteHorizonMillis of WorkCompactKeys: when the first tombstone that was kept may go, 0 for none.
	DeleteHorizonMillis int64
	// SweptObjects of WorkSweep: how many uploads were deleted.
	SweptObjects int64
	// Cause of WorkDelete: why some objects stay that could be deleted, empty when there are none. At most MaxWorkCause bytes.
	Cause string
}

// OutputObject is an object that a job wrote. Its segments all belong to the coordinator partition of the lease.
type OutputObject struct {
	Object      kafka.ObjectID
	ObjectBytes int64
}

// ReplacedSegment has new coordinates for a leased run. A merge gives one or more that cover the range without a gap, a key compaction as many
// as have records left: offsets in between are holes.
type ReplacedSegment struct {
	Partition   kafka.TopicIDPartition
	BaseOffset  int64 // of the first input
	LastOffset  int64 // of the last input
	Inputs      int32 // how many coordinates are replaced
	Coordinates []Coordinate
}

// CompleteWorkResponse has one answer for each segment of the request: whether its coordinates are in force. The others' inputs changed meanwhile (the
// log start moved, the topic was deleted) and stay as they are; their part of the outputs is dead bytes. An output that nothing refers to is garbage,
// which the coordinator deletes: the job leaves it alone.
type CompleteWorkResponse struct {
	Swapped []bool
}
