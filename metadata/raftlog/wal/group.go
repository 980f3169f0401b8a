package wal

import (
	"bytes"
	"fmt"
	"hash/crc32"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Start is where a group's log begins: the entry before its first. Conf is the encoded ConfState at that entry when the log
// was made or reset, nil once it was compacted, for the state store then has a later one.
type Start struct {
	Index, Term uint64
	Conf        []byte
}

type hardState struct{ term, vote, commit uint64 }

// ref is where an entry's data is.
type ref struct {
	term    uint64
	segment uint64
	offset  uint32
	size    uint32
	crc     uint32
	kind    pb.EntryType
}

// Group is one group's part of the log. It has the methods of raft.Storage that are about entries.
type Group struct {
	id    uint64
	log   *Log
	start Start
	hs    hardState
	saved hardState // what the files hold; a commit index alone waits for the next round
	refs  []ref     // of start.Index+1 and on; while the log is loaded and gap is not 0, of gap and on
	gap   uint64

	cache      []*pb.Entry // the newest entries, up to the last
	cacheBytes int
}

// Start says where the log begins.
func (g *Group) Start() Start { return g.start }

// HardState is the newest that was appended.
func (g *Group) HardState() *pb.HardState {
	return &pb.HardState{Term: &g.hs.term, Vote: &g.hs.vote, Commit: &g.hs.commit}
}

// FirstIndex implements raft.Storage.
func (g *Group) FirstIndex() (uint64, error) { return g.start.Index + 1, nil }

// LastIndex implements raft.Storage.
func (g *Group) LastIndex() (uint64, error) { return g.last(), nil }

func (g *Group) last() uint64 { return g.start.Index + uint64(len(g.refs)) }

// Term implements raft.Storage.
func (g *Group) Term(index uint64) (uint64, error) {
	switch {
	case index < g.start.Index:
		return 0, raft.ErrCompacted
	case index == g.start.Index:
		return g.start.Term, nil
	case index > g.last():
		return 0, raft.ErrUnavailable
	}
	return g.refs[index-g.start.Index-1].term, nil
}

// Entries implements raft.Storage.
func (g *Group) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if lo <= g.start.Index {
		return nil, raft.ErrCompacted
	}
	if hi > g.last()+1 {
		return nil, raft.ErrUnavailable
	}
	entries := make([]*pb.Entry, 0, min(hi-lo, 1024))
	size := uint64(0)
	for index := lo; index < hi; index++ {
		r := g.refs[index-g.start.Index-1]
		size += uint64(r.size) + 24 // about the encoded size
		if size > maxSize && len(entries) > 0 {
			break
		}
		e, err := g.entry(index, r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (g *Group) entry(index uint64, r ref) (*pb.Entry, error) {
	if cached := g.last() - index; cached < uint64(len(g.cache)) {
		return g.cache[uint64(len(g.cache))-1-cached], nil
	}
	data, err := g.log.read(r)
	if err != nil {
		return nil, fmt.Errorf("entry %d of group %d: %w", index, g.id, err)
	}
	return &pb.Entry{Index: &index, Term: &r.term, Type: r.kind.Enum(), Data: data}, nil
}

// put adds an entry, which replaces one of the same index and all behind it.
func (g *Group) put(index uint64, r ref) error {
	if index <= g.start.Index || index > g.last()+1 {
		return fmt.Errorf("raft log: entry %d of group %d does not follow %d to %d", index, g.id, g.start.Index, g.last())
	}
	g.truncate(index)
	g.refs = append(g.refs, r)
	return nil
}

// truncate drops the entries from index on.
func (g *Group) truncate(index uint64) {
	dropped := g.last() + 1 - index
	if dropped == 0 {
		return
	}
	g.refs = g.refs[:uint64(len(g.refs))-dropped]
	if dropped >= uint64(len(g.cache)) {
		g.cache, g.cacheBytes = nil, 0
		return
	}
	for _, e := range g.cache[uint64(len(g.cache))-dropped:] {
		g.cacheBytes -= len(e.GetData())
	}
	g.cache = g.cache[:uint64(len(g.cache))-dropped]
}

// remember caches an entry that was put last.
func (g *Group) remember(e *pb.Entry, limit int) {
	g.cache = append(g.cache, e)
	g.cacheBytes += len(e.GetData())
	drop := 0
	for ; g.cacheBytes > limit && drop < len(g.cache)-1; drop++ {
		g.cacheBytes -= len(g.cache[drop].GetData())
		g.cache[drop] = nil
	}
	g.cache = g.cache[drop:]
}

// compact drops the entries up to index.
func (g *Group) compact(index, term uint64) {
	if index <= g.start.Index {
		return
	}
	n := index - g.start.Index
	if n >= uint64(len(g.refs)) {
		g.refs, g.cache, g.cacheBytes = nil, nil, 0
	} else {
		g.refs = append([]ref(nil), g.refs[n:]...) // a new array: the old one would stay as large as it ever was
		for len(g.cache) > len(g.refs) {
			g.cacheBytes -= len(g.cache[0].GetData())
			g.cache = g.cache[1:]
		}
	}
	g.start = Start{Index: index, Term: term}
}

func (g *Group) reset(s Start) {
	g.start = Start{Index: s.Index, Term: s.Term, Conf: bytes.Clone(s.Conf)}
	g.refs, g.cache, g.cacheBytes = nil, nil, 0
}

// Damaged says whether the group has entries in a segment that is damaged, or in one before it: it keeps the file, and the next Open would refuse it.
func (g *Group) Damaged() bool { return len(g.refs) > 0 && g.refs[0].segment <= g.log.damaged }

func (r ref) intact(data []byte) bool { return crc32.Checksum(data, castagnoli) == r.crc }
