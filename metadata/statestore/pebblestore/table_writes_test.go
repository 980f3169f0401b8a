package pebblestore

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
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
	disk, told := &fullFS{FS: vfs.NewMem()}, make(chan error, 10)
	s, err := Open(Config{FS: disk, Dir: "state", OnFatal: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Tx(Space{Group: 1}).Set([]byte("k"), []byte("v"))
	b.Commit()
	disk.full.Store(true)
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
	disk.full.Store(false)
	if err := s.db.Close(); err != nil { // for this process goes on
		t.Error(err)
	}
}

// brokenFS makes no tables while broken is set, as one whose disk has become read-only.
type brokenFS struct {
	vfs.FS
	broken atomic.Bool
	tried  atomic.Int64
}

func (f *brokenFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") && f.broken.Load() {
		f.tried.Add(1)
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.EROFS}
	}
	return f.FS.Create(name, category)
}

// A disk on which nothing can be written for a while is waited for, without a storm of tries and of lines in the log; one that stays so ends the store, and neither
// Flush nor Close waits for it.
func TestTablesThatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration // the disk comes back
	}{{"for a while", writePatience / 2}, {"for ever", 0}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, told := &brokenFS{FS: vfs.NewMem()}, make(chan error, 10)
				var log bytes.Buffer
				s, err := Open(Config{FS: disk, Dir: "state", OnFatal: func(err error) { told <- err }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if err != nil {
					t.Fatal(err)
				}
				b := s.NewBatch()
				b.Tx(Space{Group: 1}).Set([]byte("k"), []byte("v"))
				b.Commit()
				disk.broken.Store(true)
				flushed := make(chan error, 1)
				go func() { flushed <- s.Flush() }()
				began := time.Now()
				if c.after > 0 {
					time.Sleep(c.after)
					disk.broken.Store(false)
				}
				err = <-flushed
				if c.after > 0 && err != nil {
					t.Errorf("the disk came back, and yet: %v", err)
				}
				if c.after == 0 {
					if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "--data") {
						t.Errorf("%v", err)
					}
					if took := time.Since(began); took > writePatience+time.Second {
						t.Errorf("it took %v", took)
					}
					if err := <-told; !errors.Is(err, syscall.EROFS) {
						t.Errorf("told %v", err)
					}
				}
				if n := disk.tried.Load(); n < 2 || n > int64(writePatience/writePause)+2 {
					t.Errorf("tried %d times", n)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if n := strings.Count(log.String(), "tries again"); n != 1 {
					t.Errorf("told %d times", n)
				}
				if len(told) != 0 {
					t.Errorf("told: %v", <-told)
				}
				if c.after == 0 {
					disk.broken.Store(false)
					if err := s.db.Close(); err != nil { // for this process goes on
						t.Error(err)
					}
				}
			})
		})
	}
}
