package cachemanager

import (
	"fmt"
	"sort"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/rpc"
)

// segment is one coordinate's batches, checked and with their offsets, ready to be sent.
type segment struct {
	base    int64
	batches []batchEnd
	whole   []byte   // where the batches lie one after the other, else nil
	pieces  [][]byte // one for each batch, where they lie apart
	done    bool     // a reader has read it to its end; guarded by cache.mu
}

// batchEnd is where a batch ends.
type batchEnd struct {
	lastOffset int64
	end        int32 // in the segment
}

// stamper writes offsets into one coordinate's batches, one after the other.
type stamper struct {
	c    *rpc.Coordinate
	next int64 // offset
	s    *segment
	end  int32
}

func newStamper(c *rpc.Coordinate) stamper {
	return stamper{c: c, next: c.BaseOffset, s: &segment{base: c.BaseOffset, batches: make([]batchEnd, 0, max(0, min(c.Batches, 1<<16)))}}
}

// stamp writes a batch's header, or checks it where it was written by whoever made the object.
func (s *stamper) stamp(b recordbatch.Batch) error {
	if s.c.Stamped {
		if b.BaseOffset() < s.next || b.LastOffset() > s.c.LastOffset {
			return fmt.Errorf("%w: a batch of offsets %d to %d where %d to %d are", kerr.CorruptMessage, b.BaseOffset(), b.LastOffset(), s.next, s.c.LastOffset)
		}
		s.next = b.BaseOffset()
	} else {
		// What is right already may be on its way to a reader of another piece of the segment, and is not written to.
		if b.BaseOffset() != s.next {
			b.SetBaseOffset(s.next)
		}
		if b.PartitionLeaderEpoch() != kafka.LeaderEpoch {
			b.SetPartitionLeaderEpoch(kafka.LeaderEpoch)
		}
		if s.c.AppendTimestamp >= 0 {
			b.SetLogAppendTime(s.c.AppendTimestamp)
		}
	}
	s.next += int64(b.LastOffsetDelta()) + 1
	s.end += int32(len(b))
	s.s.batches = append(s.s.batches, batchEnd{s.next - 1, s.end})
	return nil
}

// finish checks the whole. A stamped segment may lack offsets at its end, too.
func (s *stamper) finish() (*segment, error) {
	if s.c.Batches >= 0 && len(s.s.batches) != int(s.c.Batches) {
		return nil, fmt.Errorf("%w: %d batches, the coordinate says %d", kerr.CorruptMessage, len(s.s.batches), s.c.Batches)
	}
	if !s.c.Stamped && s.next != s.c.LastOffset+1 {
		return nil, fmt.Errorf("%w: batches up to offset %d, the coordinate says up to %d", kerr.CorruptMessage, s.next-1, s.c.LastOffset)
	}
	return s.s, nil
}

// readSegment checks what came from object storage, every batch against its CRC, and only then writes into it.
func readSegment(c *rpc.Coordinate, data []byte) (*segment, error) {
	s := newStamper(c)
	for rest := data; len(rest) > 0; {
		b, after, err := recordbatch.Next(rest)
		if err != nil {
			return nil, fmt.Errorf("byte %d: %w", len(data)-len(rest), err)
		}
		if b.Magic() != 2 || b.LastOffsetDelta() < 0 {
			return nil, fmt.Errorf("byte %d: %w: magic %d", len(data)-len(rest), kerr.CorruptMessage, b.Magic())
		}
		if crc := b.ComputeColdCRC(); crc != b.CRC() {
			return nil, fmt.Errorf("byte %d: %w: CRC %08x, computed %08x", len(data)-len(rest), kerr.CorruptMessage, b.CRC(), crc)
		}
		if err := s.stamp(b); err != nil {
			return nil, fmt.Errorf("byte %d: %w", len(data)-len(rest), err)
		}
		rest = after
	}
	s.s.whole = data
	return s.finish()
}

// uploadedSegment is a segment of this broker's own upload, whose batches were checked when they were produced.
func uploadedSegment(c *rpc.Coordinate, batches []slab.Ref) (*segment, error) {
	s := newStamper(c)
	s.s.pieces = make([][]byte, 0, len(batches))
	for _, ref := range batches {
		for b, err := range recordbatch.All(ref.B) {
			if err != nil {
				return nil, err
			}
			if err := s.stamp(b); err != nil {
				return nil, err
			}
			s.s.pieces = append(s.s.pieces, b)
		}
	}
	if s.end != c.Bytes {
		return nil, fmt.Errorf("%w: batches of %d bytes, the coordinate says %d", kerr.CorruptMessage, s.end, c.Bytes)
	}
	return s.finish()
}

// take appends the batches from the one that holds offset on, as many as fit into limit; one at least if force is set. It
// returns their bytes and the offset after them; complete says that the segment's end was reached.
func (s *segment) take(out [][]byte, offset int64, limit int, force bool) (slices [][]byte, bytes int, next int64, complete bool) {
	first, start := s.find(offset)
	if first == len(s.batches) {
		return out, 0, offset, true
	}
	n := sort.Search(len(s.batches)-first, func(i int) bool { return int(s.batches[first+i].end-start) > limit })
	if n == 0 {
		if !force {
			return out, 0, offset, false
		}
		n = 1
	}
	last := s.batches[first+n-1]
	if s.whole != nil {
		out = append(out, s.whole[start:last.end:last.end])
	} else {
		out = append(out, s.pieces[first:first+n]...)
	}
	return out, int(last.end - start), last.lastOffset + 1, first+n == len(s.batches)
}

// find is the first batch with offset or a later one, and where it begins; past the last one if there is none.
func (s *segment) find(offset int64) (first int, start int32) {
	first = sort.Search(len(s.batches), func(i int) bool { return s.batches[i].lastOffset >= offset })
	if first > 0 {
		start = s.batches[first-1].end
	}
	return first, start
}

// bytesFrom counts the bytes of the batches from the one on that take would begin with.
func (s *segment) bytesFrom(offset int64) int64 {
	if first, start := s.find(offset); first < len(s.batches) {
		return int64(s.batches[len(s.batches)-1].end - start)
	}
	return 0
}
