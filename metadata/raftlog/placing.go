package raftlog

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// A group's data begins under its own id. A snapshot that arrives is written under an id that nobody uses, in as many batches as it takes;
// one small batch then makes that id the place of the group's data, together with the applied index. A crash before leaves the old state, and
// what is nobody's is deleted at the next start.
const (
	// placedKind holds, under group 0, the place of each group's data where that is not its own id.
	placedKind = 'p'
	// firstPlace is above all ids of groups.
	firstPlace = uint64(1) << 63
)

var placedSpace = pebblestore.Space{Kind: placedKind}

// placeOf is where a group's data is.
func placeOf(r statestore.Reader, id uint64) uint64 {
	if value, ok := r.Get(offsetKey(int64(id))); ok && len(value) == 8 {
		return binary.BigEndian.Uint64(value)
	}
	return id
}

// place is where a group's data is now.
func (n *Node) place(id uint64) uint64 {
	place := id // of a store that is closed nothing is read
	n.view(func(v *pebblestore.View) { place = placeOf(v.Reader(placedSpace), id) })
	return place
}

// space of a group's data. It changes when a snapshot is installed: see consistently.
func (g *group) space(kind byte) pebblestore.Space {
	return pebblestore.Space{Group: g.place.Load(), Kind: kind}
}

// consistently calls open, which takes a view of the store, until the group's data did not move meanwhile. Data that was left behind is
// deleted after the move shows, so a view that was taken before is whole.
func (g *group) consistently(open func() *pebblestore.View) (*pebblestore.View, uint64) {
	for {
		place := g.place.Load()
		v := open()
		if g.place.Load() == place {
			return v, place
		}
		v.Close()
	}
}

// view reads the group's data, unless the node is closed.
func (g *group) view(fn func(reader func(kind byte) statestore.Reader)) {
	n := g.node
	n.viewMu.RLock()
	defer n.viewMu.RUnlock()
	if n.storeClosed {
		return
	}
	v, place := g.consistently(n.store.NewView)
	defer v.Close()
	defer g.haltOnFailure()
	fn(func(kind byte) statestore.Reader { return v.Reader(pebblestore.Space{Group: place, Kind: kind}) })
}

// newPlace is an id for data that nobody uses.
func (n *Node) newPlace() uint64 { return n.places.Add(1) }

// deletePlace frees data that is nobody's.
func (n *Node) deletePlace(place uint64) {
	b := n.store.NewBatch()
	b.DeleteGroup(place)
	b.Commit()
}

// sweepPlaces deletes what a crash left of snapshots, finds the first free id, and returns where each group's data is.
func (n *Node) sweepPlaces() (at map[uint64]uint64, err error) {
	defer recoverFailure(&err)
	n.places.Store(firstPlace)
	used, moved := map[uint64]bool{}, map[uint64]uint64{}
	n.view(func(v *pebblestore.View) {
		v.Reader(placedSpace).Scan(nil, nil, func(key, value []byte) bool {
			used[binary.BigEndian.Uint64(value)] = true
			moved[uint64(keyOffset(key))] = binary.BigEndian.Uint64(value)
			return true
		})
	})
	known := n.log.Groups()
	for id := range used {
		known = append(known, id)
	}
	slices.Sort(known)
	all, whole := n.store.Groups(known)
	if !whole {
		// What follows a damaged block may be places that nothing else tells of. They stay until a start that can see them; no new one may be one of theirs.
		n.places.Store(firstPlace + n.cfg.Rand.Uint64()>>2)
	}
	at = maps.Clone(moved)
	for _, id := range all {
		if id >= firstPlace {
			n.places.Store(max(n.places.Load(), id))
		}
		_, elsewhere := moved[id]
		if id >= firstPlace && !used[id] || elsewhere {
			n.deletePlace(id)
		} else if id < firstPlace && id != 0 {
			at[id] = id
		}
	}
	return at, nil
}
