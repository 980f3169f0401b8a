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

// brokenFS makes no tables while broken is set.
type brokenFS struct {
	vfs.FS
	cause  error
	broken atomic.Bool
	tried  atomic.Int64
}

func (f *brokenFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") && f.broken.Load() {
		f.tried.Add(1)
		return nil, &fs.PathError{Op: "create", Path: name, Err: f.cause}
	}
	return f.FS.Create(name, category)
}

// brokenStore is a store that flushes when its disk breaks.
type brokenStore struct {
	*Store
	disk    *brokenFS
	log     bytes.Buffer
	began   time.Time  // when its disk broke
	told    chan error // by OnFatal
	flushed chan error
}

func breakStore(t *testing.T, cause error) *brokenStore {
	s := &brokenStore{disk: &brokenFS{FS: vfs.NewMem(), cause: cause}, told: make(chan error, 10), flushed: make(chan error, 1)}
	var err error
	s.Store, err = Open(Config{FS: s.disk, Dir: "state", OnFatal: func(err error) { s.told <- err }, Logger: slog.New(slog.NewTextHandler(&s.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Tx(Space{Group: 1}).Set([]byte("k"), []byte("v"))
	b.Commit()
	s.disk.broken.Store(true)
	s.began = time.Now()
	go func() { s.flushed <- s.Flush() }()
	return s
}

// wantEnd checks that the owner and the one that flushes hear of the cause once and in time, and that Close does not wait.
func (s *brokenStore) wantEnd(t *testing.T, within time.Duration) {
	t.Helper()
	for _, c := range []chan error{s.told, s.flushed} {
		select {
		case err := <-c:
			if !errors.Is(err, s.disk.cause) || !strings.Contains(err.Error(), "--data") || !strings.Contains(err.Error(), "state") {
				t.Errorf("%v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("nobody heard of it")
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(s.told) != 0 {
		t.Error("it was told twice")
	}
	if took := time.Since(s.began); took > within {
		t.Errorf("it took %v", took)
	}
	s.disk.broken.Store(false)
	time.Sleep(2 * writePause)           // the flush is over then, and nobody waits for it any more
	if err := s.db.Close(); err != nil { // for this process goes on
		t.Error(err)
	}
}

// wantSlow checks that there was neither a storm of tries nor one of lines in the log.
func (s *brokenStore) wantSlow(t *testing.T) {
	t.Helper()
	if n := s.disk.tried.Load(); n < 2 || n > int64(writePatience/writePause)+2 {
		t.Errorf("tried %d times", n)
	}
	if n := strings.Count(s.log.String(), "tries again"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Pebble tries a flush again for ever. The store's owner must hear of a full disk at once, and neither Flush nor Close may wait.
func TestAFullDiskEndsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breakStore(t, syscall.ENOSPC).wantEnd(t, time.Second)
	})
}

// A disk that stays read-only ends the store, too.
func TestADiskThatStaysBrokenEndsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := breakStore(t, syscall.EROFS)
		s.wantEnd(t, writePatience+time.Second)
		s.wantSlow(t)
	})
}

// One on which nothing can be written for a while is waited for.
func TestADiskThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := breakStore(t, syscall.EROFS)
		time.Sleep(writePatience / 2)
		s.disk.broken.Store(false)
		if err := <-s.flushed; err != nil {
			t.Errorf("the disk came back, and yet: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s.wantSlow(t)
		if len(s.told) != 0 {
			t.Errorf("told: %v", <-s.told)
		}
	})
}
