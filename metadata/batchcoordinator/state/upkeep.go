package state

import (
	"encoding/binary"
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// upkeep is what the jobs need to know of a partition's coordinates of level 1 and up, so that choosing work costs what is chosen and no look at the
// rest. Merges of these coordinates and key compaction exclude one another: one lease at a time.
type upkeep struct {
	lease int64 // that has coordinates of this partition, 0 for none
	bytes int64
	// Key compaction: everything below cleanEnd was compacted.
	cleanEnd   int64
	cleanBytes int64
	dirtySince int64 // when the oldest that was not was committed, -1 for none
	horizon    int64 // when a tombstone may go, 0 for none
	plan       CompactionPlan

	runs    []levelRun // by level
	merge   task
	compact task
}

// levelRun counts the coordinates of one level.
type levelRun struct {
	level       uint8
	start       int64 // none of them begins below
	coordinates int64
	bytes       int64
	look        int64 // after a look in vain: how many it takes for the next
}

func newUpkeep() upkeep { return upkeep{dirtySince: -1, merge: idleTask(), compact: idleTask()} }

func (u *upkeep) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	for _, v := range [...]int64{u.lease, u.bytes, u.cleanEnd, u.cleanBytes, u.dirtySince, u.horizon, u.plan.MinLagMillis, u.plan.DeleteRetentionMillis} {
		b = binary.AppendVarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(u.runs)))
	for _, r := range u.runs {
		b = append(b, r.level)
		for _, v := range [...]int64{r.start, r.coordinates, r.bytes, r.look} {
			b = binary.AppendVarint(b, v)
		}
	}
	return u.compact.append(u.merge.append(b))
}

func readUpkeep(v []byte) upkeep {
	r := readValue(v, "upkeep")
	u := upkeep{lease: r.int(), bytes: r.int(), cleanEnd: r.int(), cleanBytes: r.int(), dirtySince: r.int(), horizon: r.int()}
	u.plan.MinLagMillis, u.plan.DeleteRetentionMillis = r.int(), r.int()
	for range r.count() {
		u.runs = append(u.runs, levelRun{level: r.byte(), start: r.int(), coordinates: r.int(), bytes: r.int(), look: r.int()})
	}
	u.merge, u.compact = r.task(), r.task()
	return u
}

// empty: there is nothing to remember.
func (u *upkeep) empty() bool {
	return u.lease == 0 && u.bytes == 0 && u.cleanEnd == 0 && len(u.runs) == 0 && u.merge.idle() && u.compact.idle()
}

// upkeep is the partition's, to be changed; flush writes it.
func (m *Machine) upkeep(tp kafka.TopicIDPartition) *upkeep {
	e := m.upkeeps.get(tp, m.loadUpkeep)
	e.dirty = true
	return &e.value
}

func (m *Machine) loadUpkeep(tp kafka.TopicIDPartition) (upkeep, bool) {
	m.key = appendPartitionKey(m.key[:0], prefixUpkeep, tp)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return newUpkeep(), false
	}
	return readUpkeep(v), true
}

func (m *Machine) flushUpkeep() {
	for _, e := range m.upkeeps.entries[:m.upkeeps.used] {
		if !e.dirty {
			continue
		}
		if e.value.empty() {
			if e.existed {
				m.key = appendPartitionKey(m.key[:0], prefixUpkeep, e.key)
				m.tx.Delete(m.key)
			}
			continue
		}
		m.key = appendPartitionKey(m.key[:0], prefixUpkeep, e.key)
		m.value = e.value.appendValue(m.value[:0])
		m.tx.Set(m.key, m.value)
	}
}

