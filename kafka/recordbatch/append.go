package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
)

// Append appends one batch to dst: not compressed, CreateTime, of no producer, with a correct CRC. The records' offset deltas ascend and may have gaps, as after a
// key compaction; the batch ends at lastOffsetDelta all the same. Without records it is what Kafka keeps of a batch whose records are all gone: consumers go on after it.
func Append(dst []byte, baseOffset int64, lastOffsetDelta, leaderEpoch int32, records []Record) []byte {
	base, greatest := NoTimestamp, NoTimestamp
	if len(records) > 0 {
		base = records[0].Timestamp
	}
	start := len(dst)
	dst = append(dst, make([]byte, HeaderBytes)...)
	for i := range records {
		greatest = max(greatest, records[i].Timestamp)
		dst = appendRecord(dst, &records[i], base)
	}
	b := dst[start:]
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-logOverhead))
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(leaderEpoch))
	b[magicAt] = magicV2
	binary.BigEndian.PutUint32(b[lastOffsetDeltaAt:], uint32(lastOffsetDelta))
	binary.BigEndian.PutUint64(b[baseTimestampAt:], uint64(base))
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(greatest))
	binary.BigEndian.PutUint64(b[producerIDAt:], math.MaxUint64)    // NoProducerID
	binary.BigEndian.PutUint16(b[producerEpochAt:], math.MaxUint16) // NoProducerEpoch
	binary.BigEndian.PutUint32(b[baseSequenceAt:], math.MaxUint32)  // NoSequence
	binary.BigEndian.PutUint32(b[recordsCountAt:], uint32(len(records)))
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[attributesAt:], castagnoli))
	return dst
}

func appendRecord(b []byte, r *Record, baseTimestamp int64) []byte {
	b = binary.AppendVarint(b, int64(recordBody(r, baseTimestamp)))
	b = append(b, 0) // attributes: none are defined
	b = binary.AppendVarint(b, r.Timestamp-baseTimestamp)
	b = binary.AppendVarint(b, int64(r.OffsetDelta))
	b = appendNullable(b, r.Key)
	b = appendNullable(b, r.Value)
	b = binary.AppendVarint(b, int64(len(r.Headers)))
	for i := range r.Headers {
		b = binary.AppendVarint(b, int64(len(r.Headers[i].Key)))
		b = append(b, r.Headers[i].Key...)
		b = appendNullable(b, r.Headers[i].Value)
	}
	return b
}

func appendNullable(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

// RecordBytes is what Append adds to a batch for r; baseTimestamp is the first record's.
func RecordBytes(r *Record, baseTimestamp int64) int {
	n := recordBody(r, baseTimestamp)
	return varintBytes(int64(n)) + n
}

func recordBody(r *Record, baseTimestamp int64) int {
	n := 1 + varintBytes(r.Timestamp-baseTimestamp) + varintBytes(int64(r.OffsetDelta)) + nullableBytes(r.Key) + nullableBytes(r.Value) + varintBytes(int64(len(r.Headers)))
	for i := range r.Headers {
		n += varintBytes(int64(len(r.Headers[i].Key))) + len(r.Headers[i].Key) + nullableBytes(r.Headers[i].Value)
	}
	return n
}

func nullableBytes(v []byte) int {
	if v == nil {
		return 1 // -1
	}
	return varintBytes(int64(len(v))) + len(v)
}

// varintBytes is the length of v as a zigzag varint.
func varintBytes(v int64) int { return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7 }
