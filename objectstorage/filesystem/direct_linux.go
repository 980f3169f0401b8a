package filesystem

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
)

const (
	// directBlock is what places in a file, lengths and addresses are multiples of, past the page cache.
	directBlock = objectstorage.DiskBlock
	// directMinBytes is from where on reads pass the page cache by, and writes wait for a staging buffer to do so. Below it
	// the one round trip to the disk per piece costs more than the copy.
	directMinBytes = 256 << 10
	// directMinSynced is from where on writes pass it by if a staging buffer is free: a write that is synced makes that
	// round trip anyway, and the sync has less to look for then.
	directMinSynced = 32 << 10
	// stagingBytes is one write. Larger ones are no faster, and the next copy is in the CPU's cache still.
	stagingBytes = 1 << 20
	// stagingBuffers bounds the memory, and so how many objects are written at once.
	stagingBuffers = 8
)

// directIO moves all but small objects between memory and disk past the page cache. Objects are written once and mostly not
// read here again (what was just written is in the broker's own cache), so the page cache is a copy of all bytes into
// fresh pages for nothing: on a virtual machine, whose pages the host may have to find first, that copy is the larger
// part of a broker's CPU time. A disk that cannot do it is asked once.
type directIO struct {
	off     atomic.Bool
	staging chan []byte // nil: not mapped yet
}

// newDirectIO looks at the folder that objects go to.
func newDirectIO(folder int) *directIO {
	d := &directIO{staging: make(chan []byte, stagingBuffers)}
	for range stagingBuffers {
		d.staging <- nil
	}
	var stat unix.Statfs_t
	err := unix.Fstatfs(folder, &stat)
	if kind := uint32(stat.Type); err != nil || kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC {
		d.off.Store(true) // a disk in memory says that it can, and copies anyway
	}
	return d
}

// write writes whole blocks from a place in the file on and says how many bytes; the rest is the caller's. The staging copy is what lets slices of
// any address and length be written; it stays in the CPU's cache, unlike the page cache's. What lies in whole blocks already, as a job's parts do, is written from there.
func (d *directIO) write(ctx context.Context, fd int, at int64, c *bodyCursor, size int64) (n int64, err error) {
	if d == nil || d.off.Load() || size < directMinSynced || at%directBlock != 0 {
		return 0, nil
	}
	buf, err := d.takeStaging(ctx, size)
	if buf == nil {
		return 0, err
	}
	defer func() { d.staging <- buf }()
	if setDirect(fd, true) != nil {
		d.off.Store(true)
		return 0, nil
	}
	// One extent, and a size that the writes need not move on, each under the file's lock.
	if err := retryEINTR(func() error { return unix.Fallocate(fd, 0, at, size) }); errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return 0, err
	}
	w := directWriter{d: d, fd: fd, offset: at, direct: true}
	chunk := int64(chunkOf(ctx, stagingBytes))
	for end := at + size; end-w.offset >= directBlock; {
		next := min(chunk, objectstorage.WholeBlock(end-w.offset))
		part := inPlace(c, next)
		if part == nil {
			part = buf[:next]
			c.copyTo(part)
		}
		if err := w.write(ctx, part); err != nil {
			return 0, err
		}
	}
	return w.offset - at, w.buffered()
}

// takeStaging takes a buffer, which its caller puts back. It is nil if there is none that a body of this size waits for.
func (d *directIO) takeStaging(ctx context.Context, size int64) (buf []byte, err error) {
	select {
	case buf = <-d.staging:
	default:
		if size < directMinBytes {
			return nil, nil // the page cache is faster than the large objects before it
		}
		select {
		case buf = <-d.staging:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if buf == nil {
		if buf, err = unix.Mmap(-1, 0, stagingBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err != nil {
			d.staging <- nil // no memory, or no more mappings: through the page cache, then
			return nil, nil
		}
	}
	return buf, nil
}

// inPlace moves over the next bytes, at most size, if they can be written from where they lie and are worth a write of their own.
func inPlace(c *bodyCursor, size int64) []byte {
	rest := c.body[c.at][c.skip:]
	rest = rest[:objectstorage.WholeBlock(min(int64(len(rest)), size))]
	if n := int64(len(rest)); n < min(size, directMinBytes) || !isAligned(rest) {
		return nil
	}
	c.skipBytes(len(rest))
	return rest
}

type directWriter struct {
	d      *directIO
	fd     int
	offset int64
	direct bool
}

func (w *directWriter) write(ctx context.Context, part []byte) error {
	for len(part) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := 0
		err := retryEINTR(func() (err error) {
			n, err = unix.Pwrite(w.fd, part, w.offset)
			return err
		})
		if errors.Is(err, unix.EINVAL) && w.direct {
			w.d.off.Store(true)
			if err = w.buffered(); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		w.offset += int64(n)
		part = part[n:]
		if n%directBlock != 0 { // the disk is full, most likely: the next write says so
			if err := w.buffered(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *directWriter) buffered() error {
	if !w.direct {
		return nil
	}
	w.direct = false
	return setDirect(w.fd, false)
}

func setDirect(fd int, on bool) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}

// close is called when nobody writes any more.
func (d *directIO) close() {
	for range stagingBuffers {
		if buf := <-d.staging; buf != nil {
			_ = unix.Munmap(buf)
		}
	}
}
