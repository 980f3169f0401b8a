package wal

import (
	"math"
	"testing"
)

// FuzzReplay: what a frame holds is believed as far as its checksum goes. Records that no version wrote end in an error, never in a panic, and leave no entry that is longer
// than the frames or stands twice.
func FuzzReplay(f *testing.F) {
	g := &Group{id: 5, hs: hardState{2, 1, 3}, start: Start{Index: 3, Term: 2, Conf: []byte("conf")}}
	seed := appendCheckpoint(nil, g)
	for i := range uint64(4) {
		seed = appendEntry(seed, 5, entry(4+i, 2, "some data"))
	}
	f.Add(appendCompact(seed, 5, 5, 2))
	f.Add(appendRemove(appendReset(appendHardState(nil, 1, hardState{1, 2, 3}), 1, Start{Index: 9, Term: 1}), 1))
	f.Add(appendReset(appendEntry(nil, 1, entry(math.MaxUint64, 2, "")), 1, Start{Index: math.MaxUint64}))
	f.Add(appendCompact(appendEntry(appendEntry(nil, 1, entry(7, 2, "")), 1, entry(5, 2, "")), 1, math.MaxUint64, 1))
	f.Fuzz(func(t *testing.T, payload []byte) {
		l := &Log{groups: map[uint64]*Group{}}
		s := &segment{sequence: 1}
		for range 2 {
			if err := l.replayFrame(payload, s); err != nil {
				break
			}
			s.size += int64(frameHeaderSize + len(payload))
		}
		for id, g := range l.groups {
			if g.id != id || len(g.refs) > 2*len(payload) {
				t.Fatalf("group %d has %d entries of %d bytes", id, len(g.refs), len(payload))
			}
			for _, r := range g.refs {
				if int(r.size) > len(payload) {
					t.Fatalf("an entry of %d bytes in frames of %d", r.size, len(payload))
				}
			}
		}
	})
}
