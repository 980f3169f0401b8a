package objectverify

import (
	"context"
	"encoding/binary"
	"fmt"
	"sort"
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// chunkBytes is what is read at once.
const chunkBytes = 4 << 20

var chunks = sync.Pool{New: func() any { b := make([]byte, chunkBytes); return &b }}

func damagedf(format string, args ...any) error { return &fault{Damaged, fmt.Sprintf(format, args...)} }

func mismatchf(format string, args ...any) error {
	return &fault{Mismatch, fmt.Sprintf(format, args...)}
}

// scanSegment reads a segment in chunks, checks its CRC, each batch and what its footer says of them, and calls each with every batch and its position in the object, and with
// what is wrong with its bytes, if something is. A batch larger than a chunk is in memory as a whole; nothing else is. buf is the chunk.
func scanSegment(ctx context.Context, b objectstorage.Bucket, key string, s objectformat.Segment, buf []byte, each func(position int64, b recordbatch.Batch, wrong error) error) error {
	var carry []byte // the beginning of a batch that goes on in the next chunk
	crc, at := uint32(0), s.Position
	sum := objectformat.Segment{MaxTimestamp: recordbatch.NoTimestamp, LastOffset: -1}
	for read := int64(0); read < s.Bytes; {
		chunk := buf[:min(int64(len(buf)), s.Bytes-read)]
		if err := b.GetRange(ctx, key, s.Position+read, chunk); err != nil {
			return storeError(key, err)
		}
		read += int64(len(chunk))
		crc = objectformat.UpdateCRC(crc, chunk)
		rest := chunk
		if len(carry) > 0 {
			carry = append(carry, chunk...)
			rest = carry
		}
		for len(rest) > 0 {
			size, err := batchSize(rest, at, s.Position+s.Bytes)
			if err != nil {
				return err
			}
			if size == 0 || size > int64(len(rest)) {
				break
			}
			batch := recordbatch.Batch(rest[:size:size])
			sum.Batches++
			sum.Records += int64(batch.RecordsCount())
			sum.MaxTimestamp = max(sum.MaxTimestamp, batch.MaxTimestamp())
			if err := each(at, batch, checkBatch(batch, at)); err != nil {
				return err
			}
			at, rest = at+size, rest[size:]
		}
		carry = append(carry[:0], rest...) // rest may lie in carry itself: append moves it as copy does
	}
	switch {
	case len(carry) > 0:
		return damagedf("segment of %s ends inside a batch, at byte %d", s.Partition, at)
	case crc != s.CRC:
		return damagedf("the CRC of the segment of %s at byte %d is %08x, the footer has %08x", s.Partition, s.Position, crc, s.CRC)
	case sum.Batches != s.Batches || sum.Records != s.Records || sum.MaxTimestamp != s.MaxTimestamp:
		return damagedf("the segment of %s at byte %d has %d batches, %d records and the greatest timestamp %d, the footer says %d, %d and %d", s.Partition, s.Position,
			sum.Batches, sum.Records, sum.MaxTimestamp, s.Batches, s.Records, s.MaxTimestamp)
	}
	return nil
}

// batchSize is the size of the batch that b begins with, at byte at of the object, 0 if b is too short to tell. end is the segment's.
func batchSize(b []byte, at, end int64) (int64, error) {
	const head = 12
	if end-at < recordbatch.HeaderBytes {
		return 0, damagedf("at byte %d, %d before the end of the segment, is no batch", at, end-at)
	}
	if len(b) < head {
		return 0, nil
	}
	size := int64(int32(binary.BigEndian.Uint32(b[8:]))) + head
	if size < recordbatch.HeaderBytes || size > end-at {
		return 0, damagedf("the batch at byte %d claims %d bytes, %d before the end of the segment", at, size, end-at)
	}
	return size, nil
}

func checkBatch(b recordbatch.Batch, at int64) error {
	if b.Magic() != 2 {
		return damagedf("the batch at byte %d has magic %d", at, b.Magic())
	}
	if got := b.ComputeCRC(); got != b.CRC() {
		return damagedf("the CRC of the batch at byte %d is %08x, stored is %08x", at, got, b.CRC())
	}
	return nil
}

// checkCoordinate compares a coordinate with its object. Its errors are *fault for what is wrong, others for a store that does not answer.
func (v *Verifier) checkCoordinate(ctx context.Context, tp kafka.TopicIDPartition, c *rpc.Coordinate) error {
	o, err := v.footers.get(ctx, c.Object)
	if err != nil {
		return err
	}
	end := c.Position + int64(c.Bytes)
	s, ok := segmentOf(o.footer, tp, c.Position, end)
	if !ok {
		return mismatchf("offsets %d to %d are bytes %d to %d, where the object (%d bytes, %d segments) has no segment of the partition", c.BaseOffset, c.LastOffset, c.Position, end,
			o.bytes, len(o.footer.Segments))
	}
	if c.IndexBytes != 0 && (c.IndexPosition != s.IndexPosition || c.IndexBytes != s.IndexBytes) {
		return mismatchf("offsets %d to %d have an index at bytes %d+%d, the footer says %d+%d", c.BaseOffset, c.LastOffset, c.IndexPosition, c.IndexBytes, s.IndexPosition, s.IndexBytes)
	}
	if c.Stamped && (c.BaseOffset > s.BaseOffset && c.Position == s.Position || c.LastOffset < s.LastOffset && end == s.Position+s.Bytes) {
		return mismatchf("the coordinate has offsets %d to %d, the footer says %d to %d", c.BaseOffset, c.LastOffset, s.BaseOffset, s.LastOffset)
	}
	if v.cfg.SkipBytes {
		return nil
	}
	return v.checkBatches(ctx, c, s)
}

// segmentOf is the partition's segment that holds the bytes from begin to end.
func segmentOf(f *objectformat.Footer, tp kafka.TopicIDPartition, begin, end int64) (objectformat.Segment, bool) {
	first := sort.Search(len(f.Segments), func(i int) bool { return objectformat.Compare(f.Segments[i].Partition, tp) >= 0 })
	for _, s := range f.Segments[first:] {
		if s.Partition != tp {
			break
		}
		if begin >= s.Position && end <= s.Position+s.Bytes {
			return s, true
		}
	}
	return objectformat.Segment{}, false
}

// checkBatches reads the segment and compares its batches with the coordinate and the index.
func (v *Verifier) checkBatches(ctx context.Context, c *rpc.Coordinate, s objectformat.Segment) error {
	key := c.Object.Key(v.cfg.Cluster)
	var index objectformat.Index
	if s.IndexBytes > 0 {
		var err error
		if index, err = readIndex(ctx, v.cfg.Bucket, key, s); err != nil {
			return err
		}
	}
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	w := walk{c: c, next: c.BaseOffset, timestamp: recordbatch.NoTimestamp, end: c.Position + int64(c.Bytes), index: index, segment: s}
	if err := scanSegment(ctx, v.cfg.Bucket, key, s, *buf, w.batch); err != nil {
		return err
	}
	return w.finish()
}

func readIndex(ctx context.Context, bucket objectstorage.Bucket, key string, s objectformat.Segment) (objectformat.Index, error) {
	b := make([]byte, s.IndexBytes)
	if err := bucket.GetRange(ctx, key, s.IndexPosition, b); err != nil {
		return nil, storeError(key, err)
	}
	index, err := objectformat.ParseIndex(b)
	if err != nil {
		return nil, formatError(fmt.Sprintf("the index at byte %d", s.IndexPosition), err)
	}
	return index, nil
}

// follow compares the next entry of an index with a batch that lies relative bytes behind its segment's beginning, and returns the entries that are left.
func follow(index objectformat.Index, relative, at int64, b recordbatch.Batch) (objectformat.Index, error) {
	if len(index) == 0 || relative != index[0].Position {
		return index, nil
	}
	if b.BaseOffset() != index[0].BaseOffset {
		return index[1:], mismatchf("the index says that the batch at byte %d begins at offset %d, it begins at %d", at, index[0].BaseOffset, b.BaseOffset())
	}
	return index[1:], nil
}

// walk compares the batches of a segment, one after the other, with a coordinate.
type walk struct {
	c         *rpc.Coordinate
	end       int64 // of the coordinate's bytes
	next      int64 // least base offset of the next batch
	batches   int32
	timestamp int64

	segment objectformat.Segment
	index   objectformat.Index // entries that were not come to
}

func (w *walk) batch(at int64, b recordbatch.Batch, wrong error) error {
	if wrong != nil {
		return wrong
	}
	var err error
	if w.index, err = follow(w.index, at-w.segment.Position, at, b); err != nil {
		return err
	}
	size := int64(len(b))
	if at+size <= w.c.Position || at >= w.end {
		return nil // refused batches, or another coordinate's
	}
	if at < w.c.Position || at+size > w.end {
		return mismatchf("the batch at bytes %d to %d is cut by the coordinate of offsets %d to %d, bytes %d to %d", at, at+size, w.c.BaseOffset, w.c.LastOffset, w.c.Position, w.end)
	}
	w.batches++
	w.timestamp = max(w.timestamp, b.MaxTimestamp())
	base := w.next
	if w.c.Stamped {
		base = b.BaseOffset()
	} else if int64(b.RecordsCount()) != int64(b.LastOffsetDelta())+1 {
		return damagedf("the batch at byte %d has %d records and ends %d offsets behind its first", at, b.RecordsCount(), b.LastOffsetDelta())
	}
	last := base + int64(b.LastOffsetDelta())
	if base < w.next || last < base || last > w.c.LastOffset {
		return mismatchf("the batch at byte %d has offsets %d to %d, in a coordinate of offsets %d to %d, after %d", at, base, last, w.c.BaseOffset, w.c.LastOffset, w.next-1)
	}
	w.next = last + 1
	return nil
}

func (w *walk) finish() error {
	c := w.c
	switch {
	case len(w.index) > 0:
		return mismatchf("the index says that a batch begins at byte %d, none does", w.segment.Position+w.index[0].Position)
	case w.batches != c.Batches:
		return mismatchf("offsets %d to %d have %d batches, %d were committed", c.BaseOffset, c.LastOffset, w.batches, c.Batches)
	case !c.Stamped && w.next != c.LastOffset+1:
		return mismatchf("the batches of the coordinate of offsets %d to %d end at %d", c.BaseOffset, c.LastOffset, w.next-1)
	case c.AppendTimestamp < 0 && w.timestamp != c.MaxTimestamp:
		return mismatchf("offsets %d to %d have the greatest timestamp %d, %d was committed", c.BaseOffset, c.LastOffset, w.timestamp, c.MaxTimestamp)
	}
	return nil
}
