package topics

import "github.com/inkwell-project/inkwell/kafka"

// The records of __batch_coordinates.c say what happened, offsets and times assigned. The topic keeps a bounded tail; history is in the
// coordinator's state and asked with Find Segment. Keys: object/<epoch>-<sequence>, partition/<topic id>/<partition>, topic/<topic id>, broker/<id>.

// ObjectCommitted lists the coordinates that an object brought. Segments whose batches were all refused or duplicates are absent.
type ObjectCommitted struct {
	Object      kafka.ObjectID
	ObjectBytes int64
	Segments    []CommittedSegment
}

// CommittedSegment has the new coordinates of one partition in offset order; a refused batch splits a segment in two coordinates.
type CommittedSegment struct {
	Partition   kafka.TopicIDPartition
	Coordinates []CommittedCoordinate
}

// CommittedCoordinate is rpc.Coordinate without the object.
type CommittedCoordinate struct {
	Position        int64
	Bytes           int32
	BaseOffset      int64
	LastOffset      int64
	MaxTimestamp    int64
	AppendTimestamp int64
	Batches         int32
	Stamped         bool // the headers in the object have their offsets and append times
	IndexPosition   int64
	IndexBytes      int32
}

// CoordinatesReplaced says that the coordinates between two offsets, both included, have others in their place: a job wrote the same records (merge) or
// the latest of each key (key compaction) anew. Offsets that no new coordinate covers have no records any more.
type CoordinatesReplaced struct {
	Partition   kafka.TopicIDPartition
	BaseOffset  int64
	LastOffset  int64
	Coordinates []ReplacingCoordinate
}

// ReplacingCoordinate is a coordinate and its object.
type ReplacingCoordinate struct {
	Object kafka.ObjectID
	CommittedCoordinate
}

// LogStartMoved says that a partition's records below LogStartOffset are gone.
type LogStartMoved struct {
	Partition      kafka.TopicIDPartition
	LogStartOffset int64
	Reason         LogStartReason
}

// LogStartReason says why a log start moved.
type LogStartReason int8

// The reasons.
const (
	ReasonDeleteRecords LogStartReason = iota + 1
	ReasonRetentionTime
	ReasonRetentionBytes
)

// TopicDeleted says that the deletion of a topic id was followed: all its coordinates are gone, for ever.
type TopicDeleted struct {
	ID kafka.TopicID
}

// ObjectsReleased lists objects that no coordinate refers to any more.
type ObjectsReleased struct {
	Objects []kafka.ObjectID
}

// ObjectsDeleted lists objects that are gone from object storage.
type ObjectsDeleted struct {
	Objects []kafka.ObjectID
}

// BrokerFenced says that commits of this broker with an epoch below MinEpoch are refused from here on.
type BrokerFenced struct {
	Broker   int32
	MinEpoch int64
}
