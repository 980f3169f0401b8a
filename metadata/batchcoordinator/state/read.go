package state

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// ReadPartition returns the partition's state; one that nothing was appended to yet is empty and has no entry (false).
func ReadPartition(r statestore.Reader, tp kafka.TopicIDPartition) (Partition, bool) {
	v, ok := r.Get(appendPartitionKey(nil, prefixPartition, tp))
	if !ok {
		return newPartition(), false
	}
	return readPartition(v), true
}

// LiveData is the sum over partitions of what readers can have.
type LiveData struct{ Coordinates, Bytes int64 }

// SumPartitions adds up to n partitions from a key on, nil for the first, and returns where to go on, nil at the end.
func SumPartitions(r statestore.Reader, from []byte, n int, sum *LiveData) (next []byte) {
	if from == nil {
		from = []byte{prefixPartition}
	}
	r.Scan(from, []byte{prefixPartition + 1}, func(k, v []byte) bool {
		if n == 0 {
			next = append(next, k...)
			return false
		}
		n--
		p := readPartition(v)
		sum.Coordinates += p.Coordinates
		sum.Bytes += p.Bytes
		return true
	})
	return next
}

// TopicDeleted says whether the deletion of the topic id was followed.
func TopicDeleted(r statestore.Reader, id kafka.TopicID) bool {
	_, ok := r.Get(appendTopicKey(nil, prefixDeleted, id))
	return ok
}

// FindSegment looks up the coordinates from q.Offset on.
func FindSegment(r statestore.Reader, q *rpc.FindSegment) rpc.FindSegmentResult {
	if TopicDeleted(r, q.Partition.ID) {
		return rpc.FindSegmentResult{Error: kerr.UnknownTopicID.Code, LogStartOffset: -1, HighWatermark: -1, LastStableOffset: -1}
	}
	p, _ := ReadPartition(r, q.Partition)
	result := rpc.FindSegmentResult{LogStartOffset: p.LogStartOffset, HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset()}
	switch {
	case q.Offset < p.LogStartOffset || q.Offset > p.HighWatermark:
		result.Error = kerr.OffsetOutOfRange.Code
		return result
	case q.Offset == p.HighWatermark:
		return result
	}
	bytes := int64(0)
	scanCoordinates(r, q.Partition, q.Offset, func(c coordinate) bool {
		n := len(result.Coordinates)
		if n > 0 && (bytes+int64(c.Bytes) > q.MaxBytes || n >= int(q.MaxCoordinates)) {
			return false
		}
		bytes += int64(c.Bytes)
		result.Coordinates = append(result.Coordinates, c.Coordinate)
		return bytes < q.MaxBytes && n+1 < int(q.MaxCoordinates)
	})
	return result
}

// scanCoordinates goes through the coordinates from the one that holds offset on. Keys are last offsets: one seek.
func scanCoordinates(r statestore.Reader, tp kafka.TopicIDPartition, offset int64, fn func(coordinate) bool) {
	r.Scan(appendOffsetKey(nil, prefixCoordinate, tp, offset), appendOffsetKey(nil, prefixCoordinate, tp, math.MaxInt64),
		func(k, v []byte) bool { return fn(readCoordinate(k, v)) })
}

// ListOffset looks up bounds, and the coordinate for a timestamp.
func ListOffset(r statestore.Reader, q *rpc.ListOffset) rpc.ListOffsetResult {
	if TopicDeleted(r, q.Partition.ID) {
		return rpc.ListOffsetResult{Error: kerr.UnknownTopicID.Code, LogStartOffset: -1, HighWatermark: -1, LastStableOffset: -1}
	}
	p, _ := ReadPartition(r, q.Partition)
	result := rpc.ListOffsetResult{LogStartOffset: p.LogStartOffset, HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset()}
	timestamp := q.Timestamp
	if timestamp == rpc.MaxTimestamp {
		timestamp = p.MaxTimestamp
	}
	if timestamp < 0 {
		return result
	}
	lastOffset := int64(-1)
	r.Scan(appendOffsetKey(nil, prefixTime, q.Partition, timestamp), after(appendPartitionKey(nil, prefixTime, q.Partition)), func(_, v []byte) bool {
		lastOffset = readNumber(v, "time index")
		return false
	})
	if lastOffset < 0 {
		return result
	}
	scanCoordinates(r, q.Partition, lastOffset, func(c coordinate) bool {
		result.Found, result.Coordinate = true, c.Coordinate
		return false
	})
	return result
}

