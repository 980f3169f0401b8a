package state

import (
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// maxLooks bounds how many agenda entries one command looks at in vain.
const maxLooks = 16

// minFragment: fewer coordinates than this, cut off by coordinates of other levels, are not worth a merge.
const minFragment = 16

func (m *Machine) grantWork(c *GrantWork) GrantResult {
	if m.readFence().fenced(c.BrokerEpoch) {
		return GrantResult{Err: kerr.StaleBrokerEpoch}
	}
	if !m.workEnabled() {
		return GrantResult{Err: kerr.UnsupportedVersion}
	}
	result := GrantResult{Expired: m.expireLeases(&c.Policy)}
	total, own := int64(0), int64(0)
	m.leases(func(_ int64, l lease) {
		total++
		if l.broker == c.Broker && l.epoch == c.BrokerEpoch {
			own++
		}
	})
	if total >= c.Policy.MaxLeases || own >= c.Policy.MaxLeasesPerBroker {
		return result
	}
	merges := slices.Contains(c.Kinds, rpc.WorkMerge)
	if merges {
		m.sealGroup(&c.Policy)
	}
	counter := scalarTurn
	if !merges && !slices.Contains(c.Kinds, rpc.WorkCompactKeys) {
		counter = scalarDeletingTurn
	}
	turn := m.scalar(counter, 0)
	for _, class := range turns[turn%int64(len(turns))] {
		if !slices.Contains(c.Kinds, class.workKind()) {
			continue
		}
		l, ok := m.grant(class, turn%2 == 0, c)
		if !ok {
			continue
		}
		l.version, l.broker, l.epoch, l.granted = leaseVersion, c.Broker, c.BrokerEpoch, max(m.now, 0)
		l.deadline = later(m.now, c.Policy.LeaseMillis)
		result.Lease = m.scalar(scalarLastLease, 0) + 1
		m.setScalar(scalarLastLease, result.Lease)
		m.setScalar(counter, turn+1)
		m.putLease(result.Lease, &l)
		for _, r := range l.runs {
			m.upkeep(r.partition).lease = result.Lease
		}
		return result
	}
	return result
}

// turns are the orders in which classes are asked for work, one after the other. The tail comes first, for lookups there cost most and everybody
// reads it: new commits before old ones, and both before a partition's history. But each class leads at times, and on odd turns the oldest goes
// first, so that a load that never ends starves nothing. Brokers ask for what rewrites and for what deletes apart from one another: were their turns counted together, each merge could
// fall on the same few of them for ever.
var turns = [...][]workClass{
	{classCommits, classRun, classCompact, classDelete, classSweep},
	{classDelete, classSweep, classCompact, classCommits, classRun},
	{classCommits, classCompact, classRun, classSweep, classDelete},
	{classRun, classCommits, classDelete, classCompact, classSweep},
	{classCommits, classRun, classDelete, classCompact, classSweep},
	{classSweep, classDelete, classCommits, classRun, classCompact},
}

func (m *Machine) grant(class workClass, newest bool, c *GrantWork) (lease, bool) {
	switch class {
	case classDelete:
		return m.grantDelete(c)
	case classCommits:
		return m.grantGroup(newest)
	case classRun:
		return m.grantRuns(c)
	case classCompact:
		return m.grantCompaction(c)
	}
	return m.grantSweep()
}

func (m *Machine) grantDelete(c *GrantWork) (lease, bool) {
	var due []kafka.ObjectID
	var keys [][]byte
	kept := int64(math.MaxInt64)
	m.leases(func(_ int64, l lease) { kept = min(kept, l.keepsGarbage()) })
	m.tx.Scan([]byte{prefixGarbage}, []byte{prefixGarbage + 1}, func(k, _ []byte) bool {
		if int64(len(due)) >= c.MaxObjects || numberAt(k, 1) >= kept || later(numberAt(k, 1), c.Policy.DeleteDelayMillis) > m.now {
			return false
		}
		due, keys = append(due, objectAt(k, 9)), append(keys, append([]byte(nil), k...))
		return true
	})
	for _, k := range keys {
		m.tx.Delete(k)
	}
	return lease{class: classDelete, attempt: 1, objects: due}, len(due) > 0
}

func (m *Machine) grantGroup(newest bool) (lease, bool) {
	due := m.due(classCommits, 1, newest)
	if len(due) == 0 {
		return lease{}, false
	}
	id := due[0].number()
	g, ok := m.group(id)
	if !ok {
		panic(&Damaged{"group of commits"})
	}
	m.unschedule(classCommits, due[0].subject, &g.task)
	g.task.attempts++
	m.putGroup(id, &g)
	return lease{class: classCommits, attempt: g.task.attempts, number: id}, true
}

func (m *Machine) grantSweep() (lease, bool) {
	due := m.due(classSweep, 1, false)
	if len(due) == 0 {
		return lease{}, false
	}
	epoch := due[0].number()
	s, ok := m.sweep(epoch)
	if !ok {
		panic(&Damaged{"sweep"})
	}
	m.unschedule(classSweep, due[0].subject, &s.task)
	s.task.attempts++
	m.putSweep(epoch, &s)
	return lease{class: classSweep, attempt: s.task.attempts, number: epoch}, true
}

// grantRuns leases the merge of one partition that has enough for an object of its own, or of several small ones together. One that failed before
// goes alone, so that it does not take others with it.
func (m *Machine) grantRuns(c *GrantWork) (l lease, ok bool) {
	l.class = classRun
	maxBytes := c.Policy.RunMaxBytes
	if c.MaxBytes > 0 {
		maxBytes = min(maxBytes, c.MaxBytes)
	}
	bytes, coordinates := int64(0), int64(0)
	for _, e := range m.due(classRun, maxLooks, false) {
		tp := e.partition()
		u := m.upkeep(tp)
		if u.lease != 0 {
			m.unschedule(classRun, e.subject, &u.merge) // back when the lease ends
			continue
		}
		if len(l.runs) > 0 && u.merge.attempts > 0 {
			continue
		}
		run, size, found := leasedRun{}, int64(0), false
		if len(u.merge.damaged) > 0 { // what stopped the last attempt is left out while there is something else
			run, size, found = m.chooseRun(tp, u, &c.Policy, maxBytes, u.merge.damaged)
		}
		if !found {
			run, size, found = m.chooseRun(tp, u, &c.Policy, maxBytes, nil)
		}
		if !found {
			m.settle(classRun, e.subject, &u.merge)
			continue
		}
		if len(l.runs) > 0 && (bytes+size > c.Policy.MergeBytes || coordinates+run.coordinates > c.Policy.MergeCoordinates) {
			continue
		}
		m.unschedule(classRun, e.subject, &u.merge)
		u.merge.attempts++
		l.runs, l.attempt = append(l.runs, run), u.merge.attempts
		bytes, coordinates = bytes+size, coordinates+run.coordinates
		if u.merge.attempts > 1 || size >= c.Policy.RunBytes {
			break
		}
	}
	return l, len(l.runs) > 0
}

// chooseRun picks the coordinates that are merged next: of the lowest level that has enough, and whatever lower ones lie between them. It looks at
// these levels only, from where they start. A run has no coordinates of the objects to leave out.
func (m *Machine) chooseRun(tp kafka.TopicIDPartition, u *upkeep, policy *WorkPolicy, maxBytes int64, leaveOut []kafka.ObjectID) (best leasedRun, bestBytes int64, ok bool) {
	level := m.fullLevel(tp, u, policy)
	if level == 0 {
		return best, 0, false
	}
	from := int64(-1)
	for _, r := range u.runs {
		if r.level <= level && (from < 0 || r.start < from) {
			from = r.start
		}
	}
	p := m.partition(tp)
	var run leasedRun
	var bytes, looked int64
	firsts := map[uint8]int64{}
	keep := func() (enough bool) {
		if run.coordinates >= 2 && (bytes >= policy.RunBytes || run.coordinates >= policy.RunCoordinates || run.coordinates >= minFragment && run.coordinates > best.coordinates) {
			best, bestBytes = run, bytes
		}
		enough = best.coordinates > 0 && (bestBytes >= policy.RunBytes || best.coordinates >= policy.RunCoordinates)
		run, bytes = leasedRun{}, 0
		return enough
	}
	scanCoordinates(m.tx, tp, max(from, p.value.LogStartOffset), func(c coordinate) bool {
		looked++
		others := c.level == levelCommitted || c.level > level
		if _, seen := firsts[c.level]; !seen && !others {
			firsts[c.level] = c.BaseOffset
		}
		if others || slices.Contains(leaveOut, c.Object) {
			if keep() {
				return false
			}
			return looked < 2*policy.MergeCoordinates
		}
		if run.coordinates > 0 && (bytes+int64(c.Bytes) > maxBytes || run.coordinates >= policy.MergeCoordinates || c.BaseOffset != run.last+1) {
			if keep() {
				return false
			}
		}
		if run.coordinates == 0 {
			run = leasedRun{partition: tp, base: c.BaseOffset}
		}
		run.last, run.level = c.LastOffset, max(run.level, c.level)
		run.coordinates++
		bytes += int64(c.Bytes)
		return looked < 2*policy.MergeCoordinates
	})
	keep()
	for i := range u.runs {
		if first, seen := firsts[u.runs[i].level]; seen {
			u.runs[i].start = max(u.runs[i].start, first) // nothing of this level lies before
		}
	}
	if best.coordinates == 0 && len(leaveOut) > 0 {
		return best, 0, false
	}
	if best.coordinates == 0 {
		for i := range u.runs {
			if u.runs[i].level == level {
				u.runs[i].look = 2 * u.runs[i].coordinates
			}
		}
		return best, 0, false
	}
	return best, bestBytes, true
}
