package state

import (
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// finishRewrite swaps what a merge or key compaction wrote. False: what it says of its outputs cannot be true, and nothing is done.
func (m *Machine) finishRewrite(c *FinishWork, l *lease, result *FinishResult) bool {
	swaps, ok := m.checkSwaps(c, l)
	if !ok {
		return false
	}
	epoch, known := m.brokerEpoch(c.BrokerEpoch)
	noted := epoch.seen
	for _, o := range c.Outputs {
		e := m.object(o.Object)
		e.value = object{bytes: o.ObjectBytes, coordinators: []int32{c.Coordinator}}
		e.existed, e.dirty = true, true // with nothing swapped it is garbage at once
		epoch.seen = max(epoch.seen, o.Object.Sequence)
	}
	if known && epoch.seen > noted {
		m.setBrokerEpoch(c.BrokerEpoch, &epoch)
	}
	swapped := map[kafka.TopicIDPartition]int64{}
	for i := range swaps {
		s := &swaps[i]
		if s.inputs == nil {
			continue
		}
		level := levelCommitted
		for j := range s.inputs {
			level = max(level, s.inputs[j].level)
		}
		added := m.apply(s, l.class == classCompact, func(o *coordinate) uint8 {
			if l.class == classCompact {
				return levelFinal
			}
			return nextLevel(level, o, &c.Policy)
		})
		if l.class == classCompact {
			m.compacted(s.segment.Partition, s.segment.LastOffset, c.DeleteHorizonMillis)
		}
		swapped[s.segment.Partition] += int64(len(s.inputs))
		result.Swapped[i] = true
		result.Replaced += int64(len(s.inputs))
		result.Added += int64(added)
	}
	m.endRewrite(c, l, swapped)
	return true
}

// checkSwaps finds the inputs of each segment. A segment whose inputs changed meanwhile is no fault of the job.
func (m *Machine) checkSwaps(c *FinishWork, l *lease) ([]swap, bool) {
	for i, o := range c.Outputs {
		again := slices.ContainsFunc(c.Outputs[:i], func(p rpc.OutputObject) bool { return p.Object == o.Object })
		if again || o.Object.Epoch != c.BrokerEpoch || o.Object.Sequence < 0 || o.ObjectBytes < 0 || m.object(o.Object).existed {
			return nil, false
		}
	}
	merge := l.class != classCompact
	of := m.leasedBy(l)
	swaps := make([]swap, len(c.Segments))
	ends := map[kafka.TopicIDPartition]int64{} // a partition's segments are in order, and none comes twice
	for i := range c.Segments {
		s := &c.Segments[i]
		if !wellFormed(s, c.Outputs, merge) {
			return nil, false
		}
		if end, ok := ends[s.Partition]; ok && s.BaseOffset <= end {
			return nil, false
		}
		ends[s.Partition] = s.LastOffset
		if l.class != classCommits && !slices.ContainsFunc(l.runs, func(r leasedRun) bool {
			return r.partition == s.Partition && r.base == s.BaseOffset && r.last == s.LastOffset && r.coordinates == int64(s.Inputs)
		}) {
			return nil, false
		}
		swaps[i] = m.find(s, merge, of)
		if swaps[i].inputs != nil && merge && !swaps[i].sameBatches() {
			return nil, false
		}
	}
	return swaps, true
}

// leasedBy says which coordinates belong to a lease. Runs are known by their offsets; coordinates of commits by their objects.
func (m *Machine) leasedBy(l *lease) leased {
	if l.class != classCommits {
		return func(c *coordinate) bool { return c.level != levelCommitted }
	}
	objects := map[kafka.ObjectID]bool{}
	if g, ok := m.group(l.number); ok {
		m.key = appendNumberKey(m.key[:0], prefixQueue, g.first)
		m.key2 = appendNumberKey(m.key2[:0], prefixQueue, later(g.last, 1))
		m.tx.Scan(m.key, m.key2, func(_, v []byte) bool {
			c := readQueuedCommit(v)
			objects[c.object] = true
			return true
		})
	}
	return func(c *coordinate) bool { return c.level == levelCommitted && objects[c.Object] }
}

// endRewrite frees what the lease held and looks for what can be done next.
func (m *Machine) endRewrite(c *FinishWork, l *lease, swapped map[kafka.TopicIDPartition]int64) {
	if l.class == classCommits {
		g, ok := m.group(l.number)
		if !ok {
			return
		}
		m.settle(classCommits, numberSubject(l.number), &g.task)
		m.key = appendNumberKey(m.key[:0], prefixGroup, l.number)
		m.tx.Delete(m.key)
		m.endGroup(&g, swapped, &c.Policy)
		for i := range c.Segments {
			if swapped[c.Segments[i].Partition] > 0 {
				m.reconsider(c.Segments[i].Partition, &c.Policy)
			}
		}
		return
	}
	for _, r := range l.runs {
		if !m.partition(r.partition).existed {
			continue
		}
		u := m.upkeep(r.partition)
		u.lease = 0
		if l.class == classRun {
			m.settle(classRun, partitionSubject(r.partition), &u.merge)
			for i := range u.runs {
				if lr := &u.runs[i]; swapped[r.partition] > 0 && lr.level <= r.level && lr.start >= r.base && lr.start <= r.last {
					lr.start = r.last + 1
				}
			}
		} else {
			m.settle(classCompact, partitionSubject(r.partition), &u.compact)
		}
		m.reconsider(r.partition, &c.Policy)
	}
}
