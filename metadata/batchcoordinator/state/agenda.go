package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// task is what the agenda knows of one subject: a group, a partition's merge or compaction, a sweep.
type task struct {
	since    int64 // when there was first something to do, -1 while there is nothing
	next     int64 // its place in the agenda, -1 while it is not there: leased, blocked or nothing to do
	attempts int32
	state    rpc.WorkState // in the agenda
	cause    string        // of the last failure
	damaged  []kafka.ObjectID
}

func idleTask() task { return task{since: -1, next: -1} }

func (t *task) idle() bool { return t.since < 0 && t.next < 0 }

func (t *task) append(b []byte) []byte {
	b = binary.AppendVarint(b, t.since)
	b = binary.AppendVarint(b, t.next)
	b = binary.AppendVarint(b, int64(t.attempts))
	b = append(b, byte(t.state))
	b = binary.AppendUvarint(b, uint64(len(t.cause)))
	b = append(b, t.cause...)
	b = binary.AppendUvarint(b, uint64(len(t.damaged)))
	for _, id := range t.damaged {
		b = binary.AppendVarint(b, id.Epoch)
		b = binary.AppendVarint(b, id.Sequence)
	}
	return b
}

func (r *valueReader) task() task {
	t := task{since: r.int(), next: r.int(), attempts: int32(r.int()), state: rpc.WorkState(r.byte()), cause: string(r.bytes())}
	if n := r.count(); n > 0 {
		t.damaged = make([]kafka.ObjectID, n)
		for i := range t.damaged {
			t.damaged[i] = kafka.ObjectID{Epoch: r.int(), Sequence: r.int()}
		}
	}
	return t
}

// appendAgendaKey orders by class and time, then by subject.
func appendAgendaKey(b []byte, class workClass, next int64, subject []byte) []byte {
	b = append(b, prefixAgenda, byte(class))
	b = binary.BigEndian.AppendUint64(b, uint64(max(next, 0)))
	return append(b, subject...)
}

// agendaEntry is one key of the agenda.
type agendaEntry struct {
	class   workClass
	next    int64
	subject []byte
	state   rpc.WorkState
	since   int64
}

func readAgendaEntry(k, v []byte) agendaEntry {
	r := readValue(v, "agenda entry")
	return agendaEntry{class: workClass(k[1]), next: numberAt(k, 2), subject: append([]byte(nil), k[10:]...), state: rpc.WorkState(r.byte()), since: r.int()}
}

func (e *agendaEntry) partition() kafka.TopicIDPartition {
	if len(e.subject) != partitionKeyLen-1 {
		panic(&Damaged{"agenda entry"})
	}
	return partitionOf(append([]byte{0}, e.subject...))
}

func (e *agendaEntry) number() int64 {
	if len(e.subject) != 8 {
		panic(&Damaged{"agenda entry"})
	}
	return numberAt(e.subject, 0)
}

// schedule puts t on the agenda, or to another place of it.
func (m *Machine) schedule(class workClass, subject []byte, t *task, at int64, state rpc.WorkState) {
	m.unschedule(class, subject, t)
	if t.since < 0 {
		t.since = max(m.now, 0)
	}
	t.next, t.state = max(at, 0), state
	m.key = appendAgendaKey(m.key[:0], class, t.next, subject)
	m.value = binary.AppendVarint(append(m.value[:0], valueVersion, byte(state)), t.since)
	m.tx.Set(m.key, m.value)
}

// unschedule takes t off the agenda; what there is to do stays.
func (m *Machine) unschedule(class workClass, subject []byte, t *task) {
	if t.next >= 0 {
		m.key = appendAgendaKey(m.key[:0], class, t.next, subject)
		m.tx.Delete(m.key)
		t.next = -1
	}
}

// settle forgets t: it is done.
func (m *Machine) settle(class workClass, subject []byte, t *task) {
	m.unschedule(class, subject, t)
	*t = idleTask()
}

// rest puts a task that failed back on the agenda, later with each attempt and for long after too many. With a lost lease nobody said that the work
// itself is at fault, so that it is never parked.
func (m *Machine) rest(class workClass, subject []byte, t *task, policy *WorkPolicy, lost bool) {
	switch {
	case !lost && int64(t.attempts) >= policy.MaxAttempts:
		m.schedule(class, subject, t, later(m.now, policy.ParkedMillis), rpc.WorkParked)
	case lost && t.attempts <= 1:
		m.schedule(class, subject, t, m.now, rpc.WorkWaiting)
	default:
		m.schedule(class, subject, t, later(m.now, policy.backoff(t.attempts)), rpc.WorkFailed)
	}
}

// due lists up to limit entries of a class whose time has come, oldest first or newest first.
func (m *Machine) due(class workClass, limit int, newest bool) []agendaEntry {
	var entries []agendaEntry
	collect := func(k, v []byte) bool {
		entries = append(entries, readAgendaEntry(k, v))
		return len(entries) < limit
	}
	lo := []byte{prefixAgenda, byte(class)}
	hi := binary.BigEndian.AppendUint64([]byte{prefixAgenda, byte(class)}, uint64(later(m.now, 1)))
	if newest {
		m.tx.ScanReverse(lo, hi, collect)
	} else {
		m.tx.Scan(lo, hi, collect)
	}
	return entries
}
