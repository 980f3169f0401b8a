package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/rpc"
)

// A commit's result is kept until its uploader acknowledges it. Most batches follow the one before: an accepted batch
// is a step from the last base offset, two or three bytes.

const (
	batchAccepted = iota
	batchDuplicate
	batchRefused
)

func appendResult(b []byte, r *rpc.ObjectResult) []byte {
	b = append(b, valueVersion)
	b = binary.AppendUvarint(b, uint64(len(r.Segments)))
	for i := range r.Segments {
		s := &r.Segments[i]
		b = binary.AppendVarint(b, int64(s.Error))
		b = binary.AppendVarint(b, s.LogStartOffset)
		b = binary.AppendUvarint(b, uint64(len(s.Batches)))
		last, time := s.LogStartOffset, int64(-1)
		for j := range s.Batches {
			e := &s.Batches[j]
			switch {
			case e.Error != 0:
				b = binary.AppendVarint(append(b, batchRefused), int64(e.Error))
				continue
			case e.Duplicate:
				b = append(b, batchDuplicate)
			default:
				b = append(b, batchAccepted)
			}
			b = binary.AppendVarint(b, e.BaseOffset-last)
			b = binary.AppendVarint(b, e.AppendTimestamp-time)
			last, time = e.BaseOffset, e.AppendTimestamp
		}
	}
	return b
}

func readResult(v []byte) rpc.ObjectResult {
	r := readValue(v, "commit result")
	result := rpc.ObjectResult{Segments: make([]rpc.SegmentResult, r.count())}
	for i := range result.Segments {
		s := rpc.SegmentResult{Error: int16(r.int()), LogStartOffset: r.int()}
		if n := r.count(); n > 0 {
			s.Batches = make([]rpc.BatchResult, n)
		}
		last, time := s.LogStartOffset, int64(-1)
		for j := range s.Batches {
			e := &s.Batches[j]
			kind := r.uint()
			if kind == batchRefused {
				*e = rpc.BatchResult{Error: int16(r.int()), BaseOffset: -1, AppendTimestamp: -1}
				continue
			}
			last += r.int()
			time += r.int()
			*e = rpc.BatchResult{Duplicate: kind == batchDuplicate, BaseOffset: last, AppendTimestamp: time}
		}
		result.Segments[i] = s
	}
	return result
}
