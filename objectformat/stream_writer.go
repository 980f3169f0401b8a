package objectformat

import (
	"fmt"
	"io"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// StreamWriter writes an object of version 2 while it is made, so that its size does not matter to memory: what it keeps is footer and indexes. Jobs write with it.
// Batches have their final headers: real base offsets, append times.
type StreamWriter struct {
	out     io.Writer
	footer  Footer
	indexes []Index // of each segment, nil for small ones
	index   Index   // of the open segment
	open    bool
	written int64
}

// NewStreamWriter begins an object. Each Write to out may be of any size; its slice is not to be kept.
func NewStreamWriter(out io.Writer, cluster kafka.ClusterID, object kafka.ObjectID) (*StreamWriter, error) {
	w := &StreamWriter{out: out, footer: Footer{Version: 2, Cluster: cluster, Object: object}}
	return w, w.write(appendHeader(make([]byte, 0, HeaderBytes), 2))
}

func (w *StreamWriter) write(b []byte) error {
	n, err := w.out.Write(b)
	w.written += int64(n)
	return err
}

// Bytes is how large the object is so far.
func (w *StreamWriter) Bytes() int64 { return w.written }

// Begin starts a segment of a partition. Partitions come in the order of Compare; anything else is a mistake of the caller's code and panics. A partition may have
// several segments, in the order of their offsets. Every segment gets at least one batch.
func (w *StreamWriter) Begin(tp kafka.TopicIDPartition) {
	w.closeSegment()
	if n := len(w.footer.Segments); n > 0 && Compare(w.footer.Segments[n-1].Partition, tp) > 0 {
		panic(fmt.Sprintf("objectformat: segment %v after %v", tp, w.footer.Segments[n-1].Partition))
	}
	s := Segment{Partition: tp, Position: w.written, MaxTimestamp: recordbatch.NoTimestamp, LastOffset: -1}
	if n := len(w.footer.Segments); n > 0 && w.footer.Segments[n-1].Partition == tp {
		s.LastOffset = w.footer.Segments[n-1].LastOffset
	}
	w.footer.Segments = append(w.footer.Segments, s)
	w.open = true
}

// Add writes a batch at the end of the segment and returns its position in the object. The batch's CRC must have been verified. Batches that are not in order of offset
// are ErrCorrupt, and nothing is written.
func (w *StreamWriter) Add(b recordbatch.Batch) (int64, error) {
	s := &w.footer.Segments[len(w.footer.Segments)-1]
	base, last := b.BaseOffset(), b.LastOffset()
	if base <= s.LastOffset || last < base {
		return 0, fmt.Errorf("%w: segment %v has offsets %d to %d after %d", ErrCorrupt, s.Partition, base, last, s.LastOffset)
	}
	at := w.written
	if err := w.write(b); err != nil {
		return 0, err
	}
	if s.Batches == 0 {
		s.BaseOffset = base
	}
	if relative := at - s.Position; len(w.index) == 0 || relative-w.index[len(w.index)-1].Position >= IndexInterval {
		w.index = append(w.index, IndexEntry{Position: relative, BaseOffset: base, MaxTimestamp: b.MaxTimestamp()})
	}
	e := &w.index[len(w.index)-1]
	e.MaxTimestamp = max(e.MaxTimestamp, b.MaxTimestamp())
	s.CRC = extendCRC(s.CRC, b)
	s.Bytes += int64(len(b))
	s.Records += int64(b.RecordsCount())
	s.Batches++
	s.LastOffset = last
	s.MaxTimestamp = max(s.MaxTimestamp, b.MaxTimestamp())
	return at, nil
}

func (w *StreamWriter) closeSegment() {
	if !w.open {
		return
	}
	s := w.footer.Segments[len(w.footer.Segments)-1]
	if s.Batches == 0 {
		panic(fmt.Sprintf("objectformat: segment %v has no batch", s.Partition))
	}
	if s.Bytes <= IndexInterval {
		w.index = nil
	}
	w.indexes = append(w.indexes, w.index)
	w.index, w.open = nil, false
}

// Finish writes indexes, footer and trailer, and returns the segments and the object's size.
func (w *StreamWriter) Finish() (segments []Segment, objectBytes int64, err error) {
	w.closeSegment()
	for i, x := range w.indexes {
		if x == nil {
			continue
		}
		block := x.append(nil)
		s := &w.footer.Segments[i]
		s.IndexPosition, s.IndexBytes = w.written, int32(len(block))
		if err := w.write(block); err != nil {
			return nil, 0, err
		}
	}
	err = w.write(appendTrailer(appendFooter(nil, &w.footer), 2))
	return w.footer.Segments, w.written, err
}
