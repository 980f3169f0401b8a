package objectformat

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// Writer lays out one object around the callers' batches.
type Writer struct {
	footer   Footer
	body     [][]byte
	position int64
}

// NewWriter begins an object. sizeHint is the number of batches that will come, 0 if unknown.
func NewWriter(cluster kafka.ClusterID, object kafka.ObjectID, sizeHint int) *Writer {
	return &Writer{
		footer:   Footer{Version: producedVersion, Cluster: cluster, Object: object},
		body:     append(make([][]byte, 0, sizeHint+2), appendHeader(make([]byte, 0, HeaderBytes), producedVersion)),
		position: HeaderBytes,
	}
}

// Begin starts the segment of a partition. Partitions come in the order of Compare, each once; anything else is a mistake of the caller's code and panics.
func (w *Writer) Begin(tp kafka.TopicIDPartition) {
	if n := len(w.footer.Segments); n > 0 && Compare(w.footer.Segments[n-1].Partition, tp) >= 0 {
		panic(fmt.Sprintf("objectformat: segment %v after %v", tp, w.footer.Segments[n-1].Partition))
	}
	w.footer.Segments = append(w.footer.Segments, Segment{Partition: tp, Position: w.position, MaxTimestamp: recordbatch.NoTimestamp, BaseOffset: -1, LastOffset: -1})
}

// Add puts a batch at the end of the segment and returns its position in the object. The batch's CRC must have been verified and its
// header must not change any more: the segment's CRC is made from the batch's own, so that large batches need not be read twice. Bytes that
// were damaged in memory since then give a segment whose CRC is wrong, as it should be.
func (w *Writer) Add(b recordbatch.Batch) int64 {
	s := &w.footer.Segments[len(w.footer.Segments)-1]
	at := w.position
	s.CRC = extendCRC(s.CRC, b)
	s.Bytes += int64(len(b))
	s.Records += int64(b.RecordsCount())
	s.Batches++
	s.MaxTimestamp = max(s.MaxTimestamp, b.MaxTimestamp())
	w.body = append(w.body, b)
	w.position += int64(len(b))
	return at
}

// crcCovers is where the part of a batch begins that its own CRC covers.
const crcCovers = 21

// extendCRC is the CRC32C of everything before, whose CRC is crc, and of b.
func extendCRC(crc uint32, b recordbatch.Batch) uint32 {
	crc = crc32.Update(crc, castagnoli, b[:crcCovers])
	return combineCRC(crc, b.CRC(), uint64(len(b)-crcCovers))
}

// Finish returns the object as slices to be written one after the other, its segments and its size.
func (w *Writer) Finish() (body [][]byte, segments []Segment, objectBytes int64) {
	f := appendFooter(make([]byte, 0, footerFixedBytes+len(w.footer.Cluster)+len(w.footer.Segments)*segmentEntryV1Bytes+TrailerBytes), &w.footer)
	f = appendTrailer(f, producedVersion)
	return append(w.body, f), w.footer.Segments, w.position + int64(len(f))
}

func appendHeader(b []byte, version uint16) []byte {
	b = append(b, headerMagic...)
	b = binary.BigEndian.AppendUint16(b, version)
	return binary.BigEndian.AppendUint16(b, 0)
}

func appendFooter(b []byte, f *Footer) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Cluster)))
	b = append(b, f.Cluster...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.Object.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(f.Object.Sequence))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Segments)))
	for i := range f.Segments {
		s := &f.Segments[i]
		b = append(b, s.Partition.ID[:]...)
		b = binary.BigEndian.AppendUint32(b, uint32(s.Partition.Partition))
		b = binary.BigEndian.AppendUint64(b, uint64(s.Position))
		b = binary.BigEndian.AppendUint64(b, uint64(s.Bytes))
		b = binary.BigEndian.AppendUint64(b, uint64(s.Records))
		b = binary.BigEndian.AppendUint32(b, uint32(s.Batches))
		b = binary.BigEndian.AppendUint64(b, uint64(s.MaxTimestamp))
		b = binary.BigEndian.AppendUint32(b, s.CRC)
		if f.Version == 1 {
			continue
		}
		b = binary.BigEndian.AppendUint64(b, uint64(s.BaseOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(s.LastOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(s.IndexPosition))
		b = binary.BigEndian.AppendUint32(b, uint32(s.IndexBytes))
	}
	return b
}

// appendTrailer ends a footer that is all of b.
func appendTrailer(b []byte, version uint16) []byte {
	crc := crc32.Checksum(b, castagnoli)
	b = binary.BigEndian.AppendUint32(b, uint32(len(b)))
	b = binary.BigEndian.AppendUint32(b, crc)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, 0)
	return append(b, trailerMagic...)
}
