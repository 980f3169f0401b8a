package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// deleteFailure is why objects cannot be deleted, all or some of a lease, until those of a later lease were. Objects that wait have no task of their own to keep a cause: there are too
// many of them, and what fails is the store, mostly, not an object.
type deleteFailure struct {
	failures int64 // leases that failed, or left objects, since all went well
	since    int64 // when the first of them did, -1 without one
	next     int64 // not before
	cause    string
}

const scalarDeleteFailure = "delete failure"

func readDeleteFailure(r statestore.Reader) deleteFailure {
	v, ok := r.Get(scalarKey(nil, scalarDeleteFailure))
	if !ok {
		return deleteFailure{since: -1}
	}
	read := readValue(v, scalarDeleteFailure)
	return deleteFailure{failures: read.int(), since: read.int(), next: read.int(), cause: string(read.bytes())}
}

func (m *Machine) putDeleteFailure(f *deleteFailure) {
	b := append(m.value[:0], valueVersion)
	for _, v := range [...]int64{f.failures, f.since, f.next} {
		b = binary.AppendVarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(f.cause)))
	m.value = append(b, f.cause...)
	m.key = scalarKey(m.key[:0], scalarDeleteFailure)
	m.tx.Set(m.key, m.value)
}

// deleteFailed notes the last cause; the objects are leased again from next on.
func (m *Machine) deleteFailed(cause string, next int64) (failures int64) {
	f := readDeleteFailure(m.tx)
	f.failures, f.cause, f.next = f.failures+1, cause, next
	if f.since < 0 {
		f.since = max(m.now, 0)
	}
	m.putDeleteFailure(&f)
	return f.failures
}

// deleteSucceeded forgets the cause, unless the lease was granted before what failed was due again: that others could be deleted says nothing of it.
func (m *Machine) deleteSucceeded(granted int64) {
	f := readDeleteFailure(m.tx)
	if f.failures > 0 && granted >= f.next {
		m.key = scalarKey(m.key[:0], scalarDeleteFailure)
		m.tx.Delete(m.key)
	}
}

func (f *deleteFailure) describe() rpc.WorkItem {
	return rpc.WorkItem{Kind: rpc.WorkDelete, State: rpc.WorkFailed, Subject: "objects that could not be deleted", Attempts: int32(min(f.failures, 1<<30)), SinceMillis: f.since,
		NextMillis: f.next, Cause: f.cause}
}
