package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	segmentHeaderSize = 40
	segmentMagic      = uint64(0x494e4b5752414654)
	segmentVersion    = 1
	// preallocateBytes is little enough to waste at each start.
	preallocateBytes = 4 << 20
	// zeroBytes of zeros are written ahead of the frames, in the write of one of them: a sync then has data to write and no metadata of the
	// file, for neither its size nor its extents change. Measured: 0.32 ms instead of 0.70 ms. To a replay, zeros behind the last frame are no tear.
	zeroBytes     = 256 << 10
	segmentSuffix = ".raftlog"
	diskWrites    = vfs.DiskWriteCategory("raft-log")
)

var zeros [zeroBytes]byte

// segment is one file. Only the last has a writer.
type segment struct {
	path     string
	sequence uint64
	size     int64
	zeroed   int64 // the file is zero from size to here
	ahead    int64 // how much more is made zero then
	writer   vfs.File
	reader   vfs.File // opened when first needed
}

// Damage is a file that does not hold what was written to it.
type Damage struct {
	Path   string
	Offset int64
	What   string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("raft log: %s is damaged at offset %d: %s; nothing was changed. Check the disk, then restore this node's data folder (--data) "+
		"from a copy, or let it join as a new node with an empty folder and another id", d.Path, d.Offset, d.What)
}

