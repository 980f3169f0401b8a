package pebblestore

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fullFS has no room for tables while full is set.
type fullFS struct {
	vfs.FS
	full atomic.Bool
}

func (f *fullFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.full.Load() && strings.HasSuffix(name, ".sst") {
		return nil, &vfsError{name}
	}
	return f.FS.Create(name, category)
}

type vfsError struct{ name string }

func (e *vfsError) Error() string { return e.name + ": " + syscall.ENOSPC.Error() }
func (e *vfsError) Unwrap() error { return syscall.ENOSPC }

// Pebble tries a flush again for ever. The store's owner must hear of a full disk, and neither Flush nor Close may wait.
func TestAFullDiskEndsTheStore(t *testing.T) {
	fs, told := &fullFS{FS: vfs.NewMem()}, make(chan error, 10)
	s, err := Open(Config{FS: fs, Dir: "state", OnFatal: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Tx(Space{Group: 1}).Set([]byte("k"), []byte("v"))
	b.Commit()
	fs.full.Store(true)
	flushed := make(chan error, 1)
	go func() { flushed <- s.Flush() }()
	for _, c := range []chan error{told, flushed} {
		select {
		case err := <-c:
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "--data") || !strings.Contains(err.Error(), "state") {
				t.Errorf("%v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nobody heard of it")
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(told) != 0 {
		t.Error("it was told twice")
	}
	fs.full.Store(false)
	if err := s.db.Close(); err != nil { // for this process goes on
		t.Error(err)
	}
}
