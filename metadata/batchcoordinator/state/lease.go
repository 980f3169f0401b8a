package state

import (
	"encoding/binary"
	"math"

	"github.com/inkwell-project/inkwell/kafka"
)

// lease is work that one broker has until the deadline. Version 1, of the first feature level, is a page of objects to delete.
type lease struct {
	broker   int32
	epoch    int64
	deadline int64
	objects  []kafka.ObjectID // of classDelete

	granted int64
	attempt int32
	class   workClass
	number  int64       // the group of classCommits, the epoch of classSweep
	runs    []leasedRun // of classRun and classCompact
	version byte
}

// leasedRun is a run of one partition's coordinates.
type leasedRun struct {
	partition   kafka.TopicIDPartition
	level       uint8 // the greatest among them
	base, last  int64
	coordinates int64
}

const leaseVersion = 2

func (l *lease) appendValue(b []byte) []byte {
	b = append(b, l.version)
	b = binary.AppendVarint(b, int64(l.broker))
	b = binary.AppendVarint(b, l.epoch)
	b = binary.AppendVarint(b, l.deadline)
	b = binary.AppendUvarint(b, uint64(len(l.objects)))
	for _, id := range l.objects {
		b = binary.AppendVarint(b, id.Epoch)
		b = binary.AppendVarint(b, id.Sequence)
	}
	if l.version < leaseVersion {
		return b
	}
	b = append(b, byte(l.class))
	b = binary.AppendVarint(b, l.granted)
	b = binary.AppendVarint(b, int64(l.attempt))
	b = binary.AppendVarint(b, l.number)
	b = binary.AppendUvarint(b, uint64(len(l.runs)))
	for _, r := range l.runs {
		b = append(b, r.partition.ID[:]...)
		b = binary.AppendVarint(b, int64(r.partition.Partition))
		b = append(b, r.level)
		b = binary.AppendVarint(b, r.base)
		b = binary.AppendVarint(b, r.last)
		b = binary.AppendVarint(b, r.coordinates)
	}
	return b
}

func readLease(v []byte) lease {
	r, version := readVersions(v, leaseVersion, "lease")
	l := lease{broker: int32(r.int()), epoch: r.int(), deadline: r.int(), version: version}
	l.objects = make([]kafka.ObjectID, r.count())
	for i := range l.objects {
		l.objects[i] = kafka.ObjectID{Epoch: r.int(), Sequence: r.int()}
	}
	if version < leaseVersion {
		return l
	}
	l.class = workClass(r.byte())
	l.granted, l.attempt, l.number = r.int(), int32(r.int()), r.int()
	l.runs = make([]leasedRun, r.count())
	for i := range l.runs {
		l.runs[i] = leasedRun{partition: r.partition(), level: r.byte(), base: r.int(), last: r.int(), coordinates: r.int()}
	}
	return l
}

func (r *valueReader) partition() (tp kafka.TopicIDPartition) {
	if len(r.rest) < len(tp.ID) {
		panic(&Damaged{r.what})
	}
	r.rest = r.rest[copy(tp.ID[:], r.rest):]
	tp.Partition = int32(r.int())
	return tp
}

// keepsGarbage is the time from which on objects are not deleted before the lease ends, whatever they were: a key compaction reads a partition for long, and retention releases
// its objects meanwhile. Without them it would fail, and again.
func (l *lease) keepsGarbage() int64 {
	if l.class != classCompact {
		return math.MaxInt64
	}
	return l.granted
}

// leases reads all, in the order of their ids; the policy bounds how many there are.
func (m *Machine) leases(fn func(id int64, l lease)) {
	type held struct {
		id int64
		lease
	}
	var all []held
	m.tx.Scan([]byte{prefixLease}, []byte{prefixLease + 1}, func(k, v []byte) bool {
		all = append(all, held{numberAt(k, 1), readLease(v)})
		return true
	})
	for i := range all {
		fn(all[i].id, all[i].lease)
	}
}

func (m *Machine) lease(id int64) (lease, bool) {
	m.key = appendNumberKey(m.key[:0], prefixLease, id)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return lease{}, false
	}
	return readLease(v), true
}

func (m *Machine) putLease(id int64, l *lease) {
	m.key = appendNumberKey(m.key[:0], prefixLease, id)
	m.value = l.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
	if l.version >= leaseVersion {
		m.key = appendDeadlineKey(m.key[:0], l.deadline, id)
		m.tx.Set(m.key, nil)
	}
}

func (m *Machine) dropLease(id int64, l *lease) {
	m.key = appendNumberKey(m.key[:0], prefixLease, id)
	m.tx.Delete(m.key)
	if l.version >= leaseVersion {
		m.key = appendDeadlineKey(m.key[:0], l.deadline, id)
		m.tx.Delete(m.key)
	}
}

// Renewed leases expire in another order than that of their ids, so their deadlines have an index.
func appendDeadlineKey(b []byte, deadline, id int64) []byte {
	b = appendNumberKey(b, prefixDeadline, max(deadline, 0))
	return binary.BigEndian.AppendUint64(b, uint64(id))
}
