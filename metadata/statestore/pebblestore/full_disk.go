package pebblestore

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fullDisk ends a store whose tables find no room. Pebble would try again at once and for ever, with the store standing still meanwhile: its owner would neither
// serve nor end, while the log beside it may still have room in its file and see no error.
type fullDisk struct {
	dir     string
	onFatal func(error)
	once    sync.Once
	ended   chan struct{} // closed when it was met; err is set before
	err     error
}

func newFullDisk(dir string, onFatal func(error)) *fullDisk {
	return &fullDisk{dir: dir, onFatal: onFatal, ended: make(chan struct{})}
}

// met says whether err comes of a full disk. It is called under Pebble's lock.
func (f *fullDisk) met(err error) bool {
	if !vfs.IsNoSpaceError(err) {
		return false
	}
	f.once.Do(func() {
		f.err = fmt.Errorf("state store in %s: the disk of the data folder (--data) is full: free space and start again, nothing acknowledged is lost: %w", f.dir, syscall.ENOSPC)
		close(f.ended)
		f.onFatal(f.err)
	})
	return true
}
