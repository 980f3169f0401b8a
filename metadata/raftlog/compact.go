package raftlog

import (
	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// manySegments is above what CompactBytes needs with segments of the default size.
const manySegments = 8

// compactWhenDue wakes the compactor when enough was written. It runs in the event loop.
func (n *Node) compactWhenDue() {
	bytes, entries := n.log.SinceCompaction()
	segments, _ := n.log.Size()
	due := bytes >= n.cfg.CompactBytes || entries >= n.cfg.CompactEntries ||
		segments > manySegments && bytes >= n.cfg.CompactBytes/1024 // each start adds a segment
	if due {
		n.compactSoon()
	}
}

// compactSoon wakes the compactor, unless it is at work.
func (n *Node) compactSoon() {
	if n.compacting.CompareAndSwap(false, true) {
		n.compactDue <- struct{}{}
	}
}

// compactLoop flushes the state and cuts the log, away from the event loop: a flush takes long, a cut does not.
func (n *Node) compactLoop() {
	for {
		select {
		case <-n.compactDue:
		case <-n.loopDone:
			return
		}
		if err := n.compact(); err != nil {
			n.fail(err)
			return
		}
		n.compacting.Store(false)
	}
}

func (n *Node) compact() (err error) {
	defer recoverFailure(&err)
	if err := n.store.Flush(); err != nil {
		return err
	}
	var ids []uint64
	if n.do(func() { ids = n.log.Groups() }) != nil {
		return nil // closing, which compacts too
	}
	indexes := n.durable(ids)
	var paths []string
	var cutErr error
	if n.do(func() { paths, cutErr = n.cut(indexes) }) != nil || cutErr != nil {
		return cutErr
	}
	if err := wal.RemoveFiles(n.cfg.FS, paths); err != nil {
		return err
	}
	n.metrics.compacted.Set(float64(n.cfg.Clock.Now().UnixMilli()) / 1000)
	return nil
}

// compactOnClose does the same when the loop has ended.
func (n *Node) compactOnClose() (err error) {
	defer recoverFailure(&err)
	if err := n.store.Flush(); err != nil {
		return err
	}
	paths, err := n.cut(n.durable(n.log.Groups()))
	if err != nil {
		return err
	}
	return wal.RemoveFiles(n.cfg.FS, paths)
}

// durable is the applied index of each group that no crash can take back.
func (n *Node) durable(ids []uint64) map[uint64]uint64 {
	indexes := make(map[uint64]uint64, len(ids))
	for _, id := range ids {
		if index, ok, err := n.durableIndex(id); err != nil {
			n.haltDamaged(id, err) // its log stays as it is; the others' is cut
		} else if ok {
			indexes[id] = index
		}
	}
	return indexes
}

func (n *Node) durableIndex(id uint64) (index uint64, ok bool, err error) {
	defer recoverFailure(&err)
	place := id
	n.store.Durable(placedSpace, func(r statestore.Reader) { place = placeOf(r, id) })
	n.store.Durable(pebblestore.Space{Group: place, Kind: kindMeta}, func(r statestore.Reader) {
		if value, there := r.Get(appliedKey); there {
			if a, err := decodeApplied(value); err == nil {
				index, ok = a.index, true
			}
		}
	})
	return index, ok, err
}

// cut drops the entries that are in the state for good. Groups with several replicas keep some for those that lag.
func (n *Node) cut(indexes map[uint64]uint64) (paths []string, err error) {
	for id, index := range indexes {
		entries := n.log.Group(id)
		if entries == nil {
			delete(indexes, id)
			continue
		}
		index = min(index, lastIndex(entries))
		if g := n.groups[id]; g != nil && !g.sole() && !entries.Damaged() {
			index -= min(index, n.cfg.KeepEntries)
			for _, sent := range g.sends {
				index = min(index, sent) // who gets that snapshot needs what follows
			}
		}
		indexes[id] = index
	}
	if err := n.log.Compact(indexes); err != nil {
		return nil, err
	}
	return n.log.Obsolete(), nil
}

func recoverFailure(err *error) {
	switch p := recover().(type) {
	case nil:
	case *statestore.Failure:
		*err = p
	default:
		panic(p)
	}
}
