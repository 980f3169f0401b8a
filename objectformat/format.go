package objectformat

import (
	"bytes"
	"errors"

	"github.com/inkwell-project/inkwell/kafka"
)

// Version is the newest format that this release knows. A Writer writes version 1, whose batches have no offsets yet, a StreamWriter version 2.
const Version = 2

const producedVersion = 1

// Sizes of the fixed parts.
const (
	HeaderBytes  = 8
	TrailerBytes = 16

	headerMagic  = "INKO"
	trailerMagic = "INKF"

	segmentEntryV1Bytes = 16 + 4 + 8 + 8 + 8 + 4 + 8 + 4
	segmentEntryV2Bytes = segmentEntryV1Bytes + 8 + 8 + 8 + 4
	footerFixedBytes    = 2 + 8 + 8 + 4
	// maxFooterBytes bounds what a damaged trailer can make a reader fetch: more than a million segments.
	maxFooterBytes = 64 << 20
)

// Errors of reading.
var (
	// ErrCorrupt: the bytes are not an object, or were damaged.
	ErrCorrupt = errors.New("the object is damaged")
	// ErrNewerVersion: a later release wrote the object.
	ErrNewerVersion = errors.New("the object has a newer format than this release knows")
	// ErrShortTail: the footer begins before the bytes that were given; TailBytes says how many are needed.
	ErrShortTail = errors.New("the tail of the object is too short to hold its footer")
)

// Segment is one partition's bytes inside an object.
type Segment struct {
	Partition    kafka.TopicIDPartition
	Position     int64 // of the first batch in the object
	Bytes        int64
	Records      int64
	Batches      int32
	MaxTimestamp int64
	CRC          uint32 // CRC32C
	// BaseOffset and LastOffset are what the batches' headers say; -1 in version 1, where batches have none yet.
	BaseOffset, LastOffset int64
	// IndexPosition and IndexBytes are where in the object the segment's index is; 0 bytes: it has none.
	IndexPosition int64
	IndexBytes    int32
}

func segmentEntryBytes(version int) int {
	if version == 1 {
		return segmentEntryV1Bytes
	}
	return segmentEntryV2Bytes
}

// Footer describes an object.
type Footer struct {
	Version  int
	Cluster  kafka.ClusterID
	Object   kafka.ObjectID
	Segments []Segment
}

// Compare orders partitions as segments are ordered in an object.
func Compare(a, b kafka.TopicIDPartition) int {
	if c := bytes.Compare(a.ID[:], b.ID[:]); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

// Find returns the segment of a partition, the first one if there are several.
func (f *Footer) Find(tp kafka.TopicIDPartition) (Segment, bool) {
	lo, hi := 0, len(f.Segments)
	for lo < hi {
		mid := (lo + hi) / 2
		if Compare(f.Segments[mid].Partition, tp) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(f.Segments) && f.Segments[lo].Partition == tp {
		return f.Segments[lo], true
	}
	return Segment{}, false
}
