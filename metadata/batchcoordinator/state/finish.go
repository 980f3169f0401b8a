package state

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

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
