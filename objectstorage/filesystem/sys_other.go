//go:build unix && !linux

package filesystem

import (
	"context"
	"io"

	"golang.org/x/sys/unix"
)

func writeBody(ctx context.Context, fd int, at int64, body [][]byte, _ *directIO, _ bool) error {
	for _, b := range body {
		for len(b) > 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n := 0
			err := retryEINTR(func() (err error) {
				n, err = unix.Pwrite(fd, b[:min(len(b), 1<<20)], at)
				return err
			})
			if err != nil {
				return err
			}
			if n == 0 {
				return io.ErrShortWrite
			}
			b, at = b[n:], at+int64(n)
		}
	}
	return nil
}

func spreadSubFolders(int) {}

func syncData(fd int) error { return syncFile(fd) }

func syncFile(fd int) error { return retryEINTR(func() error { return unix.Fsync(fd) }) }

func renameNoReplace(fromDir int, from string, toDir int, to string) error {
	return linkAndUnlink(fromDir, from, toDir, to)
}
