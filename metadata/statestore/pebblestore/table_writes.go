package pebblestore

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/internal/clock"
)

const (
	// writePause is what the next table waits after one that could not be written.
	writePause = 100 * time.Millisecond
	// writePatience is how long tables may fail to be written, each of them, until the store ends: a disk may come back.
	writePatience = 10 * time.Second
)

// tableWrites is the file system on which tables are written. A table that cannot be written Pebble writes again at once and for ever, with the store standing still
// meanwhile: its owner would neither serve nor end, and the log would fill. Here it waits before it tries again, and a store that finds no room, or can write no
// table for long, ends.
type tableWrites struct {
	vfs.FS
	dir     string
	clock   clock.Clock
	onFatal func(error)
	once    sync.Once
	ended   chan struct{} // closed when the store has ended; err is set before
	err     error

	mu     sync.Mutex // guards failed
	failed time.Time  // when the first of the tables failed that failed one after the other; zero after one that did not
}

func newTableWrites(cfg *Config) *tableWrites {
	return &tableWrites{FS: cfg.FS, dir: cfg.Dir, clock: cfg.Clock, onFatal: cfg.OnFatal, ended: make(chan struct{})}
}

// Create is called without a lock of Pebble's.
func (w *tableWrites) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !strings.HasSuffix(name, ".sst") {
		return w.FS.Create(name, category)
	}
	if w.failing() {
		<-w.clock.NewTimer(writePause).C
	}
	f, err := w.FS.Create(name, category)
	if err != nil {
		return nil, w.note(err)
	}
	return &tableFile{File: f, writes: w}, nil
}

// Unwrap implements vfs.FS.
func (w *tableWrites) Unwrap() vfs.FS { return w.FS }

func (w *tableWrites) failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.failed.IsZero()
}

// note sees the error of a write, if it is one, and returns it.
func (w *tableWrites) note(err error) error {
	switch {
	case err == nil:
	case vfs.IsNoSpaceError(err): // the log beside it may still have room in its file and see no error
		w.end(fmt.Errorf("state store in %s: the disk of the data folder (--data) is full: free space and start again, nothing acknowledged is lost: %w", w.dir, syscall.ENOSPC))
	case w.failedFor() >= writePatience:
		w.end(fmt.Errorf("state store in %s: no file could be written below the data folder (--data) for %v: mend its disk and start again, nothing acknowledged is lost: %w", w.dir, writePatience, err))
	}
	return err
}

func (w *tableWrites) failedFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	if w.failed.IsZero() {
		w.failed = now
	}
	return now.Sub(w.failed)
}

func (w *tableWrites) written() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = time.Time{}
}

func (w *tableWrites) end(err error) {
	w.once.Do(func() {
		w.err = err
		close(w.ended)
		w.onFatal(err)
	})
}

// tableFile is a table that is being written. Nobody reads it before it was synced.
type tableFile struct {
	vfs.File
	writes *tableWrites
}

// Write implements vfs.File.
func (f *tableFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.writes.note(err)
}

// SyncTo implements vfs.File.
func (f *tableFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.writes.note(err)
}

// SyncData implements vfs.File.
func (f *tableFile) SyncData() error { return f.synced(f.File.SyncData()) }

// Sync implements vfs.File.
func (f *tableFile) Sync() error { return f.synced(f.File.Sync()) }

func (f *tableFile) synced(err error) error {
	if err == nil {
		f.writes.written()
	}
	return f.writes.note(err)
}
