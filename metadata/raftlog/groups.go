package raftlog

import (
	"maps"
	"slices"

	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// Groups are the ids of all groups that this node's folder has anything of, running or not, in order.
func (n *Node) Groups() (ids []uint64, err error) {
	defer recoverFailure(&err)
	found := map[uint64]struct{}{}
	if err := n.do(func() {
		for _, id := range n.log.Groups() {
			found[id] = struct{}{}
		}
	}); err != nil {
		return nil, err
	}
	ids, _ = n.store.Groups(slices.Sorted(maps.Keys(found))) // what a damaged file hides is not deleted
	for _, id := range ids {
		if id != 0 && id < firstPlace { // 0 is the node's own, above are places of groups
			found[id] = struct{}{}
		}
	}
	n.view(func(v *pebblestore.View) {
		v.Reader(placedSpace).Scan(nil, nil, func(key, _ []byte) bool {
			found[uint64(keyOffset(key))] = struct{}{}
			return true
		})
	})
	return slices.Sorted(maps.Keys(found)), nil
}
