package state

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// Every value begins with a version, so that a later release can tell what it reads; fields are varints.
const valueVersion = 1

// Damaged is what reading a value that this release did not write panics with. Apply turns it into ErrHalt.
type Damaged struct{ What string }

func (d *Damaged) Error() string {
	return fmt.Sprintf("batch coordinator state: the value of a %s is damaged or of a newer release", d.What)
}

type valueReader struct {
	rest []byte
	what string
}

func readValue(b []byte, what string) valueReader {
	if len(b) == 0 || b[0] != valueVersion {
		panic(&Damaged{what})
	}
	return valueReader{b[1:], what}
}

// readVersions reads a value that has had several versions.
func readVersions(b []byte, newest byte, what string) (r valueReader, version byte) {
	if len(b) == 0 || b[0] < 1 || b[0] > newest {
		panic(&Damaged{what})
	}
	return valueReader{b[1:], what}, b[0]
}

func (r *valueReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		panic(&Damaged{r.what})
	}
	r.rest = r.rest[n:]
	return v
}

func (r *valueReader) int() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		panic(&Damaged{r.what})
	}
	r.rest = r.rest[n:]
	return v
}

func (r *valueReader) byte() byte {
	if len(r.rest) == 0 {
		panic(&Damaged{r.what})
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

// bytes reads a length and as many bytes, which alias the value.
func (r *valueReader) bytes() []byte {
	n := r.count()
	v := r.rest[:n]
	r.rest = r.rest[n:]
	return v
}

// count reads the length of a list whose elements have at least one byte each.
func (r *valueReader) count() int {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		panic(&Damaged{r.what})
	}
	return int(n)
}

// Partition is the state of one topic-partition.
type Partition struct {
	LogStartOffset int64
	HighWatermark  int64
	// FirstUnstableOffset is the first offset of the oldest open transaction, -1 without one: the last stable offset.
	FirstUnstableOffset int64
	Bytes               int64 // of live coordinates
	Coordinates         int64
	// MaxTimestamp is the greatest of the live coordinates' and so the last entry of the time index; -1 when that is empty.
	MaxTimestamp int64
	// LastAppendTime is the last time given with LogAppendTime; the next is never lower.
	LastAppendTime int64
}

func newPartition() Partition {
	return Partition{FirstUnstableOffset: -1, MaxTimestamp: -1, LastAppendTime: -1}
}

// LastStableOffset bounds what a read_committed reader sees.
func (p *Partition) LastStableOffset() int64 {
	if p.FirstUnstableOffset >= 0 {
		return p.FirstUnstableOffset
	}
	return p.HighWatermark
}

func (p *Partition) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	b = binary.AppendVarint(b, p.LogStartOffset)
	b = binary.AppendVarint(b, p.HighWatermark)
	b = binary.AppendVarint(b, p.FirstUnstableOffset)
	b = binary.AppendVarint(b, p.Bytes)
	b = binary.AppendVarint(b, p.Coordinates)
	b = binary.AppendVarint(b, p.MaxTimestamp)
	return binary.AppendVarint(b, p.LastAppendTime)
}

func readPartition(v []byte) Partition {
	r := readValue(v, "partition")
	return Partition{
		LogStartOffset: r.int(), HighWatermark: r.int(), FirstUnstableOffset: r.int(), Bytes: r.int(),
		Coordinates: r.int(), MaxTimestamp: r.int(), LastAppendTime: r.int(),
	}
}

// coordinate is rpc.Coordinate and the time of its commit, which retention uses where records have no timestamp.
type coordinate struct {
	rpc.Coordinate
	committed int64
	level     uint8 // how often its records were merged
}

const (
	levelCommitted uint8 = 0   // as its uploader wrote it
	levelFinal     uint8 = 255 // not merged again: large enough, or the output of a key compaction
)

// coordinateVersion 2 adds what jobs write. A coordinate that no job wrote is still version 1.
const coordinateVersion = 2

// retentionTime is what retention.ms is compared with.
func (c *coordinate) retentionTime() int64 {
	if c.MaxTimestamp < 0 {
		return c.committed
	}
	return c.MaxTimestamp
}

