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

// writeBody writes the slices one after the other from a place in the file on: whole blocks of all but a small body past the page cache, the rest through it.
func writeBody(ctx context.Context, fd int, at int64, body [][]byte, d *directIO, begin bool) error {
	c := bodyCursor{body: body}
	n, err := d.write(ctx, fd, at, &c, bodyBytes(body))
	if err != nil {
		return err
	}
	return writeBuffered(ctx, fd, &c, at+n, begin)
}

// writeBuffered writes what is left without joining the slices.
func writeBuffered(ctx context.Context, fd int, c *bodyCursor, offset int64, begin bool) error {
	var vector [][]byte
	for {
		var size int
		if vector, size = c.vector(vector, maxVector, maxWrite); size == 0 {
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
		c.skipBytes(n)
	}
}

// spreadSubFolders asks ext4 to place each sub folder, and so the inodes of its files, in another part of the disk, as it
// does at the root. Other file systems refuse, and do so anyway or need it not.
func spreadSubFolders(folder int) {
	const topDir = 0x20000 // EXT4_TOPDIR_FL, chattr +T
	if flags, err := unix.IoctlGetInt(folder, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(folder, unix.FS_IOC_SETFLAGS, flags|topDir)
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
