package raftlog

import (
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// The state store tells of a damaged file, not of whose data is damaged. A reader finds that out for itself and halts its group (haltOnFailure); what
// nobody reads is found by a compaction of the store. So each report is followed by a look at all groups: those that can be read go on.

// onDamage is called by the state store, under its locks.
func (n *Node) onDamage(error) {
	if n.scrubbing.CompareAndSwap(false, true) {
		n.control(func() { n.workers.Go(n.scrub) })
	}
}

// scrub halts the groups whose state cannot be read.
func (n *Node) scrub() {
	defer n.scrubbing.Store(false)
	var groups []*group
	if n.do(func() { groups = append(groups, n.order...) }) != nil {
		return
	}
	for _, g := range groups {
		if g.over.Load() {
			continue
		}
		if n.ctx.Err() != nil {
			return
		}
		g.readAll()
	}
}

// readAll reads the whole state of the group.
func (g *group) readAll() {
	var err error
	defer func() {
		if err != nil {
			g.halt(err) // unless the view did
		}
	}()
	defer recoverFailure(&err)
	g.view(func(reader func(byte) statestore.Reader) {
		for _, kind := range []byte{kindMeta, kindState, kindTopic, kindKeys, kindStones} {
			reader(kind).Scan(nil, nil, func(_, _ []byte) bool { return !g.over.Load() })
		}
	})
}

// haltDamaged halts a group, if it runs.
func (n *Node) haltDamaged(id uint64, err error) {
	n.control(func() {
		if g := n.groups[id]; g != nil {
			g.halt(err)
		}
	})
}
