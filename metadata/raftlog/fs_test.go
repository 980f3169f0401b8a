package raftlog

import (
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// countingFS counts the syncs of the log, and can be full.
type countingFS struct {
	vfs.FS
	syncs atomic.Int64
	full  atomic.Bool
}

func (f *countingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".raftlog") {
		return file, err
	}
	return &countingFile{File: file, fs: f}, nil
}

type countingFile struct {
	vfs.File
	fs *countingFS
}

func (f *countingFile) Write(b []byte) (int, error) {
	if f.fs.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(b)
}

func (f *countingFile) SyncData() error {
	f.fs.syncs.Add(1)
	return f.File.SyncData()
}

// blockingFS holds the next sync of the log until it is released.
type blockingFS struct {
	countingFS
	block   atomic.Bool
	blocked chan struct{}
	release chan struct{}
}

func (f *blockingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.countingFS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".raftlog") {
		return file, err
	}
	return &blockingFile{File: file, fs: f}, nil
}

type blockingFile struct {
	vfs.File
	fs *blockingFS
}

func (f *blockingFile) SyncData() error {
	if f.fs.block.CompareAndSwap(true, false) {
		f.fs.blocked <- struct{}{}
		<-f.fs.release
	}
	return f.File.SyncData()
}
