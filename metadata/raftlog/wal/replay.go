package wal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"

	pb "go.etcd.io/raft/v3/raftpb"
)

// errNewer is no damage: the frame's checksum is right.
var errNewer = errors.New("a record of kind")

func (l *Log) replayFrame(payload []byte, s *segment) error {
	d := decoder{payload: payload}
	for d.more() {
		kind := d.kind()
		id := d.uvarint()
		if kind == kindRemove {
			delete(l.groups, id)
			continue
		}
		g := l.groups[id]
		if g == nil {
			g = &Group{id: id, log: l}
			l.groups[id] = g
		}
		if err := g.replay(kind, &d, s); err != nil {
			return err
		}
	}
	return d.err
}

func (g *Group) replay(kind byte, d *decoder, s *segment) error {
	switch kind {
	case kindEntry:
		index, term, entryType, data := d.uvarint(), d.uvarint(), d.uvarint(), d.bytes()
		offset := s.size + frameHeaderSize + int64(d.at-len(data))
		r := ref{term: term, segment: s.sequence, offset: uint32(offset), size: uint32(len(data)),
			crc: crc32.Checksum(data, castagnoli), kind: pb.EntryType(entryType)}
		g.replayEntry(index, r)
	case kindHardState:
		g.hs = hardState{d.uvarint(), d.uvarint(), d.uvarint()}
	case kindReset:
		g.reset(Start{Index: d.uvarint(), Term: d.uvarint(), Conf: d.bytes()})
		g.gap = 0
	case kindCompact:
		g.replayCompact(d.uvarint(), d.uvarint())
	case kindCheckpoint:
		g.hs = hardState{d.uvarint(), d.uvarint(), d.uvarint()}
		start := Start{Index: d.uvarint(), Term: d.uvarint(), Conf: bytes.Clone(d.bytes())}
		g.replayCompact(start.Index, start.Term)
		if start.Index == g.start.Index && start.Term == g.start.Term {
			g.start.Conf = start.Conf
		}
	default:
		return fmt.Errorf("%w %d, which this version does not know: start the newer version that wrote it", errNewer, kind)
	}
	return nil
}

// replayEntry allows for entries that are missing because their segment was deleted: a compaction further on must then cover them.
func (g *Group) replayEntry(index uint64, r ref) {
	first := g.start.Index + 1
	if g.gap != 0 {
		first = g.gap
	}
	next := first + uint64(len(g.refs))
	switch {
	case index > next:
		g.refs, g.gap = append(g.refs[:0], r), index
	case index <= g.start.Index: // compacted since
	case index < first: // replaces entries on both sides of the gap's end
		g.refs, g.gap = append(g.refs[:0], r), index
		if index == g.start.Index+1 {
			g.gap = 0
		}
	default:
		g.refs = append(g.refs[:index-first], r)
	}
}

func (g *Group) replayCompact(index, term uint64) {
	if g.gap == 0 {
		g.compact(index, term)
		return
	}
	if index+1 < g.gap {
		g.start = Start{Index: index, Term: term}
		return
	}
	// The gap is covered.
	g.start, g.gap = Start{Index: g.gap - 1}, 0
	if index == g.start.Index {
		g.start.Term = term
	}
	g.compact(index, term)
}
