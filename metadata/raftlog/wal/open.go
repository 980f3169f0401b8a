package wal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Open reads what the folder holds, cuts off the tail that a crash tore, and begins a segment of its own.
func Open(cfg Config) (*Log, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := MakeDir(cfg.FS, cfg.Dir); err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg, groups: map[uint64]*Group{}}
	err := l.load()
	if err == nil {
		err = l.rotate()
	}
	if err == nil {
		err = RemoveFiles(cfg.FS, l.Obsolete())
	}
	if err != nil {
		return nil, errors.Join(l.fail(err), l.Close())
	}
	return l, nil
}

// MakeDir makes a folder, and its parents, so that it is there after a crash.
func MakeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent == "" {
		parent = "."
	}
	if parent != dir && parent != "." {
		if err := MakeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return explain(dir, "make", err)
	}
	return syncDir(fs, parent)
}

// load replays all segments.
func (l *Log) load() error {
	sequences, err := l.list()
	if err != nil {
		return err
	}
	ends := make([]int64, len(sequences)) // where a segment ends, as its successor says; 0 for the last
	for i := len(sequences) - 1; i >= 0; i-- {
		path := l.path(sequences[i])
		h, err := l.readHeader(path, sequences[i], i == len(sequences)-1)
		if errors.Is(err, errNeverUsed) {
			// A crash came while this segment was made.
			if err := l.cfg.FS.Remove(path); err != nil {
				return explain(path, "remove", err)
			}
			sequences, ends = sequences[:i], ends[:i]
			continue
		}
		if err != nil {
			return err
		}
		if i > 0 {
			if sequences[i-1] != sequences[i]-1 {
				return &Damage{Path: path, What: fmt.Sprintf("the segment before it, %s, is missing", segmentName(sequences[i]-1))}
			}
			ends[i-1] = h.previousEnd
		}
	}
	for i, sequence := range sequences {
		if err := l.replaySegment(sequence, ends[i]); err != nil {
			return err
		}
	}
	for _, id := range l.Groups() {
		g := l.groups[id]
		if g.gap != 0 {
			return &Damage{Path: l.cfg.Dir, What: fmt.Sprintf("group %d has no entries from %d to %d", id, g.start.Index+1, g.gap-1)}
		}
		g.saved = g.hs
		l.entries += int64(len(g.refs))
	}
	_, l.bytes = l.Size()
	return nil
}

func (l *Log) path(sequence uint64) string {
	return l.cfg.FS.PathJoin(l.cfg.Dir, segmentName(sequence))
}

func (l *Log) list() (sequences []uint64, err error) {
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return nil, explain(l.cfg.Dir, "list", err)
	}
	for _, name := range names {
		if sequence, ok := parseSegmentName(name); ok {
			sequences = append(sequences, sequence)
		}
	}
	slices.Sort(sequences)
	return sequences, nil
}

var errNeverUsed = errors.New("the segment was never in use")

// readHeader reads a segment's header. The last segment was never in use when its first write is not whole.
func (l *Log) readHeader(path string, sequence uint64, last bool) (segmentHeader, error) {
	f, err := l.cfg.FS.Open(path)
	if err != nil {
		return segmentHeader{}, explain(path, "open", err)
	}
	defer f.Close()
	b := make([]byte, segmentHeaderSize+frameHeaderSize)
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return segmentHeader{}, explain(path, "read", err)
	}
	if last && (n < len(b) || hasUnwrittenSector(b, 0)) {
		return segmentHeader{}, neverUsed(f, path, sequence)
	}
	if n < segmentHeaderSize {
		return segmentHeader{}, &Damage{Path: path, Offset: int64(n), What: "the file ends within its header"}
	}
	h, err := decodeSegmentHeader(b, path)
	if err != nil {
		return h, err
	}
	if h.sequence != sequence {
		return h, &Damage{Path: path, What: fmt.Sprintf("it is segment %s under another name", segmentName(h.sequence))}
	}
	if h.nodeID != l.cfg.NodeID {
		return h, fmt.Errorf("raft log: the data folder (--data) belongs to node %d, but this is node %d: start with the node id that it was made with, or choose another folder", h.nodeID, l.cfg.NodeID)
	}
	return h, nil
}