// add counts a coordinate of level 1 or more that is new.
func (u *upkeep) add(c *coordinate) {
	u.bytes += int64(c.Bytes)
	if c.LastOffset >= u.cleanEnd {
		if u.dirtySince < 0 || c.committed < u.dirtySince {
			u.dirtySince = max(c.committed, 0)
		}
	} else {
		u.cleanBytes += int64(c.Bytes)
	}
	if c.level == levelFinal {
		return
	}
	i, ok := slices.BinarySearchFunc(u.runs, c.level, func(r levelRun, level uint8) int { return int(r.level) - int(level) })
	if !ok {
		u.runs = slices.Insert(u.runs, i, levelRun{level: c.level, start: c.BaseOffset})
	}
	r := &u.runs[i]
	r.start = min(r.start, c.BaseOffset)
	r.coordinates++
	r.bytes += int64(c.Bytes)
}

// remove is the other direction.
func (u *upkeep) remove(c *coordinate) {
	u.bytes -= int64(c.Bytes)
	if c.LastOffset < u.cleanEnd {
		u.cleanBytes -= int64(c.Bytes)
	}
	if c.level == levelFinal {
		return
	}
	i, ok := slices.BinarySearchFunc(u.runs, c.level, func(r levelRun, level uint8) int { return int(r.level) - int(level) })
	if !ok || u.runs[i].coordinates <= 0 {
		panic(&Damaged{"upkeep"})
	}
	r := &u.runs[i]
	r.coordinates--
	r.bytes -= int64(c.Bytes)
	if r.coordinates == 0 {
		u.runs = slices.Delete(u.runs, i, i+1)
	}
}

// fullLevel is the lowest level with enough to be merged, 0 for none.
func (m *Machine) fullLevel(tp kafka.TopicIDPartition, u *upkeep, p *WorkPolicy) uint8 {
	for i := range u.runs {
		r := &u.runs[i]
		if r.coordinates >= 2 && r.coordinates >= r.look && (r.coordinates >= p.RunCoordinates || r.bytes >= p.RunBytes || m.aged(tp, r, p)) {
			return r.level
		}
	}
	return 0
}

// aged says whether coordinates of a level are worth a merge for their age: a partition that is written seldom would keep as many as RunCoordinates for each level of a few bytes.
func (m *Machine) aged(tp kafka.TopicIDPartition, r *levelRun, p *WorkPolicy) bool {
	if p.RunAgeMillis <= 0 || r.coordinates < minFragment {
		return false
	}
	aged, looked := false, 0
	scanCoordinates(m.tx, tp, max(r.start, m.partition(tp).value.LogStartOffset), func(c coordinate) bool {
		looked++
		if c.level == r.level {
			aged = later(c.committed, p.RunAgeMillis) <= m.now
			return false
		}
		return looked < maxAgedLooks
	})
	return aged
}

// maxAgedLooks bounds what is read for an age; the next merge of commits looks again.
const maxAgedLooks = 64

// reconsider puts the partition's merge on the agenda when there is enough for one, and back what a lease had blocked.
func (m *Machine) reconsider(tp kafka.TopicIDPartition, p *WorkPolicy) {
	u := m.upkeep(tp)
	if u.lease != 0 {
		return
	}
	switch full := m.fullLevel(tp, u, p) != 0; {
	case u.merge.next >= 0:
	case full:
		m.schedule(classRun, partitionSubject(tp), &u.merge, m.now, rpc.WorkWaiting)
	case u.merge.since >= 0:
		m.settle(classRun, partitionSubject(tp), &u.merge) // what it was for is gone
	}
	if u.compact.next < 0 && u.compact.since >= 0 {
		m.schedule(classCompact, partitionSubject(tp), &u.compact, m.now, rpc.WorkWaiting)
	}
}

// forgetUpkeep ends the upkeep of a partition whose topic is deleted. A lease on it finds nothing to swap.
func (m *Machine) forgetUpkeep(tp kafka.TopicIDPartition) {
	if m.readWorkLevel() == 0 {
		return
	}
	u := m.upkeep(tp)
	m.settle(classRun, partitionSubject(tp), &u.merge)
	m.settle(classCompact, partitionSubject(tp), &u.compact)
	*u = newUpkeep()
}
