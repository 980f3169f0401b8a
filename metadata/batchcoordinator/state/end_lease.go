package state

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
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
