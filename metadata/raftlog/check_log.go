package raftlog

import (
	"fmt"
	"maps"
	"slices"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// logBehind says what the log of a group lacks, nil for nothing: an entry is durable before it is applied. To a state that was installed, the log may not have come yet.
func logBehind(entries *wal.Group, a appliedState) error {
	switch {
	case a.installed:
		return nil
	case entries == nil && a.index > firstIndex:
		return fmt.Errorf("%w: %w: the state is at index %d, but the log has nothing of it; %s", ErrHalt, errLogBehind, a.index, restoreHint)
	case entries != nil && a.index > lastIndex(entries):
		return fmt.Errorf("%w: %w: the state is at index %d, but the log ends at %d; %s", ErrHalt, errLogBehind, a.index, lastIndex(entries), restoreHint)
	}
	return nil
}

// checkLog holds the log against the states of all groups, before any of them is heard of: the end of a log that is missing has no checksum.
func (n *Node) checkLog(groups map[uint64]uint64) error {
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		if err := n.checkGroup(id, groups[id]); err != nil {
			return fmt.Errorf("group %d: %w", id, err)
		}
	}
	return nil
}

func (n *Node) checkGroup(id, place uint64) (err error) {
	var damaged error
	func() {
		defer recoverFailure(&damaged) // that is the group's own, see StartGroup
		n.view(func(v *pebblestore.View) {
			if value, ok := v.Reader(pebblestore.Space{Group: place, Kind: kindMeta}).Get(appliedKey); ok {
				if a, undecoded := decodeApplied(value); undecoded == nil {
					err = logBehind(n.log.Group(id), a)
				}
			}
		})
	}()
	return err
}
