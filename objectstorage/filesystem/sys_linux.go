package filesystem

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

const (
	// maxVector is how many slices go into one write; the kernel takes 1,024.
	maxVector = 512
	// maxWrite is how much goes into one write. After each, the disk is asked to begin: otherwise it idles while the
	// rest is copied, and works alone in the sync at the end. That is worth a third of the time of an 8 MiB object;
	// reserving the space first (fallocate) was measured too and gains nothing.
	maxWrite = 1 << 20
)

// writeBody writes the slices one after the other without joining them.
func writeBody(ctx context.Context, fd int, body [][]byte, begin bool) error {
	vector := make([][]byte, 0, min(len(body), maxVector))
	var offset int64
	at, skip := 0, 0 // the next byte is body[at][skip]
	for {
		vector = vector[:0]
		size := 0
		for i, s := at, skip; i < len(body) && len(vector) < maxVector && size < maxWrite; i, s = i+1, 0 {
			if b := body[i][s:]; len(b) > 0 {
				b = b[:min(len(b), maxWrite-size)]
				vector = append(vector, b)
				size += len(b)
			}
		}
		if size == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := 0
		err := retryEINTR(func() (err error) {
			n, err = unix.Pwritev(fd, vector, offset)
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		if begin && n == maxWrite {
			_ = unix.SyncFileRange(fd, offset, int64(n), unix.SYNC_FILE_RANGE_WRITE) // a hint; the sync is what counts
		}
		offset += int64(n)
		for skip += n; at < len(body) && skip >= len(body[at]); at++ {
			skip -= len(body[at])
		}
	}
}

// syncData makes a file's bytes and size durable.
func syncData(fd int) error { return retryEINTR(func() error { return unix.Fdatasync(fd) }) }

// syncFile makes a file or folder durable.
func syncFile(fd int) error { return retryEINTR(func() error { return unix.Fsync(fd) }) }

// renameNoReplace moves a file to a free name, or fails with EEXIST.
func renameNoReplace(fromDir int, from string, toDir int, to string) error {
	err := retryEINTR(func() error { return unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system without that flag, such as NFS
		return linkAndUnlink(fromDir, from, toDir, to)
	}
	return err
}
