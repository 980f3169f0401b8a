package api

import (
	"math"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Bounds of one batch, so that a client that seeks into one has little to pass over.
const (
	maxBatchRecords = 1000
	maxBatchBytes   = 64 << 10
)

// encodeBatches appends records to dst as record batches, in order, while they fit in maxBytes; with atLeastOne the first record is taken even if it does not
// fit. Gaps of a compacted topic are gaps inside a batch, as Kafka leaves them.
func encodeBatches(dst []byte, records []raftlog.Record, maxBytes int, atLeastOne bool) []byte {
	var batch []recordbatch.Record
	for len(records) > 0 {
		n, size := 0, recordbatch.HeaderBytes
		batch = batch[:0]
		for n < len(records) && n < maxBatchRecords {
			r := &records[n]
			delta := r.Offset - records[0].Offset
			if delta > math.MaxInt32 {
				break
			}
			next := recordbatch.Record{OffsetDelta: int32(delta), Timestamp: r.TimestampMillis, Key: r.Key, Value: r.Value}
			grown := size + recordbatch.RecordBytes(&next, records[0].TimestampMillis)
			if n > 0 && grown > maxBatchBytes || grown > maxBytes && !(n == 0 && atLeastOne) {
				break
			}
			batch = append(batch, next)
			n, size = n+1, grown
		}
		if n == 0 {
			return dst
		}
		dst = recordbatch.Append(dst, records[0].Offset, batch[n-1].OffsetDelta, kafka.LeaderEpoch, batch)
		records, maxBytes, atLeastOne = records[n:], maxBytes-size, false
	}
	return dst
}

// emptyBatch tells a consumer that nothing is left from offset to below end: a compaction may remove the last records of a topic, and a client that reads up to
// the end, or shows its lag, would otherwise never get there.
func emptyBatch(offset, end int64) []byte {
	return recordbatch.Append(nil, offset, int32(min(end-1-offset, math.MaxInt32)), kafka.LeaderEpoch, nil)
}
