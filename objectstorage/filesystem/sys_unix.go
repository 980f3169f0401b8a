//go:build unix

package filesystem

import "golang.org/x/sys/unix"

// linkAndUnlink is a rename that never replaces, in two steps. A crash between them leaves a second name, in the temp
// folder, which the next Open removes.
func linkAndUnlink(fromDir int, from string, toDir int, to string) error {
	if err := retryEINTR(func() error { return unix.Linkat(fromDir, from, toDir, to, 0) }); err != nil {
		return err
	}
	_ = unix.Unlinkat(fromDir, from, 0)
	return nil
}
