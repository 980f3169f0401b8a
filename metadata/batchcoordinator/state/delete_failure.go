package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// deleteFailure is why nothing can be deleted, until something was. Objects that wait have no task of their own to keep a cause: there are too many of them, and what fails is the
// store, not an object.
type deleteFailure struct {
	failures int64 // leases that failed since the last object was deleted
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

func (m *Machine) forgetDeleteFailure() {
	m.key = scalarKey(m.key[:0], scalarDeleteFailure)
	if _, ok := m.tx.Get(m.key); ok {
		m.tx.Delete(m.key)
	}
}

func (f *deleteFailure) describe() rpc.WorkItem {
	return rpc.WorkItem{Kind: rpc.WorkDelete, State: rpc.WorkFailed, Subject: "objects, none of which can be deleted", Attempts: int32(min(f.failures, 1<<30)), SinceMillis: f.since,
		NextMillis: f.next, Cause: f.cause}
}
