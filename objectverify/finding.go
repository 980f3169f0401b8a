package objectverify

import (
	"fmt"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
)

// Kind is what is wrong.
type Kind string

// The kinds.
const (
	// Missing: a coordinate refers to an object that is not in the bucket.
	Missing Kind = "missing object"
	// Damaged: the object's bytes are not what was written.
	Damaged Kind = "damaged object"
	// Mismatch: object and coordinate each make sense and do not agree.
	Mismatch Kind = "mismatch"
	// Coordinates: those of a partition leave offsets out, overlap or do not reach from the log start to the high watermark.
	Coordinates Kind = "coordinates"
	// Sums: a partition's counts are not those of its coordinates.
	Sums Kind = "sums"
	// Dangling: a coordinate refers to an object that its coordinator has released or does not know.
	Dangling Kind = "dangling coordinate"
	// References: a coordinator counts other references to objects than its coordinates are.
	References Kind = "reference counts"
	// Unreferenced: an object of a fenced epoch that nothing refers to and nothing will look for.
	Unreferenced Kind = "unreferenced object"
	// Unfinished: an upload in parts that nobody completes or aborts any more.
	Unfinished Kind = "unfinished upload"
	// Unissued: an object of a broker epoch that no broker has had.
	Unissued Kind = "object of an unissued epoch"
	// Foreign: a key that no broker writes.
	Foreign Kind = "foreign key"
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind        Kind
	Coordinator int32 // -1 for what belongs to none
	Partition   kafka.TopicIDPartition
	Key         string // of the object, empty if it is not about one
	Text        string
}

func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(string(f.Kind))
	if f.Key != "" {
		fmt.Fprintf(&b, " %s", f.Key)
	}
	if f.Coordinator >= 0 {
		fmt.Fprintf(&b, " (partition %s, coordinator %d)", f.Partition, f.Coordinator)
	}
	return b.String() + ": " + f.Text
}

// Report is what a run saw.
type Report struct {
	Coordinators int32
	Partitions   int64
	Coordinates  int64
	Bytes        int64 // that coordinates refer to
	Replaced     int64 // coordinates that went while they were looked at, whose successors were looked at instead

	Objects     int64 // in the bucket
	ObjectBytes int64
	Referenced  int64
	Released    int64 // wait for their deletion
	InFlight    int64 // uploads of live epochs that are not committed, or never will be; the sweep of their epoch, once that is over, deletes the latter
	OldInFlight int64 // of those: older than Config.OldUpload
	// OldestInFlight is the key and the age of the oldest of them.
	OldestInFlight    string
	OldestInFlightAge time.Duration
	Sweeping          int64 // of epochs that are over, whose sweep is to come
	SweepParked       int64 // of those: the sweep failed too often

	Uploads         int64 // unfinished ones: in parts, or temp files of a folder
	OldestUpload    string
	OldestUploadAge time.Duration
	SweepingUploads int64 // of those: of epochs that are over, whose sweep is to come

	Findings int64
	ByKind   map[Kind]int64
	// First are the first Config.MaxFindings of the findings.
	First []Finding

	// UncountedReferences is of how many coordinators the counts of references were not compared, for they went on meanwhile.
	UncountedReferences int64
	// Unsettled partitions changed so often that their sums were not compared.
	Unsettled int64
	// Unchecked says what could not be looked at, and FirstUnchecked why for the first of it.
	Unchecked      int64
	FirstUnchecked []string

	Repairable      int64 // unreferenced objects that Repair deletes
	RepairableBytes int64
	Repaired        int64
	RepairedBytes   int64

	RepairableUploads int64 // unfinished ones that Repair aborts
	RepairedUploads   int64
}

// Clean says whether everything was looked at and nothing found.
func (r *Report) Clean() bool { return r.Findings == 0 && r.Unchecked == 0 }
