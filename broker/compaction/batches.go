package compaction

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/rpc"
)

// batches cuts the bytes of one coordinate, which come in pieces, into batches, checks each and gives it the header that a reader would see.
type batches struct {
	c     rpc.Coordinate
	left  int64  // bytes that have not come
	carry []byte // of a batch that the pieces cut in two
	next  int64  // least base offset of the next batch
	count int32
}

func newBatches(c rpc.Coordinate) *batches {
	return &batches{c: c, left: int64(c.Bytes), next: c.BaseOffset}
}

// minHead is what tells a batch's size.
const minHead = 12

// feed calls f for each batch that ends in data. f may keep neither the batch nor change its size.
func (s *batches) feed(data []byte, f func(recordbatch.Batch) error) error {
	s.left -= int64(len(data))
	for len(data) > 0 {
		if len(s.carry) == 0 {
			size, err := s.size(data, int64(len(data))+s.left)
			if err != nil {
				return err
			}
			if size > 0 && size <= int64(len(data)) {
				if err := s.batch(data[:size:size], f); err != nil {
					return err
				}
				data = data[size:]
				continue
			}
		}
		// A batch that is cut: its size first, then the rest of it.
		want := int64(minHead)
		if len(s.carry) >= minHead {
			size, err := s.size(s.carry, int64(len(s.carry)+len(data))+s.left)
			if err != nil {
				return err
			}
			want = size
		}
		n := min(want-int64(len(s.carry)), int64(len(data)))
		s.carry, data = append(s.carry, data[:n]...), data[n:]
		if int64(len(s.carry)) == want && want > minHead {
			if err := s.batch(s.carry, f); err != nil {
				return err
			}
			s.carry = s.carry[:0]
		}
	}
	return nil
}

// size is the size of the batch that b begins with, 0 if b is too short to tell. There are so many bytes from its first one to the coordinate's end.
func (s *batches) size(b []byte, toEnd int64) (int64, error) {
	if toEnd < recordbatch.HeaderBytes {
		return 0, corrupt(s.c.Object, "%d bytes at the end of the segment at %d are no batch", toEnd, s.c.Position)
	}
	if len(b) < minHead {
		return 0, nil
	}
	size := int64(int32(binary.BigEndian.Uint32(b[8:]))) + minHead
	if size < recordbatch.HeaderBytes || size > toEnd {
		return 0, corrupt(s.c.Object, "a batch of %d bytes, %d before the end of the segment at %d", size, toEnd, s.c.Position)
	}
	return size, nil
}

func (s *batches) batch(b recordbatch.Batch, f func(recordbatch.Batch) error) error {
	if b.Magic() != 2 {
		return corrupt(s.c.Object, "a batch of magic %d in the segment at %d", b.Magic(), s.c.Position)
	}
	if got := b.ComputeColdCRC(); got != b.CRC() {
		return corrupt(s.c.Object, "the CRC of a batch near offset %d is %08x, stored is %08x", s.next, got, b.CRC())
	}
	if !s.c.Stamped {
		b.SetBaseOffset(s.next)
		b.SetPartitionLeaderEpoch(kafka.LeaderEpoch)
		if s.c.AppendTimestamp >= 0 {
			b.SetLogAppendTime(s.c.AppendTimestamp)
		}
	}
	base, last := b.BaseOffset(), b.LastOffset()
	if base < s.next || last < base || last > s.c.LastOffset {
		return corrupt(s.c.Object, "a batch with offsets %d to %d in a segment of %d to %d, after %d", base, last, s.c.BaseOffset, s.c.LastOffset, s.next-1)
	}
	s.next = last + 1
	s.count++
	return f(b)
}

// end says whether everything came.
func (s *batches) end() error {
	switch {
	case s.left != 0 || len(s.carry) != 0:
		return corrupt(s.c.Object, "the segment at %d ends inside a batch", s.c.Position)
	case s.count != s.c.Batches:
		return corrupt(s.c.Object, "the segment at %d has %d batches, %d were committed", s.c.Position, s.count, s.c.Batches)
	case !s.c.Stamped && s.next != s.c.LastOffset+1:
		return corrupt(s.c.Object, "the segment at %d ends at offset %d, %d was committed", s.c.Position, s.next-1, s.c.LastOffset)
	}
	return nil
}
