package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Config of a Log.
type Config struct {
	FS     vfs.FS
	Dir    string
	NodeID int32
	// SegmentBytes is when a new segment begins, default 16 MiB.
	SegmentBytes int64
	// CacheBytes is how much of its newest entries a group keeps in memory, default 256 KiB.
	CacheBytes int
	Logger     *slog.Logger
}

// SetDefaults fills what is zero.
func (c *Config) SetDefaults() {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 16 << 20
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 256 << 10
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("raft log: the folder is not set"))
	}
	if c.SegmentBytes < 4096 || c.SegmentBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("raft log: segments of %d bytes are out of bounds: %d to %d", c.SegmentBytes, 4096, 1<<30))
	}
	return errors.Join(errs...)
}

// Log is the open log.
type Log struct {
	cfg      Config
	groups   map[uint64]*Group
	segments []*segment // oldest first; the last is written to
	buf      []byte     // the frame that is being built
	failed   error
	damaged  uint64   // the last segment in which an entry was not what had been written; 0 for none
	staged   []*Group // begin with the next frame
	// Since the last compaction.
	bytes   int64
	entries int64
}

// Update is one group's part of a round.
type Update struct {
	Group     uint64
	Reset     *Start // the log begins anew behind it, before Entries
	HardState *pb.HardState
	Entries   []*pb.Entry
}

// Group returns a group, or nil when the log has nothing of it.
func (l *Log) Group(id uint64) *Group { return l.groups[id] }

// Groups are the ids of all groups, in order.
func (l *Log) Groups() []uint64 {
	ids := make([]uint64, 0, len(l.groups))
	for id := range l.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// SinceCompaction is what was appended since the last compaction, so that the owner knows when the next is due.
func (l *Log) SinceCompaction() (bytes, entries int64) { return l.bytes, l.entries }

// Size is the number and the size of all segments.
func (l *Log) Size() (segments int, bytes int64) {
	for _, s := range l.segments {
		bytes += s.size
	}
	return len(l.segments), bytes
}

// Append makes one round durable. It says whether anything had to be written: a commit index that moved waits for the next frame
// of its group, for a group that restarts learns it again. It is never behind an entry that came after it, for a frame is there whole or not at all.
func (l *Log) Append(updates []Update) (written bool, err error) {
	if l.failed != nil {
		return false, l.failed
	}
	if err := l.rotateWhenFull(); err != nil {
		return false, l.fail(err)
	}
	l.beginFrame()
	for _, u := range updates {
		if err := l.add(u); err != nil {
			return false, l.fail(err)
		}
	}
	if len(l.buf) == frameHeaderSize {
		return false, nil
	}
	return true, l.writeFrame()
}

// Stage makes a group that begins behind start. It is there at once, and durable with the next frame: before anything else of it.
func (l *Log) Stage(id uint64, start Start, hs *pb.HardState) *Group {
	g := &Group{id: id, log: l}
	g.reset(start)
	g.hs = hardState{hs.GetTerm(), hs.GetVote(), hs.GetCommit()}
	l.groups[id] = g
	l.staged = append(l.staged, g)
	return g
}

func (l *Log) beginFrame() {
	if cap(l.buf) > 1<<20 {
		l.buf = nil // one large round must not hold its memory for ever
	}
	l.buf = append(l.buf[:0], make([]byte, frameHeaderSize)...)
	for _, g := range l.staged {
		l.buf = appendReset(l.buf, g.id, g.start)
		l.buf = appendHardState(l.buf, g.id, g.hs)
		g.saved = g.hs
	}
	l.staged = l.staged[:0]
}

func (l *Log) add(u Update) error {
	g := l.groups[u.Group]
	if g == nil {
		g = &Group{id: u.Group, log: l}
		l.groups[u.Group] = g
	}
	if hs := u.HardState; hs != nil {
		g.hs = hardState{hs.GetTerm(), hs.GetVote(), hs.GetCommit()}
	}
	if u.Reset == nil && len(u.Entries) == 0 && g.hs.term == g.saved.term && g.hs.vote == g.saved.vote {
		return nil
	}
	if u.Reset != nil {
		l.buf = appendReset(l.buf, u.Group, *u.Reset)
		g.reset(*u.Reset)
	}
	if g.hs != g.saved {
		l.buf = appendHardState(l.buf, u.Group, g.hs)
		g.saved = g.hs
	}
	current := l.current()
	for _, e := range u.Entries {
		l.buf = appendEntry(l.buf, u.Group, e)
		data := e.GetData()
		r := ref{term: e.GetTerm(), segment: current.sequence, offset: uint32(current.size) + uint32(len(l.buf)-len(data)),
			size: uint32(len(data)), crc: crc32.Checksum(data, castagnoli), kind: e.GetType()}
		if err := g.put(e.GetIndex(), r); err != nil {
			return err
		}
		g.remember(e, l.cfg.CacheBytes)
		l.entries++
	}
	return nil
}

// writeFrame seals the frame and makes it durable.
func (l *Log) writeFrame() error {
	s := l.current()
	if len(l.buf) > maxFrameBytes {
		return l.fail(fmt.Errorf("raft log: a round of %d bytes is larger than the bound of %d", len(l.buf), maxFrameBytes))
	}
	n := int64(len(l.buf))
	sealFrame(l.buf, s.sequence, s.size)
	if err := s.write(l.buf); err != nil {
		return l.fail(err)
	}
	l.bytes += n
	return nil
}

// fail makes err final: after a failed write or sync nobody knows what the disk holds.
func (l *Log) fail(err error) error {
	l.failed = err
	return err
}

// Remove drops a group for good.
func (l *Log) Remove(id uint64) error {
	if l.failed != nil || l.groups[id] == nil {
		return l.failed
	}
	l.beginFrame()
	l.buf = appendRemove(l.buf, id)
	delete(l.groups, id)
	return l.writeFrame()
}

// Compact records that the entries of each group up to an index, which the log still has, are not needed.
func (l *Log) Compact(indexes map[uint64]uint64) error {
	if l.failed != nil {
		return l.failed
	}
	if err := l.cut(indexes); err != nil {
		return err
	}
	l.bytes, l.entries = 0, 0
	return nil
}

// Cut is Compact for some groups: the next compaction of all is due as before.
func (l *Log) Cut(indexes map[uint64]uint64) error {
	if l.failed != nil {
		return l.failed
	}
	return l.cut(indexes)
}

func (l *Log) cut(indexes map[uint64]uint64) error {
	l.beginFrame()
	for _, id := range l.Groups() {
		g := l.groups[id]
		index, ok := indexes[id]
		if !ok || index <= g.start.Index {
			continue
		}
		term, err := g.Term(index)
		if err != nil {
			return fmt.Errorf("raft log: compact group %d up to %d: %w", id, index, err)
		}
		g.compact(index, term)
		l.buf = appendCompact(l.buf, id, index, term)
	}
	if len(l.buf) == frameHeaderSize {
		return nil
	}
	return l.writeFrame()
}

// Close ends the log. Commit indexes that waited for a frame are written.
func (l *Log) Close() error {
	var errs []error
	if l.failed == nil {
		l.beginFrame()
		for _, id := range l.Groups() {
			if g := l.groups[id]; g.hs != g.saved {
				l.buf = appendHardState(l.buf, id, g.hs)
				g.saved = g.hs
			}
		}
		if len(l.buf) > frameHeaderSize {
			errs = append(errs, l.writeFrame())
		}
		l.failed = errors.New("raft log: closed")
	}
	for _, s := range l.segments {
		errs = append(errs, s.close())
	}
	l.segments = nil
	return errors.Join(errs...)
}
