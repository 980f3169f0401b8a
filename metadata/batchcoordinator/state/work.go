package state

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// maxExpiredLeases bounds how many leases one command takes back.
const maxExpiredLeases = 64

func (m *Machine) leaseWork(c *LeaseWork) LeaseResult {
	if m.readFence().fenced(c.BrokerEpoch) {
		return LeaseResult{Err: kerr.StaleBrokerEpoch}
	}
	m.takeBackLeases()
	var due []kafka.ObjectID
	var keys [][]byte
	m.tx.Scan([]byte{prefixGarbage}, []byte{prefixGarbage + 1}, func(k, _ []byte) bool {
		if int64(len(due)) >= c.MaxObjects || numberAt(k, 1)+c.DelayMillis > m.now {
			return false
		}
		due = append(due, objectAt(k, 9))
		keys = append(keys, append([]byte(nil), k...))
		return true
	})
	if len(due) == 0 {
		return LeaseResult{}
	}
	id := m.scalar(scalarLastLease, 0) + 1
	// Deadlines never go backward, so that leases expire in the order of their ids.
	deadline := max(m.now+c.TimeoutMillis, m.scalar(scalarLastDeadline, 0))
	m.setScalar(scalarLastLease, id)
	m.setScalar(scalarLastDeadline, deadline)
	l := lease{broker: c.Broker, epoch: c.BrokerEpoch, deadline: deadline, objects: due, version: 1}
	if m.workEnabled() {
		l.version, l.class, l.granted, l.attempt = leaseVersion, classDelete, max(m.now, 0), 1
	}
	m.putLease(id, &l)

	result := LeaseResult{Lease: rpc.RequestWorkResponse{Lease: id, DeadlineMillis: deadline, Objects: make([]rpc.ReleasedObject, len(due))}}
	for i, object := range due {
		m.tx.Delete(keys[i])
		o := m.garbage(object)
		result.Lease.Objects[i] = rpc.ReleasedObject{Object: object, Bytes: o.bytes, Coordinators: o.coordinators}
	}
	return result
}

// garbage reads an object that is in the pool or leased.
func (m *Machine) garbage(id kafka.ObjectID) object {
	o, ok := m.loadObject(id)
	if !ok || o.refs != 0 {
		panic(&Damaged{"released object"})
	}
	return o
}

// takeBackLeases returns the objects of expired leases to the pool, at their old places.
func (m *Machine) takeBackLeases() {
	var ids []int64
	var expired []lease
	m.tx.Scan([]byte{prefixLease}, []byte{prefixLease + 1}, func(k, v []byte) bool {
		l := readLease(v)
		if l.version != 1 || l.deadline > m.now || len(ids) >= maxExpiredLeases {
			return false // leases of the second feature level come behind all of the first
		}
		ids, expired = append(ids, numberAt(k, 1)), append(expired, l)
		return true
	})
	for i, l := range expired {
		m.key = appendNumberKey(m.key[:0], prefixLease, ids[i])
		m.tx.Delete(m.key)
		for _, id := range l.objects {
			o := m.garbage(id)
			m.key = appendGarbageKey(m.key[:0], o.since, id)
			m.tx.Set(m.key, nil)
		}
	}
}

func (m *Machine) completeWork(c *CompleteWork) CompleteResult {
	m.key = appendNumberKey(m.key[:0], prefixLease, c.Lease)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return CompleteResult{Err: kerr.FencedInstanceID}
	}
	l := readLease(v)
	if l.broker != c.Broker || l.epoch != c.BrokerEpoch || m.now >= l.deadline || l.class != classDelete {
		return CompleteResult{Err: kerr.FencedInstanceID}
	}
	m.dropLease(c.Lease, &l)
	gone := make(map[kafka.ObjectID]bool, len(c.Deleted))
	for _, id := range c.Deleted {
		gone[id] = true
	}
	var deleted []kafka.ObjectID
	for _, id := range l.objects {
		if gone[id] {
			m.key = appendObjectKey(m.key[:0], prefixObject, id)
			m.tx.Delete(m.key)
			deleted = append(deleted, id)
			continue
		}
		// Not deletable yet, or the storage failed: back into the pool, but behind the others.
		o := m.garbage(id)
		o.since = max(m.now+c.RetryMillis, 0)
		m.setObject(id, &o)
		m.key = appendGarbageKey(m.key[:0], o.since, id)
		m.tx.Set(m.key, nil)
	}
	if len(deleted) > 0 {
		m.record(&topics.ObjectsDeleted{Objects: deleted})
	}
	return CompleteResult{Deleted: len(deleted), Returned: len(l.objects) - len(deleted)}
}

// expireProducers forgets idle producers; their next batch may have any sequence.
func (m *Machine) expireProducers(c *ExpireProducers) ExpireResult {
	var result ExpireResult
	for _, p := range c.Producers {
		if known, ok := m.loadProducer(p); ok && known.lastAppend <= c.Cutoff {
			m.key = appendOffsetKey(m.key[:0], prefixProducer, p.Partition, p.ProducerID)
			m.tx.Delete(m.key)
			result.Expired++
		}
	}
	return result
}
