package state

import (
	"math"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// CompactionSettings are the settings of a topic by which a key compaction is due.
type CompactionSettings struct {
	MinLagMillis          int64   // min.compaction.lag.ms
	MaxLagMillis          int64   // max.compaction.lag.ms
	DirtyRatio            float64 // min.cleanable.dirty.ratio
	DeleteRetentionMillis int64   // delete.retention.ms
}

// CompactionDue says whether the partition is to be compacted, as Kafka's cleaner does: when more than the dirty ratio of it, or something for
// longer than the maximum lag, was never compacted; and when tombstones may go. What was not merged yet counts as Kafka's active segment: it is left alone.
func CompactionDue(r statestore.Reader, tp kafka.TopicIDPartition, s CompactionSettings, nowMillis int64) bool {
	v, ok := r.Get(appendPartitionKey(nil, prefixUpkeep, tp))
	if !ok || TopicDeleted(r, tp.ID) {
		return false
	}
	u := readUpkeep(v)
	if u.compact.since >= 0 || u.lease != 0 {
		return false // planned, or in the hands of a job
	}
	tombstones := u.horizon > 0 && nowMillis >= u.horizon && u.cleanBytes > 0
	late := u.dirtySince >= 0 && nowMillis-u.dirtySince > s.MaxLagMillis
	dirty := u.bytes - u.cleanBytes
	if tombstones {
		return true
	}
	if dirty <= 0 || !late && !exceeds(dirty, u.cleanBytes, s.DirtyRatio) {
		return false // nothing that the settings could make clean
	}
	p, _ := ReadPartition(r, tp)
	cleanable := int64(0)
	scanCleanable(r, tp, &p, max(u.cleanEnd, p.LogStartOffset), nowMillis-s.MinLagMillis, func(c *coordinate) bool {
		cleanable += int64(c.Bytes)
		return true
	})
	return cleanable > 0 && (late || exceeds(cleanable, u.cleanBytes, s.DirtyRatio))
}

func exceeds(dirty, clean int64, ratio float64) bool {
	return float64(dirty) > ratio*float64(clean+dirty)
}

// scanCleanable goes through coordinates from an offset on, up to the first one that may not be compacted: it was not merged yet, it may have a record
// of an open transaction, or it has a record that is newer than the lag allows.
func scanCleanable(r statestore.Reader, tp kafka.TopicIDPartition, p *Partition, from, newest int64, fn func(*coordinate) bool) {
	scanCoordinates(r, tp, from, func(c coordinate) bool {
		if c.level == levelCommitted || c.LastOffset >= p.LastStableOffset() || c.retentionTime() > newest {
			return false
		}
		return fn(&c)
	})
}

// planCompaction puts partitions on the agenda.
func (m *Machine) planCompaction(c *PlanCompaction) PlanResult {
	planned := 0
	for _, plan := range c.Partitions {
		if !m.workEnabled() || m.topicDeleted(plan.Partition.ID) || !m.partition(plan.Partition).existed {
			continue
		}
		u := m.upkeep(plan.Partition)
		u.plan = plan
		if u.compact.since >= 0 {
			continue
		}
		planned++
		u.compact.since = max(m.now, 0)
		if u.lease == 0 {
			m.schedule(classCompact, partitionSubject(plan.Partition), &u.compact, m.now, rpc.WorkWaiting)
		}
	}
	return PlanResult{Planned: planned}
}

// grantCompaction leases the first partition that still has something to compact.
func (m *Machine) grantCompaction(c *GrantWork) (lease, bool) {
	for _, e := range m.due(classCompact, maxLooks, false) {
		tp := e.partition()
		u := m.upkeep(tp)
		m.unschedule(classCompact, e.subject, &u.compact)
		if u.lease != 0 {
			continue // back on the agenda when the lease ends
		}
		run, ok := m.cleanableRun(tp, u, c)
		if !ok {
			m.settle(classCompact, e.subject, &u.compact)
			continue
		}
		u.compact.attempts++
		return lease{class: classCompact, attempt: u.compact.attempts, runs: []leasedRun{run}}, true
	}
	return lease{}, false
}

// cleanableRun is from the log start to the end of what may be compacted.
func (m *Machine) cleanableRun(tp kafka.TopicIDPartition, u *upkeep, c *GrantWork) (run leasedRun, ok bool) {
	p := m.partition(tp)
	dirty := false
	run = leasedRun{partition: tp, level: levelFinal, base: -1}
	scanCleanable(m.tx, tp, &p.value, p.value.LogStartOffset, m.now-u.plan.MinLagMillis, func(c2 *coordinate) bool {
		if run.base < 0 {
			run.base = c2.BaseOffset
		}
		run.last = c2.LastOffset
		run.coordinates++
		dirty = dirty || c2.LastOffset >= u.cleanEnd
		return run.coordinates < c.Policy.MergeCoordinates
	})
	tombstones := u.horizon > 0 && m.now >= u.horizon
	return run, run.coordinates > 0 && (dirty || tombstones)
}

// compacted notes that a partition is clean up to last.
func (m *Machine) compacted(tp kafka.TopicIDPartition, last, horizon int64) {
	u := m.upkeep(tp)
	u.horizon = max(horizon, 0)
	u.dirtySince = -1
	m.key = appendOffsetKey(m.key[:0], prefixCoordinate, tp, later(last, 1))
	m.key2 = appendOffsetKey(m.key2[:0], prefixCoordinate, tp, math.MaxInt64)
	m.tx.Scan(m.key, m.key2, func(k, v []byte) bool {
		if c := readCoordinate(k, v); c.level != levelCommitted {
			u.dirtySince = max(c.committed, 0)
		}
		return false
	})
}
