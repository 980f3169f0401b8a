package objectformat

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
)

// IndexInterval is how many bytes of a segment one entry of its index stands for, about; segments of at most so many bytes have no index.
const IndexInterval = 1 << 20

const (
	indexVersion     = 1
	indexFixedBytes  = 2 + 2 + 4 + 4 // version, 0, count and the CRC at the end
	indexEntryBytes  = 8 + 8 + 8
	maxIndexEntries  = 1 << 20
	indexEntriesFrom = 8
)

// Index is the sparse index of one segment, in the order of its batches. The first entry is the segment's first batch.
type Index []IndexEntry

// IndexEntry points at a batch.
type IndexEntry struct {
	Position     int64 // of the batch, relative to the segment
	BaseOffset   int64 // of the batch
	MaxTimestamp int64 // of the batches from this one up to the next entry's
}

// Find is the last entry that does not lie behind offset: reading from its batch on finds every record at or after offset. 0 where all lie behind it.
func (x Index) Find(offset int64) int {
	return max(0, sort.Search(len(x), func(i int) bool { return x[i].BaseOffset > offset })-1)
}

// FindTimestamp is the first entry whose batches have a record at or after timestamp; len(x) if there is none.
func (x Index) FindTimestamp(timestamp int64) int {
	for i := range x {
		if x[i].MaxTimestamp >= timestamp {
			return i
		}
	}
	return len(x)
}

// append writes the block that ParseIndex reads: version uint16, 0 uint16, entries uint32, each with position, base offset and max timestamp (int64), then the
// CRC32C of all that.
func (x Index) append(b []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, indexVersion)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(x)))
	for _, e := range x {
		b = binary.BigEndian.AppendUint64(b, uint64(e.Position))
		b = binary.BigEndian.AppendUint64(b, uint64(e.BaseOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(e.MaxTimestamp))
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// ParseIndex reads the index block of a segment, which is all of b.
func ParseIndex(b []byte) (Index, error) {
	if len(b) < indexFixedBytes {
		return nil, fmt.Errorf("%w: an index of %d bytes", ErrCorrupt, len(b))
	}
	body, stored := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if got := crc32.Checksum(body, castagnoli); got != stored {
		return nil, fmt.Errorf("%w: the CRC of an index is %08x, stored is %08x", ErrCorrupt, got, stored)
	}
	if v := binary.BigEndian.Uint16(body); v != indexVersion {
		return nil, fmt.Errorf("%w: index version %d, the newest known is %d", ErrNewerVersion, v, indexVersion)
	}
	count := binary.BigEndian.Uint32(body[4:])
	if count == 0 || count > maxIndexEntries || len(body) != indexEntriesFrom+int(count)*indexEntryBytes {
		return nil, fmt.Errorf("%w: an index with %d bytes for %d entries", ErrCorrupt, len(b), count)
	}
	x := make(Index, count)
	for i := range x {
		e := body[indexEntriesFrom+i*indexEntryBytes:]
		x[i] = IndexEntry{int64(binary.BigEndian.Uint64(e)), int64(binary.BigEndian.Uint64(e[8:])), int64(binary.BigEndian.Uint64(e[16:]))}
		if i == 0 && (x[i].Position != 0 || x[i].BaseOffset < 0) || i > 0 && (x[i].Position <= x[i-1].Position || x[i].BaseOffset <= x[i-1].BaseOffset) {
			return nil, fmt.Errorf("%w: entry %d of an index points at position %d, offset %d", ErrCorrupt, i, x[i].Position, x[i].BaseOffset)
		}
	}
	return x, nil
}
