package objectformat

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/inkwell-project/inkwell/kafka"
)

// CheckHeader says whether the first HeaderBytes of an object are those of a known format.
func CheckHeader(b []byte) error {
	if len(b) < HeaderBytes || string(b[:4]) != headerMagic {
		return fmt.Errorf("%w: no header", ErrCorrupt)
	}
	return checkVersion(binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]))
}

func checkVersion(v, reserved uint16) error {
	switch {
	case v == 0 || v <= Version && reserved != 0:
		return fmt.Errorf("%w: version %d, reserved bytes %d", ErrCorrupt, v, reserved)
	case v > Version:
		return fmt.Errorf("%w: version %d, the newest known is %d", ErrNewerVersion, v, Version)
	}
	return nil
}

// TailBytes says how many of the object's last bytes hold footer and trailer. tail are its last bytes, TrailerBytes at least.
func TailBytes(tail []byte) (int, error) {
	if len(tail) < TrailerBytes {
		return 0, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(tail))
	}
	t := tail[len(tail)-TrailerBytes:]
	if string(t[12:]) != trailerMagic {
		return 0, fmt.Errorf("%w: no trailer", ErrCorrupt)
	}
	if err := checkVersion(binary.BigEndian.Uint16(t[8:]), binary.BigEndian.Uint16(t[10:])); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(t)
	if n > maxFooterBytes || n < footerFixedBytes {
		return 0, fmt.Errorf("%w: a footer of %d bytes", ErrCorrupt, n)
	}
	return int(n) + TrailerBytes, nil
}

// ParseTail reads the footer out of the last bytes of an object of objectBytes. ErrShortTail says that tail does not reach back to the footer.
func ParseTail(tail []byte, objectBytes int64) (*Footer, error) {
	n, err := TailBytes(tail)
	if err != nil {
		return nil, err
	}
	if int64(n)+HeaderBytes > objectBytes {
		return nil, fmt.Errorf("%w: footer and trailer of %d bytes in an object of %d", ErrCorrupt, n, objectBytes)
	}
	if len(tail) < n {
		return nil, ErrShortTail
	}
	tail = tail[len(tail)-n:]
	footer, trailer := tail[:n-TrailerBytes], tail[n-TrailerBytes:]
	if got, want := crc32.Checksum(footer, castagnoli), binary.BigEndian.Uint32(trailer[4:]); got != want {
		return nil, fmt.Errorf("%w: the footer's CRC is %08x, stored is %08x", ErrCorrupt, got, want)
	}
	return parseFooter(footer, int(binary.BigEndian.Uint16(trailer[8:])), objectBytes-int64(n))
}

// parseFooter reads a footer whose CRC is right. end is where the segments, and in version 2 the indexes behind them, must end.
func parseFooter(b []byte, version int, end int64) (*Footer, error) {
	clusterBytes := int(binary.BigEndian.Uint16(b))
	if len(b) < footerFixedBytes+clusterBytes {
		return nil, fmt.Errorf("%w: the footer ends inside the cluster's name", ErrCorrupt)
	}
	f := &Footer{Version: version, Cluster: kafka.ClusterID(b[2 : 2+clusterBytes])}
	b = b[2+clusterBytes:]
	f.Object.Epoch = int64(binary.BigEndian.Uint64(b))
	f.Object.Sequence = int64(binary.BigEndian.Uint64(b[8:]))
	count := int64(binary.BigEndian.Uint32(b[16:]))
	b = b[20:]
	entryBytes := segmentEntryBytes(version)
	if int64(len(b)) != count*int64(entryBytes) {
		return nil, fmt.Errorf("%w: a footer with %d bytes for %d segments", ErrCorrupt, len(b), count)
	}
	f.Segments = make([]Segment, count)
	position := int64(HeaderBytes)
	for i := range f.Segments {
		s := parseSegment(b[i*entryBytes:], version)
		if s.Position != position || s.Bytes <= 0 || s.Bytes > end-position {
			return nil, fmt.Errorf("%w: segment %v has bytes [%d, +%d), the one before ends at %d and all at %d", ErrCorrupt, s.Partition, s.Position, s.Bytes, position, end)
		}
		if i > 0 && !follows(f.Segments[i-1], s, version) {
			return nil, fmt.Errorf("%w: segment %v after %v", ErrCorrupt, s.Partition, f.Segments[i-1].Partition)
		}
		if version > 1 && (s.BaseOffset < 0 || s.LastOffset < s.BaseOffset) {
			return nil, fmt.Errorf("%w: segment %v has offsets %d to %d", ErrCorrupt, s.Partition, s.BaseOffset, s.LastOffset)
		}
		position += s.Bytes
		f.Segments[i] = s
	}
	for _, s := range f.Segments {
		if s.IndexBytes == 0 {
			continue
		}
		if s.IndexPosition != position || s.IndexBytes < indexFixedBytes || int64(s.IndexBytes) > end-position {
			return nil, fmt.Errorf("%w: the index of segment %v has bytes [%d, +%d), what is before ends at %d and all at %d", ErrCorrupt, s.Partition, s.IndexPosition, s.IndexBytes, position, end)
		}
		position += int64(s.IndexBytes)
	}
	if position != end {
		return nil, fmt.Errorf("%w: segments and indexes end at %d, the footer begins at %d", ErrCorrupt, position, end)
	}
	return f, nil
}

// follows says whether s may come after before. In version 2 a partition may have several segments.
func follows(before, s Segment, version int) bool {
	c := Compare(before.Partition, s.Partition)
	return c < 0 || c == 0 && version > 1 && before.LastOffset < s.BaseOffset
}

func parseSegment(b []byte, version int) Segment {
	s := Segment{
		Partition:    kafka.TopicIDPartition{ID: kafka.TopicID(b[:16]), Partition: int32(binary.BigEndian.Uint32(b[16:]))},
		Position:     int64(binary.BigEndian.Uint64(b[20:])),
		Bytes:        int64(binary.BigEndian.Uint64(b[28:])),
		Records:      int64(binary.BigEndian.Uint64(b[36:])),
		Batches:      int32(binary.BigEndian.Uint32(b[44:])),
		MaxTimestamp: int64(binary.BigEndian.Uint64(b[48:])),
		CRC:          binary.BigEndian.Uint32(b[56:]),
		BaseOffset:   -1, LastOffset: -1,
	}
	if version > 1 {
		b = b[segmentEntryV1Bytes:]
		s.BaseOffset, s.LastOffset = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
		s.IndexPosition, s.IndexBytes = int64(binary.BigEndian.Uint64(b[16:])), int32(binary.BigEndian.Uint32(b[24:]))
	}
	return s
}

// Verify compares a segment's bytes with its entry in the footer.
func (s Segment) Verify(b []byte) error {
	if int64(len(b)) != s.Bytes {
		return fmt.Errorf("%w: segment %v has %d bytes, want %d", ErrCorrupt, s.Partition, len(b), s.Bytes)
	}
	if got := CRC(b); got != s.CRC {
		return fmt.Errorf("%w: the CRC of segment %v is %08x, stored is %08x", ErrCorrupt, s.Partition, got, s.CRC)
	}
	return nil
}
