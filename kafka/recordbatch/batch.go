package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
)

// Positions of the header's fields.
const (
	baseOffsetAt      = 0
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	recordsCountAt    = 57

	// HeaderBytes is the size of a batch's header; the records follow.
	HeaderBytes = 61
	// logOverhead is what the length field does not count.
	logOverhead = 12
	// upToMagic are the bytes that every format version has in common.
	upToMagic = 17
	// minLength is the smallest length that Kafka accepts for any magic (a record of magic 0).
	minLength = 14
)

// Values that mean "none".
const (
	NoTimestamp     int64 = -1
	NoProducerID    int64 = -1
	NoProducerEpoch int16 = -1
	NoSequence      int32 = -1
)

const (
	codecMask        = 0x07
	logAppendTimeBit = 0x08
	transactionalBit = 0x10
	controlBit       = 0x20
	magicV2          = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec is a compression type, numbered as in a batch's attributes.
type Codec int8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return "unknown"
}

// Batch is one whole record batch. Its methods may be called on bytes that Next returned, or whose length is at least HeaderBytes.
type Batch []byte

// BaseOffset is the offset of the first record.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[baseOffsetAt:])) }

// Length is the length field: the batch's bytes after it.
func (b Batch) Length() int32 { return int32(binary.BigEndian.Uint32(b[lengthAt:])) }

// Size is the whole batch in bytes, as its length field says.
func (b Batch) Size() int { return logOverhead + int(b.Length()) }

// PartitionLeaderEpoch is outside the CRC.
func (b Batch) PartitionLeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[leaderEpochAt:])) }

// Magic is the format version, 2.
func (b Batch) Magic() int8 { return int8(b[magicAt]) }

// CRC is the stored CRC32C of everything from the attributes on.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[crcAt:]) }

// ComputeCRC reads the whole batch.
func (b Batch) ComputeCRC() uint32 { return crc32.Checksum(b[attributesAt:], castagnoli) }

// Attributes are the flags as they are stored.
func (b Batch) Attributes() int16 { return int16(binary.BigEndian.Uint16(b[attributesAt:])) }

// Codec is how the records are compressed; it may be a number that no codec has.
func (b Batch) Codec() Codec { return Codec(b[attributesAt+1] & codecMask) }

// IsLogAppendTime says that MaxTimestamp is the timestamp of every record.
func (b Batch) IsLogAppendTime() bool { return b[attributesAt+1]&logAppendTimeBit != 0 }

// IsTransactional says that the batch belongs to a transaction.
func (b Batch) IsTransactional() bool { return b[attributesAt+1]&transactionalBit != 0 }

// IsControl says that the records are control records (transaction markers).
func (b Batch) IsControl() bool { return b[attributesAt+1]&controlBit != 0 }

// LastOffsetDelta is the last record's offset less the base offset.
func (b Batch) LastOffsetDelta() int32 {
	return int32(binary.BigEndian.Uint32(b[lastOffsetDeltaAt:]))
}

// LastOffset is the offset of the last record (before a compaction removed it).
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// BaseTimestamp is what the records' timestamps are relative to.
func (b Batch) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[baseTimestampAt:])) }

// MaxTimestamp is the greatest timestamp of the records, or their append time.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[maxTimestampAt:])) }

// ProducerID is -1 for none.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[producerIDAt:])) }

// ProducerEpoch is -1 for none.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[producerEpochAt:])) }

// BaseSequence is the producer's sequence number of the first record, -1 for none.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[baseSequenceAt:])) }

// RecordsCount is how many records the header claims.
func (b Batch) RecordsCount() int32 { return int32(binary.BigEndian.Uint32(b[recordsCountAt:])) }

// SetBaseOffset writes the base offset, which the CRC does not cover.
func (b Batch) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(offset))
}

// SetPartitionLeaderEpoch writes the leader epoch, which the CRC does not cover.
func (b Batch) SetPartitionLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(epoch))
}

// SetLogAppendTime makes millis the timestamp of every record and corrects the CRC.
func (b Batch) SetLogAppendTime(millis int64) { b.setMaxTimestamp(true, millis) }

// SetCreateTime makes the records' own timestamps count, the greatest of which is maxMillis, and corrects the CRC.
func (b Batch) SetCreateTime(maxMillis int64) { b.setMaxTimestamp(false, maxMillis) }

func (b Batch) setMaxTimestamp(logAppendTime bool, millis int64) {
	if b.IsLogAppendTime() == logAppendTime && b.MaxTimestamp() == millis {
		return // As most often: the CRC need not be computed over the whole batch once more.
	}
	if logAppendTime {
		b[attributesAt+1] |= logAppendTimeBit
	} else {
		b[attributesAt+1] &^= logAppendTimeBit
	}
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(millis))
	b.UpdateCRC()
}

// UpdateCRC stores the CRC of the batch as it is now.
func (b Batch) UpdateCRC() { binary.BigEndian.PutUint32(b[crcAt:], b.ComputeCRC()) }

// LastSequence is the sequence number of the last record, which wraps around to 0 after the greatest int32.
func (b Batch) LastSequence() int32 {
	if b.BaseSequence() == NoSequence {
		return NoSequence
	}
	return IncrementSequence(b.BaseSequence(), b.LastOffsetDelta())
}

// IncrementSequence adds to a sequence number as producers do: after 2147483647 comes 0.
func IncrementSequence(sequence, increment int32) int32 {
	return int32((int64(sequence) + int64(increment)) % (1 << 31))
}
