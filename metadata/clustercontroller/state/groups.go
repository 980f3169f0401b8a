package state

import (
	"encoding/binary"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// RemovedGroups are those of ids that were placed once and are no more, for ever: ids are handed out in order and never twice. An old state shows too few, never one that
// is in use: what it does not know yet has a higher id than it has handed out.
func RemovedGroups(r statestore.Reader, ids []uint64) (removed []uint64) {
	next := uint64(firstGroup)
	if b, ok := r.Get(nextGroupKey); ok {
		next = binary.BigEndian.Uint64(b)
	}
	placed := map[uint64]bool{}
	r.Scan([]byte{'p'}, []byte{'p' + 1}, func(_, value []byte) bool {
		record, err := topics.DecodeClusterMetadata(value)
		p, ok := record.(*topics.PartitionPlacement)
		if err != nil || !ok {
			panic(&statestore.Failure{Op: "reading a placement", Err: fmt.Errorf("%T: %w", record, err)})
		}
		placed[p.RaftGroup] = true
		return true
	})
	for _, id := range ids {
		if id >= firstGroup && id < next && !placed[id] {
			removed = append(removed, id)
		}
	}
	return removed
}
