package state

import (
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// held returns the lease if it is the holder's and still valid.
func (m *Machine) held(h *Holder) (lease, bool) {
	l, ok := m.lease(h.Lease)
	ok = ok && l.broker == h.Broker && l.epoch == h.BrokerEpoch && m.now < l.deadline && !m.readFence().fenced(h.BrokerEpoch)
	return l, ok
}

func (m *Machine) renewWork(c *RenewWork) RenewResult {
	l, ok := m.held(&c.Holder)
	if !ok {
		return RenewResult{Err: kerr.FencedInstanceID}
	}
	if l.version < leaseVersion {
		return RenewResult{DeadlineMillis: l.deadline} // of the release before: they expire in the order of their ids
	}
	m.dropLease(c.Lease, &l)
	l.deadline = max(l.deadline, later(m.now, c.LeaseMillis))
	m.putLease(c.Lease, &l)
	return RenewResult{DeadlineMillis: l.deadline}
}

func (m *Machine) failWork(c *FailWork) FailResult {
	l, ok := m.held(&c.Holder)
	if !ok {
		return FailResult{Err: kerr.FencedInstanceID}
	}
	cause, damaged := c.Cause, c.Damaged
	if len(cause) > rpc.MaxWorkCause {
		cause = cause[:rpc.MaxWorkCause]
	}
	damaged = damaged[:min(len(damaged), rpc.MaxWorkDamaged)]
	m.dropLease(c.Lease, &l)
	result := FailResult{Kind: l.class.workKind(), Response: rpc.FailWorkResponse{Attempts: l.attempt, RetryMillis: later(m.now, c.Policy.backoff(l.attempt))}}
	if l.class == classDelete {
		m.returnObjects(l.objects, result.Response.RetryMillis)
		result.Response.Attempts = int32(min(m.deleteFailed(cause, later(result.Response.RetryMillis, c.Policy.DeleteDelayMillis)), 1<<30))
		return result
	}
	if l.class == classCommits {
		m.splitGroup(&l, damaged, cause, &c.Policy)
	}
	blameless := m.blameless(&l, damaged)
	m.eachTask(&l, func(class workClass, subject []byte, t *task) {
		if blameless[string(subject)] {
			t.attempts--
			m.schedule(class, subject, t, m.now, rpc.WorkWaiting)
			return
		}
		t.cause, t.damaged = cause, damaged
		m.rest(class, subject, t, &c.Policy, false)
		result.Response.Parked = result.Response.Parked || t.state == rpc.WorkParked
		result.Response.RetryMillis = t.next
	})
	return result
}

// eachTask calls fn for the tasks of a lease that ended without a result, and writes them. What a partition's merge and compaction had blocked of each
// other goes on.
func (m *Machine) eachTask(l *lease, fn func(class workClass, subject []byte, t *task)) {
	switch l.class {
	case classCommits:
		if g, ok := m.group(l.number); ok {
			fn(l.class, numberSubject(l.number), &g.task)
			m.putGroup(l.number, &g)
		}
	case classSweep:
		if s, ok := m.sweep(l.number); ok {
			fn(l.class, numberSubject(l.number), &s.task)
			m.putSweep(l.number, &s)
		}
	case classRun, classCompact:
		for _, r := range l.runs {
			if !m.partition(r.partition).existed {
				continue // its topic is deleted
			}
			u := m.upkeep(r.partition)
			u.lease = 0
			own, other, otherClass := &u.merge, &u.compact, classCompact
			if l.class == classCompact {
				own, other, otherClass = &u.compact, &u.merge, classRun
			}
			subject := partitionSubject(r.partition)
			fn(l.class, subject, own)
			if other.since >= 0 && other.next < 0 {
				m.schedule(otherClass, subject, other, m.now, rpc.WorkWaiting)
			}
		}
	}
}

// returnObjects puts objects back into the garbage pool.
func (m *Machine) returnObjects(objects []kafka.ObjectID, at int64) {
	for _, id := range objects {
		o := m.garbage(id)
		if at >= 0 {
			o.since = at
			m.setObject(id, &o)
		}
		m.key = appendGarbageKey(m.key[:0], o.since, id)
		m.tx.Set(m.key, nil)
	}
}

// expireLeases takes back leases whose deadline has passed.
func (m *Machine) expireLeases(policy *WorkPolicy) int {
	m.takeBackLeases() // those of the first feature level
	var ids []int64
	m.tx.Scan([]byte{prefixDeadline}, appendDeadlineKey(nil, later(m.now, 1), 0), func(k, _ []byte) bool {
		ids = append(ids, numberAt(k, 9))
		return len(ids) < maxExpiredLeases
	})
	for _, id := range ids {
		l, ok := m.lease(id)
		if !ok {
			panic(&Damaged{"lease"})
		}
		m.takeBack(id, &l, policy)
	}
	return len(ids)
}

// takeBack ends a lease whose holder is gone; a nil policy has the work wait for its next holder at once.
func (m *Machine) takeBack(id int64, l *lease, policy *WorkPolicy) {
	m.dropLease(id, l)
	if l.class == classDelete {
		m.returnObjects(l.objects, -1)
		return
	}
	m.eachTask(l, func(class workClass, subject []byte, t *task) {
		if policy == nil {
			m.schedule(class, subject, t, m.now, rpc.WorkWaiting)
			return
		}
		m.rest(class, subject, t, policy, true)
	})
}

// fenceLeases takes back the leases of epochs that are over.
func (m *Machine) fenceLeases(f *fence) {
	m.leases(func(id int64, l lease) {
		if f.fenced(l.epoch) {
			m.takeBack(id, &l, nil)
		}
	})
}

func (m *Machine) retryWork(c *RetryWork) RetryResult {
	var parked []agendaEntry
	m.tx.Scan([]byte{prefixAgenda}, []byte{prefixAgenda + 1}, func(k, v []byte) bool {
		if e := readAgendaEntry(k, v); e.state == rpc.WorkParked && e.class.workKind() == c.WorkKind {
			parked = append(parked, e)
		}
		return true
	})
	for _, e := range parked {
		switch e.class {
		case classCommits:
			if g, ok := m.group(e.number()); ok {
				g.task.attempts = 0
				m.schedule(e.class, e.subject, &g.task, m.now, rpc.WorkWaiting)
				m.putGroup(e.number(), &g)
			}
		case classSweep:
			if s, ok := m.sweep(e.number()); ok {
				s.task.attempts = 0
				m.schedule(e.class, e.subject, &s.task, m.now, rpc.WorkWaiting)
				m.putSweep(e.number(), &s)
			}
		default:
			u := m.upkeep(e.partition())
			t := &u.merge
			if e.class == classCompact {
				t = &u.compact
			}
			t.attempts = 0
			m.schedule(e.class, e.subject, t, m.now, rpc.WorkWaiting)
		}
	}
	return RetryResult{Items: int64(len(parked))}
}

func (m *Machine) finishWork(c *FinishWork) FinishResult {
	// 1. Asked again: the first answer.
	if r, ok := m.ended(&c.Holder); ok {
		return r
	}
	l, ok := m.held(&c.Holder)
	if !ok {
		return FinishResult{Err: kerr.FencedInstanceID}
	}
	// 2. What was done.
	result := FinishResult{Kind: l.class.workKind(), Millis: max(m.now-l.granted, 0), Swapped: make([]bool, len(c.Segments))}
	switch l.class {
	case classDelete:
		m.finishDelete(c, &l, &result)
	case classSweep:
		m.finishSweep(l.number, c.SweptObjects, &c.Policy)
		result.Deleted = int(max(c.SweptObjects, 0))
	default:
		if !m.finishRewrite(c, &l, &result) {
			return FinishResult{Err: kerr.InvalidRequest}
		}
	}
	// 3. The lease is over; its answer is remembered.
	m.dropLease(c.Lease, &l)
	m.remember(c, &result)
	return result
}

func (m *Machine) finishDelete(c *FinishWork, l *lease, result *FinishResult) {
	gone := make(map[kafka.ObjectID]bool, len(c.Deleted))
	for _, id := range c.Deleted {
		gone[id] = true
	}
	var deleted, left []kafka.ObjectID
	for _, id := range l.objects {
		if !gone[id] {
			left = append(left, id)
			continue
		}
		m.key = appendObjectKey(m.key[:0], prefixObject, id)
		m.tx.Delete(m.key)
		deleted = append(deleted, id)
	}
	// Not deletable yet, or the storage failed: back into the pool, but behind the others.
	m.returnObjects(left, later(m.now, c.RetryMillis))
	if len(deleted) > 0 {
		m.record(&topics.ObjectsDeleted{Objects: deleted})
	}
	switch {
	case c.Cause != "":
		m.deleteFailed(c.Cause[:min(len(c.Cause), rpc.MaxWorkCause)], later(later(m.now, c.RetryMillis), c.Policy.DeleteDelayMillis))
	case len(deleted) > 0:
		m.deleteSucceeded(l.granted)
	}
	result.Deleted, result.Returned = len(deleted), len(left)
}

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

// ended finds the answer to a lease that its holder has completed before.
func (m *Machine) ended(h *Holder) (FinishResult, bool) {
	m.key = appendNumberKey(m.key[:0], prefixEnded, h.Lease)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return FinishResult{}, false
	}
	r := readValue(v, "ended lease")
	broker, epoch := int32(r.int()), r.int()
	result := FinishResult{Repeated: true, Kind: rpc.WorkKind(r.int()), Swapped: make([]bool, r.uint())}
	for i := range result.Swapped {
		result.Swapped[i] = true
	}
	for range r.count() {
		i := r.uint()
		if i >= uint64(len(result.Swapped)) {
			panic(&Damaged{r.what})
		}
		result.Swapped[i] = false
	}
	return result, broker == h.Broker && epoch == h.BrokerEpoch
}

