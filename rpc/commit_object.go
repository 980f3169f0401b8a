package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// ObjectCommitter is the arrow Batch Processor -> Batch Coordinator.
type ObjectCommitter interface {
	// CommitObjects gives offsets to the batches of uploaded objects, in the order of the request. Each object is atomic
	// and idempotent by its id: a repeated call returns the first result. The whole call fails only before any object
	// was committed (kerr.NotCoordinator, kerr.StaleBrokerEpoch for a fenced epoch, kerr.ThrottlingQuotaExceeded) or with
	// kafka.ErrUnknownOutcome, after which the caller asks again with the same request.
	CommitObjects(ctx context.Context, req *CommitObjectsRequest) (*CommitObjectsResponse, error)
}

// CommitObjectsRequest goes to one partition of __batch_coordinates and names only segments that it owns.
type CommitObjectsRequest struct {
	Coordinator    int32 // partition of __batch_coordinates
	Broker         int32
	BrokerEpoch    int64
	MetadataOffset int64 // offset of __metadata that the segments' topics were read at; the callee waits for it
	// AcknowledgedBelow says that the uploader knows the results of all its objects with a lower sequence, so that
	// the coordinator may forget them.
	AcknowledgedBelow int64
	Objects           []ObjectCommit
}

// ObjectCommit is one uploaded object's part for one coordinator partition.
type ObjectCommit struct {
	Object      kafka.ObjectID
	ObjectBytes int64
	// Coordinators are all partitions of __batch_coordinates that own a segment of the object, ascending. The object may be deleted only after
	// each of them has released it.
	Coordinators []int32
	Segments     []SegmentCommit
}

// SegmentCommit is one partition's bytes inside an object: whole v2 record batches, one after the other.
type SegmentCommit struct {
	Partition kafka.TopicIDPartition
	Position  int64 // of the first batch in the object
	// LogAppendTime: the coordinator's time is the timestamp of every record (message.timestamp.type).
	LogAppendTime bool
	Batches       []BatchCommit
}

// BatchCommit is what the coordinator needs to know of one batch's header.
type BatchCommit struct {
	Bytes         int32
	Records       int32 // lastOffsetDelta + 1
	MaxTimestamp  int64
	ProducerID    int64 // -1 for none
	ProducerEpoch int16
	BaseSequence  int32
}

// CommitObjectsResponse has one result for each object and segment of the request, in its order.
type CommitObjectsResponse struct {
	Objects []ObjectResult
}

// ObjectResult is the result of one object.
type ObjectResult struct {
	Segments []SegmentResult
}

// SegmentResult is the result of one segment. Error is 0 or says that the whole segment was refused (UNKNOWN_TOPIC_ID).
type SegmentResult struct {
	Error          int16
	LogStartOffset int64
	Batches        []BatchResult
}

// BatchResult is the fate of one batch.
type BatchResult struct {
	Error      int16 // 0, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, ...
	Duplicate  bool  // BaseOffset is that of the first copy; these bytes are dead. -1 when the first copy is known but too old to remember its offset.
	BaseOffset int64
	// AppendTimestamp is the coordinator's time for LogAppendTime, else -1.
	AppendTimestamp int64
}