func (c *coordinate) appendValue(b []byte) []byte {
	version := byte(valueVersion)
	if c.level != levelCommitted || c.Stamped || c.IndexBytes != 0 {
		version = coordinateVersion
	}
	b = append(b, version)
	b = binary.AppendVarint(b, c.Object.Epoch)
	b = binary.AppendVarint(b, c.Object.Sequence)
	b = binary.AppendVarint(b, c.Position)
	b = binary.AppendVarint(b, int64(c.Bytes))
	b = binary.AppendVarint(b, c.LastOffset-c.BaseOffset)
	b = binary.AppendVarint(b, c.MaxTimestamp)
	b = binary.AppendVarint(b, c.AppendTimestamp)
	b = binary.AppendVarint(b, int64(c.Batches))
	b = binary.AppendVarint(b, c.committed)
	if version == valueVersion {
		return b
	}
	flags := byte(0)
	if c.Stamped {
		flags = 1
	}
	b = append(b, flags, c.level)
	b = binary.AppendVarint(b, c.IndexPosition)
	return binary.AppendVarint(b, int64(c.IndexBytes))
}

func readCoordinate(key, v []byte) coordinate {
	r, version := readVersions(v, coordinateVersion, "coordinate")
	var c coordinate
	c.Object = kafka.ObjectID{Epoch: r.int(), Sequence: r.int()}
	c.Position, c.Bytes = r.int(), int32(r.int())
	c.LastOffset = numberAt(key, partitionKeyLen)
	c.BaseOffset = c.LastOffset - r.int()
	c.MaxTimestamp, c.AppendTimestamp, c.Batches, c.committed = r.int(), r.int(), int32(r.int()), r.int()
	if version >= coordinateVersion {
		c.Stamped = r.byte()&1 != 0
		c.level = r.byte()
		c.IndexPosition, c.IndexBytes = r.int(), int32(r.int())
	}
	return c
}

// object is what this partition knows of an object in storage.
type object struct {
	refs         int64 // live coordinates here
	bytes        int64
	released     int64 // when refs became 0
	since        int64 // time in its key of the garbage pool
	coordinators []int32
}

func (o *object) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	b = binary.AppendVarint(b, o.refs)
	b = binary.AppendVarint(b, o.bytes)
	b = binary.AppendVarint(b, o.released)
	b = binary.AppendVarint(b, o.since)
	b = binary.AppendUvarint(b, uint64(len(o.coordinators)))
	for _, c := range o.coordinators {
		b = binary.AppendVarint(b, int64(c))
	}
	return b
}

func readObject(v []byte) object {
	r := readValue(v, "object")
	o := object{refs: r.int(), bytes: r.int(), released: r.int(), since: r.int()}
	o.coordinators = make([]int32, r.count())
	for i := range o.coordinators {
		o.coordinators[i] = int32(r.int())
	}
	return o
}

// brokerEpoch is one epoch that committed here and was not fenced yet.
type brokerEpoch struct {
	broker       int32
	acknowledged int64 // objects with a lower sequence are settled: their results are forgotten, late copies refused
	// seen is the greatest sequence that an object or a result was ever kept for here: what comes behind it is new, and nothing is looked for. Looking for a key that does not exist is the
	// dearest thing a commit does. allSeen where that was not counted from the beginning.
	seen int64
}

const (
	brokerEpochVersion = 2 // the first one knew no seen
	allSeen            = math.MaxInt64
)

func (e *brokerEpoch) appendValue(b []byte) []byte {
	version := byte(brokerEpochVersion)
	if e.seen == allSeen {
		version = 1
	}
	b = append(b, version)
	b = binary.AppendVarint(b, int64(e.broker))
	b = binary.AppendVarint(b, e.acknowledged)
	if version == 1 {
		return b
	}
	return binary.AppendVarint(b, e.seen)
}

func readBrokerEpoch(v []byte) brokerEpoch {
	r, version := readVersions(v, brokerEpochVersion, "broker epoch")
	e := brokerEpoch{broker: int32(r.int()), acknowledged: r.int(), seen: allSeen}
	if version > 1 {
		e.seen = r.int()
	}
	return e
}

func appendNumber(b []byte, n int64) []byte { return binary.AppendVarint(append(b, valueVersion), n) }

func readNumber(v []byte, what string) int64 {
	r := readValue(v, what)
	return r.int()
}