// neverUsed tells a segment that a crash left half made from one that lost its header later: that one has frames behind its first.
func neverUsed(f vfs.File, path string, sequence uint64) error {
	info, err := f.Stat()
	if err != nil {
		return explain(path, "stat", err)
	}
	if info.Size() <= segmentHeaderSize {
		return errNeverUsed
	}
	rest := make([]byte, info.Size()-segmentHeaderSize)
	if _, err := f.ReadAt(rest, segmentHeaderSize); err != nil && err != io.EOF {
		return explain(path, "read", err)
	}
	if why := tornTail(rest, sequence, segmentHeaderSize); why != "" {
		return &Damage{Path: path, What: "the header is missing: " + why}
	}
	return errNeverUsed
}

// replaySegment applies a segment's frames. end is where it ends, or 0 for the last segment, which ends with its last whole frame.
func (l *Log) replaySegment(sequence uint64, end int64) error {
	s := &segment{path: l.path(sequence), sequence: sequence, size: segmentHeaderSize}
	l.segments = append(l.segments, s)
	f, err := l.cfg.FS.Open(s.path)
	if err != nil {
		return explain(s.path, "open", err)
	}
	s.reader = f
	info, err := f.Stat()
	if err != nil {
		return explain(s.path, "stat", err)
	}
	limit := info.Size()
	if end > 0 {
		if limit < end {
			return &Damage{Path: s.path, Offset: limit, What: fmt.Sprintf("the file ends before offset %d", end)}
		}
		limit = end
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, segmentHeaderSize, limit-segmentHeaderSize), 256<<10)
	var payload []byte
	for s.size < limit {
		payload, err = readFrame(in, payload, s, limit)
		if errors.Is(err, errBadFrame) {
			if end > 0 {
				return &Damage{Path: s.path, Offset: s.size, What: "a frame's checksum is wrong"}
			}
			return l.cutTail(f, s, limit)
		}
		if err != nil {
			return explain(s.path, "read", err)
		}
		if err := l.replayFrame(payload, s); errors.Is(err, errNewer) {
			return fmt.Errorf("raft log: %s has at offset %d %w", s.path, s.size, err)
		} else if err != nil {
			return &Damage{Path: s.path, Offset: s.size, What: err.Error()}
		}
		s.size += int64(frameHeaderSize + len(payload))
	}
	return nil
}

var errBadFrame = errors.New("not a whole frame")

// readFrame returns the payload of the frame at s.size, in the memory of payload where that is large enough.
func readFrame(in io.Reader, payload []byte, s *segment, limit int64) ([]byte, error) {
	if limit-s.size < frameHeaderSize {
		return payload, errBadFrame
	}
	var header [frameHeaderSize]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return payload, err
	}
	n, ok := frameLength(header[:], s.sequence, s.size)
	if !ok || int64(n) > limit-s.size-frameHeaderSize {
		return payload, errBadFrame
	}
	if cap(payload) < n {
		payload = make([]byte, n)
	}
	payload = payload[:n]
	if _, err := io.ReadFull(in, payload); err != nil {
		return payload, err
	}
	if !payloadIntact(header[:], payload, s.sequence, s.size) {
		return payload, errBadFrame
	}
	return payload, nil
}

// cutTail ends the last segment at s.size, if what follows is a torn append. The next segment's header keeps it so.
func (l *Log) cutTail(f vfs.File, s *segment, limit int64) error {
	rest := make([]byte, limit-s.size)
	if _, err := f.ReadAt(rest, s.size); err != nil && err != io.EOF {
		return explain(s.path, "read", err)
	}
	if why := tornTail(rest, s.sequence, s.size); why != "" {
		return &Damage{Path: s.path, Offset: s.size, What: "a frame is not whole, and no crash left it so: " + why}
	}
	if len(bytes.TrimLeft(rest, "\x00")) > 0 {
		l.cfg.Logger.Warn("a crash tore the last append to the raft log; nobody was told that it succeeded, and it is cut off",
			"path", s.path, "offset", s.size, "bytes", len(rest))
	}
	return nil
}
