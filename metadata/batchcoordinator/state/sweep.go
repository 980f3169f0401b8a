package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/rpc"
)

// sweep is what is left to do for a fenced epoch's uploads: rounds with growing distances, for a PUT may arrive late and a list may lag behind. After
// the last one the epoch is forgotten.
type sweep struct {
	broker  int32
	round   int32 // the next one
	objects int64 // deleted so far
	task    task
}

func (s *sweep) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	b = binary.AppendVarint(b, int64(s.broker))
	b = binary.AppendVarint(b, int64(s.round))
	b = binary.AppendVarint(b, s.objects)
	return s.task.append(b)
}

func readSweep(v []byte) sweep {
	r := readValue(v, "sweep")
	return sweep{broker: int32(r.int()), round: int32(r.int()), objects: r.int(), task: r.task()}
}

func (m *Machine) sweep(epoch int64) (sweep, bool) {
	m.key = appendNumberKey(m.key[:0], prefixSweep, epoch)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return sweep{}, false
	}
	return readSweep(v), true
}

func (m *Machine) putSweep(epoch int64, s *sweep) {
	m.key = appendNumberKey(m.key[:0], prefixSweep, epoch)
	m.value = s.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
}

// planSweeps puts epochs that ended on the agenda.
func (m *Machine) planSweeps(ended []BrokerEpoch, afterMillis int64) {
	for _, e := range ended {
		if _, ok := m.sweep(e.Epoch); ok {
			continue
		}
		s := sweep{broker: e.Broker, round: 1, task: idleTask()}
		m.schedule(classSweep, numberSubject(e.Epoch), &s.task, later(m.now, afterMillis), rpc.WorkWaiting)
		m.putSweep(e.Epoch, &s)
	}
}

// finishSweep plans the next round, or settles the epoch.
func (m *Machine) finishSweep(epoch, objects int64, policy *WorkPolicy) {
	s, ok := m.sweep(epoch)
	if !ok {
		return
	}
	s.objects += max(objects, 0)
	m.settle(classSweep, numberSubject(epoch), &s.task)
	if int(s.round) >= len(policy.SweepMillis) {
		m.key = appendNumberKey(m.key[:0], prefixSweep, epoch)
		m.tx.Delete(m.key)
		return
	}
	wait := policy.SweepMillis[max(s.round, 0)]
	s.round++
	m.schedule(classSweep, numberSubject(epoch), &s.task, later(m.now, wait), rpc.WorkWaiting)
	m.putSweep(epoch, &s)
}
