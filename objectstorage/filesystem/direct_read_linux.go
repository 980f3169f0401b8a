package filesystem

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// edges are the first and the last block of a range that does not begin or end with one.
var edges = sync.Pool{New: func() any {
	b := make([]byte, 3*directBlock)
	return &edgeBlocks{head: aligned(b)[:directBlock], tail: aligned(b)[directBlock : 2*directBlock]}
}}

type edgeBlocks struct{ head, tail []byte }

func aligned(b []byte) []byte { return b[-uintptr(unsafe.Pointer(&b[0]))&(directBlock-1):] }

func isAligned(b []byte) bool { return uintptr(unsafe.Pointer(&b[0]))&(directBlock-1) == 0 }

// read fills dst past the page cache. False: it did not, and dst is to be read through it. The whole blocks of the
// range are read straight into dst's beginning, and only a range that begins amid a block is then moved to its place:
// a second piece of memory and a second place for each byte would cost no less.
func (d *directIO) read(ctx context.Context, r *reader, dst []byte, offset int64) (done bool, err error) {
	if d == nil || d.off.Load() || len(dst) < directMinBytes || !isAligned(dst) {
		return false, nil
	}
	fd := r.directFD()
	if fd < 0 {
		return false, nil
	}
	e := edges.Get().(*edgeBlocks)
	defer edges.Put(e)
	first := int(offset % directBlock) // in the head block
	lead := -first & (directBlock - 1) // bytes of dst from the head block
	last := (len(dst) - lead) % directBlock
	blocks := dst[:len(dst)-lead-last]
	v := readVector{fd: fd, chunk: chunkOf(ctx, readChunk), offset: offset - int64(first), end: offset + int64(len(dst))}
	if lead > 0 {
		v.parts = append(v.parts, e.head)
	}
	v.parts = append(v.parts, blocks)
	if last > 0 {
		v.parts = append(v.parts, e.tail)
	}
	if done, err := v.read(ctx); !done || err != nil {
		if errors.Is(err, unix.EINVAL) {
			d.off.Store(true)
			return false, nil
		}
		if err != nil && ctx.Err() == nil {
			err = &fs.PathError{Op: "read", Path: r.path, Err: err}
		}
		return done, err
	}
	if lead > 0 {
		copy(dst[lead:], blocks)
		copy(dst[:lead], e.head[first:])
	}
	copy(dst[len(dst)-last:], e.tail)
	return true, nil
}

// readVector reads one part after the other, a chunk at a time.
type readVector struct {
	fd, chunk   int
	parts       [][]byte
	offset, end int64 // the last part may reach over the end, which may be the file's
	now         [][]byte
}

// read says false when the file ended early, or a piece in the midst of a block.
func (v *readVector) read(ctx context.Context) (done bool, err error) {
	for v.offset < v.end {
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		n := 0
		v.next()
		err := retryEINTR(func() (err error) {
			n, err = unix.Preadv(v.fd, v.now, v.offset)
			return err
		})
		if err != nil {
			return true, err
		}
		v.offset += int64(n)
		if v.offset < v.end && (n == 0 || n%directBlock != 0) {
			return false, nil
		}
		v.skip(n)
	}
	return true, nil
}

func (v *readVector) next() {
	v.now = v.now[:0]
	room := v.chunk
	for _, p := range v.parts {
		if p = p[:min(len(p), room)]; len(p) > 0 {
			v.now = append(v.now, p)
			room -= len(p)
		}
	}
}

func (v *readVector) skip(n int) {
	for n > 0 && len(v.parts) > 0 {
		some := min(n, len(v.parts[0]))
		n -= some
		if v.parts[0] = v.parts[0][some:]; len(v.parts[0]) == 0 {
			v.parts = v.parts[1:]
		}
	}
}

// directFD is the same file once more, or -1: reads through the page cache may go on beside it, so the flag cannot be
// set on the one that is open.
func (r *reader) directFD() int {
	r.directOnce.Do(func() {
		r.direct = -1
		fd := -1
		err := retryEINTR(func() (err error) {
			fd, err = unix.Open(r.path, unix.O_RDONLY|unix.O_DIRECT|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
			return err
		})
		if err != nil {
			return
		}
		var mine, its unix.Stat_t
		if unix.Fstat(r.fd, &mine) != nil || unix.Fstat(fd, &its) != nil || mine.Dev != its.Dev || mine.Ino != its.Ino {
			unix.Close(fd) // removed, and another object has the name
			return
		}
		r.direct = fd
	})
	return r.direct
}
