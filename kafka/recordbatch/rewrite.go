package recordbatch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// deleteHorizonBit says that the base timestamp is the time after which the batch's tombstones may go (KIP-534).
const deleteHorizonBit = 0x40

// DeleteHorizon is the time after which a key compaction may remove the batch's tombstones, if a compaction has set one.
func (b Batch) DeleteHorizon() (millis int64, ok bool) {
	return b.BaseTimestamp(), b[attributesAt+1]&deleteHorizonBit != 0
}

// Rewrite appends b to dst with only those records for which keep is true, which is asked for each in order; r is valid during the call. Offsets, timestamps,
// producer, sequence, codec and flags stay; the batch ends at its last offset all the same. deleteHorizon, if it is not NoTimestamp, is set; one that b has stays otherwise.
// Without a record left the batch is what Kafka keeps of one: a header.
func (b Batch) Rewrite(dst []byte, deleteHorizon int64, keep func(r *Record) bool) ([]byte, error) {
	base := b.BaseTimestamp()
	attributes := b.Attributes()
	if deleteHorizon != NoTimestamp {
		base, attributes = deleteHorizon, attributes|deleteHorizonBit
	}
	var records []byte
	count, greatest := int32(0), NoTimestamp
	for r, err := range b.Records() {
		if err != nil {
			return dst, err
		}
		if !keep(&r) {
			continue
		}
		records = appendRecord(records, &r, base)
		greatest = max(greatest, r.Timestamp)
		count++
	}
	if b.IsLogAppendTime() || count == 0 {
		greatest = b.MaxTimestamp()
	}
	if count == 0 {
		base, attributes = greatest, attributes&^(codecMask|deleteHorizonBit)
	}
	start := len(dst)
	dst = append(dst, b[:HeaderBytes]...)
	var err error
	if dst, err = appendCompressed(dst, Codec(attributes&codecMask), records); err != nil {
		return dst[:start], err
	}
	out := Batch(dst[start:])
	binary.BigEndian.PutUint32(out[lengthAt:], uint32(len(out)-logOverhead))
	binary.BigEndian.PutUint16(out[attributesAt:], uint16(attributes))
	binary.BigEndian.PutUint64(out[baseTimestampAt:], uint64(base))
	binary.BigEndian.PutUint64(out[maxTimestampAt:], uint64(greatest))
	binary.BigEndian.PutUint32(out[recordsCountAt:], uint32(count))
	out.UpdateCRC()
	return dst, nil
}

// Compressors are pooled: their tables are larger than most batches.
var (
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4Writers  = sync.Pool{New: func() any {
		w := lz4.NewWriter(nil)
		// As Java's writer: blocks of 64 KiB without a checksum of the whole.
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1)); err != nil {
			panic(err) // only the options can be wrong
		}
		return w
	}}
	zstdEncoders = sync.Pool{New: func() any {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // only the options can be wrong
		}
		return w
	}}
)

// xerialBlock is how much Java's snappy streams put into one block.
const xerialBlock = 32 << 10

// appendCompressed appends records to dst as a codec has them, in the framings that every client reads.
func appendCompressed(dst []byte, c Codec, records []byte) ([]byte, error) {
	if len(records) == 0 {
		return dst, nil
	}
	out := bytes.NewBuffer(dst)
	var w io.WriteCloser
	switch c {
	case None:
		return append(dst, records...), nil
	case Snappy:
		dst = append(append(dst, xerialMagic...), 0, 0, 0, 1, 0, 0, 0, 1)
		for len(records) > 0 {
			block := snappy.Encode(nil, records[:min(len(records), xerialBlock)])
			records = records[min(len(records), xerialBlock):]
			dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(block))), block...)
		}
		return dst, nil
	case Zstd:
		z := zstdEncoders.Get().(*zstd.Encoder)
		defer zstdEncoders.Put(z)
		return z.EncodeAll(records, dst), nil
	case Gzip:
		z := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(z)
		z.Reset(out)
		w = z
	case LZ4:
		z := lz4Writers.Get().(*lz4.Writer)
		defer lz4Writers.Put(z)
		z.Reset(out)
		w = z
	default:
		return dst, fmt.Errorf("compression type %d is not known", c)
	}
	if _, err := w.Write(records); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return out.Bytes(), nil
}