// remember keeps the answer of a lease, and forgets old ones.
func (m *Machine) remember(c *FinishWork, result *FinishResult) {
	b := append(m.value[:0], valueVersion)
	b = binary.AppendVarint(b, int64(c.Broker))
	b = binary.AppendVarint(b, c.BrokerEpoch)
	b = binary.AppendVarint(b, int64(result.Kind))
	b = binary.AppendUvarint(b, uint64(len(result.Swapped)))
	skipped := 0
	for _, s := range result.Swapped {
		if !s {
			skipped++
		}
	}
	b = binary.AppendUvarint(b, uint64(skipped))
	for i, s := range result.Swapped {
		if !s {
			b = binary.AppendUvarint(b, uint64(i))
		}
	}
	m.value = b
	m.key = appendNumberKey(m.key[:0], prefixEnded, c.Lease)
	m.tx.Set(m.key, m.value)
	if forget := m.scalar(scalarLastLease, 0) - maxRememberedResults; forget > 0 {
		m.key = appendNumberKey(m.key[:0], prefixEnded, 0)
		m.key2 = appendNumberKey(m.key2[:0], prefixEnded, forget)
		var old []int64
		m.tx.Scan(m.key, m.key2, func(k, _ []byte) bool {
			old = append(old, numberAt(k, 1))
			return len(old) < maxExpiredLeases
		})
		for _, id := range old {
			m.key = appendNumberKey(m.key[:0], prefixEnded, id)
			m.tx.Delete(m.key)
		}
	}
}