// DescribePartition tells size, bounds and producers.
func DescribePartition(r statestore.Reader, tp kafka.TopicIDPartition, producers bool) rpc.PartitionDescription {
	if TopicDeleted(r, tp.ID) {
		return rpc.PartitionDescription{Error: kerr.UnknownTopicID.Code}
	}
	p, _ := ReadPartition(r, tp)
	d := rpc.PartitionDescription{Bytes: p.Bytes, Coordinates: p.Coordinates, LogStartOffset: p.LogStartOffset, HighWatermark: p.HighWatermark}
	if !producers {
		return d
	}
	lo := appendPartitionKey(nil, prefixProducer, tp)
	r.Scan(lo, after(lo), func(k, v []byte) bool {
		pr := readProducer(v)
		d.Producers = append(d.Producers, rpc.ActiveProducer{ProducerID: numberAt(k, partitionKeyLen), ProducerEpoch: pr.epoch,
			LastSequence: pr.lastSequence(), LastTimestamp: pr.lastTimestamp})
		return true
	})
	return d
}

// Released says whether nothing here refers to the object, for ever.
func Released(r statestore.Reader, id kafka.ObjectID) bool {
	if v, ok := r.Get(appendObjectKey(nil, prefixObject, id)); ok {
		o := readObject(v)
		return o.refs == 0
	}
	// No entry: deleted, or never seen. A commit that would bring it is refused when the epoch is fenced or the
	// uploader has acknowledged the sequence; one that was made has left its result.
	if f := readFence(r); f.fenced(id.Epoch) {
		return true
	}
	if _, ok := r.Get(appendObjectKey(nil, prefixResult, id)); ok {
		return true
	}
	v, ok := r.Get(appendNumberKey(nil, prefixEpoch, id.Epoch))
	if !ok {
		return false
	}
	e := readBrokerEpoch(v)
	return id.Sequence < e.acknowledged
}

// NextWork is the time when LeaseWork can give something out, false when nothing waits for that.
func NextWork(r statestore.Reader, delayMillis int64) (atMillis int64, ok bool) {
	atMillis = math.MaxInt64
	r.Scan([]byte{prefixGarbage}, []byte{prefixGarbage + 1}, func(k, _ []byte) bool {
		atMillis, ok = numberAt(k, 1)+delayMillis, true
		return false
	})
	r.Scan([]byte{prefixLease}, []byte{prefixLease + 1}, func(_, v []byte) bool {
		l := readLease(v)
		atMillis, ok = min(atMillis, l.deadline), true
		return false
	})
	return atMillis, ok
}

// RetentionDue says whether ApplyRetention would remove something.
func RetentionDue(r statestore.Reader, keep PartitionRetention) bool {
	p, ok := ReadPartition(r, keep.Partition)
	if !ok || p.Coordinates == 0 {
		return false
	}
	due := false
	scanCoordinates(r, keep.Partition, p.LogStartOffset, func(c coordinate) bool {
		due = keep.MaxBytes >= 0 && p.Bytes-int64(c.Bytes) >= keep.MaxBytes || keep.Cutoff >= 0 && c.retentionTime() < keep.Cutoff
		return false
	})
	return due
}

// Topics lists the ids that have state here and whose deletion was not followed to its end.
func Topics(r statestore.Reader) []kafka.TopicID {
	var ids []kafka.TopicID
	for lo := []byte{prefixPartition}; ; {
		found := false
		r.Scan(lo, []byte{prefixPartition + 1}, func(k, _ []byte) bool {
			ids, found = append(ids, partitionOf(k).ID), true
			return false
		})
		if !found {
			return ids
		}
		lo = after(appendTopicKey(nil, prefixPartition, ids[len(ids)-1])) // one seek for each topic
	}
}

// ExpiredProducers lists up to limit producers that appended nothing after cutoff, looking at no more than
// maxScan from the place from on; next is where to go on, nil at the end.
func ExpiredProducers(r statestore.Reader, cutoff int64, from []byte, maxScan, limit int) (expired []PartitionProducer, next []byte) {
	if from == nil {
		from = []byte{prefixProducer}
	}
	scanned := 0
	r.Scan(from, []byte{prefixProducer + 1}, func(k, v []byte) bool {
		if scanned >= maxScan || len(expired) >= limit {
			next = append([]byte(nil), k...)
			return false
		}
		scanned++
		if p := readProducer(v); p.lastAppend <= cutoff {
			expired = append(expired, PartitionProducer{partitionOf(k), numberAt(k, partitionKeyLen)})
		}
		return true
	})
	return expired, next
}

// MetadataOffset is the newest offset of __metadata that a commit was checked with, -1 before the first.
func MetadataOffset(r statestore.Reader) int64 {
	v, ok := r.Get(scalarKey(nil, scalarMetadataOffset))
	if !ok {
		return -1
	}
	return readNumber(v, scalarMetadataOffset)
}

// Fenced is the state after the last FenceBrokers.
func Fenced(r statestore.Reader) FenceBrokers {
	f := readFence(r)
	return FenceBrokers{MetadataOffset: f.metadataOffset, Live: f.live}
}