func segmentName(sequence uint64) string { return fmt.Sprintf("%016x%s", sequence, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	sequence, err := strconv.ParseUint(hex, 16, 64)
	return sequence, err == nil
}

type segmentHeader struct {
	sequence uint64
	nodeID   int32
	// previousEnd is where the segment before this one ended, so that a torn tail that was cut off stays cut off.
	previousEnd int64
}

func (h segmentHeader) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, segmentMagic)
	b = binary.BigEndian.AppendUint32(b, segmentVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(h.nodeID))
	b = binary.BigEndian.AppendUint64(b, h.sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(h.previousEnd))
	b = binary.BigEndian.AppendUint32(b, 0) // reserved
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeSegmentHeader(b []byte, path string) (segmentHeader, error) {
	if binary.BigEndian.Uint64(b) != segmentMagic || binary.BigEndian.Uint32(b[36:]) != crc32.Checksum(b[:36], castagnoli) {
		return segmentHeader{}, &Damage{Path: path, What: "the header is not one"}
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != segmentVersion {
		return segmentHeader{}, fmt.Errorf("raft log: %s has format %d, this version knows %d: start the newer version that wrote it", path, v, segmentVersion)
	}
	return segmentHeader{
		nodeID:      int32(binary.BigEndian.Uint32(b[12:])),
		sequence:    binary.BigEndian.Uint64(b[16:]),
		previousEnd: int64(binary.BigEndian.Uint64(b[24:])),
	}, nil
}

func (s *segment) write(b []byte) error {
	n := int64(len(b))
	if _, err := s.writer.Write(b); err != nil {
		return explain(s.path, "write", err)
	}
	if s.zeroed < s.size+n {
		// An error here, a full disk say, costs the gain and nothing else: if it matters, the next frame will meet it, too.
		_, _ = s.writer.WriteAt(zeros[:s.ahead], s.size+n)
		s.zeroed = s.size + n + s.ahead
	}
	if err := s.writer.SyncData(); err != nil {
		return explain(s.path, "sync", err)
	}
	s.size += n
	return nil
}

// explain says what an operator can do.
func explain(path, op string, err error) error {
	if vfs.IsNoSpaceError(err) {
		return fmt.Errorf("raft log: %s %s: the disk of the data folder (--data) is full: free space and start again, nothing acknowledged is lost: %w", op, path, err)
	}
	return fmt.Errorf("raft log: %s %s in the data folder (--data): %w", op, path, err)
}

func (s *segment) close() error {
	var errs []error
	for _, f := range []vfs.File{s.writer, s.reader} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	s.writer, s.reader = nil, nil
	return errors.Join(errs...)
}

func (l *Log) current() *segment { return l.segments[len(l.segments)-1] }

func (l *Log) rotateWhenFull() error {
	if l.current().size < l.cfg.SegmentBytes {
		return nil
	}
	return l.rotate()
}

// rotate begins a segment and makes it durable, with the meta data of all groups at its head.
func (l *Log) rotate() error {
	h := segmentHeader{sequence: 1, nodeID: l.cfg.NodeID}
	if n := len(l.segments); n > 0 {
		h.sequence, h.previousEnd = l.segments[n-1].sequence+1, l.segments[n-1].size
	}
	s := &segment{sequence: h.sequence, path: l.cfg.FS.PathJoin(l.cfg.Dir, segmentName(h.sequence)), ahead: min(zeroBytes, l.cfg.SegmentBytes)}
	l.buf = append(l.buf[:0], make([]byte, frameHeaderSize)...)
	for _, id := range l.Groups() {
		l.buf = appendCheckpoint(l.buf, l.groups[id])
		l.groups[id].saved = l.groups[id].hs
	}
	sealFrame(l.buf, h.sequence, segmentHeaderSize)
	f, err := l.cfg.FS.Create(s.path, diskWrites)
	if err != nil {
		return explain(s.path, "create", err)
	}
	s.writer = f
	// Space in one piece; where that is not supported, it is not needed.
	_ = f.Preallocate(0, min(l.cfg.SegmentBytes, preallocateBytes))
	// Header and checkpoint in one write: a segment with half of them was never in use.
	if err := s.write(append(h.encode(), l.buf...)); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := syncDir(l.cfg.FS, l.cfg.Dir); err != nil {
		return errors.Join(err, f.Close())
	}
	var closed error
	if n := len(l.segments); n > 0 && l.segments[n-1].writer != nil {
		closed = l.segments[n-1].writer.Close()
		l.segments[n-1].writer = nil
	}
	l.segments = append(l.segments, s)
	return closed
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return explain(dir, "open", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return explain(dir, "sync", err)
	}
	return nil
}

// read returns an entry's data.
func (l *Log) read(r ref) ([]byte, error) {
	i, ok := slices.BinarySearchFunc(l.segments, r.segment, func(s *segment, sequence uint64) int {
		return int(int64(s.sequence) - int64(sequence))
	})
	if !ok {
		return nil, fmt.Errorf("raft log: segment %d is gone", r.segment)
	}
	s := l.segments[i]
	if s.reader == nil {
		f, err := l.cfg.FS.Open(s.path)
		if err != nil {
			return nil, explain(s.path, "open", err)
		}
		s.reader = f
	}
	data := make([]byte, r.size)
	if _, err := s.reader.ReadAt(data, int64(r.offset)); err != nil && (err != io.EOF || r.size > 0) {
		return nil, explain(s.path, "read", err)
	}
	if !r.intact(data) {
		l.damaged = max(l.damaged, r.segment)
		return nil, &Damage{Path: s.path, Offset: int64(r.offset), What: "the checksum of an entry is wrong"}
	}
	return data, nil
}

// Obsolete takes the segments that no group needs out of the log. The caller deletes the files with RemoveFiles, oldest first: a gap would be damage.
func (l *Log) Obsolete() (paths []string) {
	needed := l.current().sequence
	for _, g := range l.groups {
		if len(g.refs) > 0 {
			// Later entries are never in earlier segments: a replaced entry takes all behind it along.
			needed = min(needed, g.refs[0].segment)
		}
	}
	for len(l.segments) > 1 && l.segments[0].sequence < needed {
		_ = l.segments[0].close()
		paths = append(paths, l.segments[0].path)
		l.segments = l.segments[1:]
	}
	return paths
}

// RemoveFiles deletes obsolete segments. It may run beside the owner of the log.
func RemoveFiles(fs vfs.FS, paths []string) error {
	for _, p := range paths {
		if err := fs.Remove(p); err != nil {
			return explain(p, "remove", err)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return syncDir(fs, fs.PathDir(paths[0])) // a file that is damaged must not come back with a crash: the next Open would refuse it
}
