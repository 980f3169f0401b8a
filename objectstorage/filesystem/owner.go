package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	lockName = "lock"
	tempName = "tmp"
)

// Temp files go to tempSpread sub folders, tempRun to one and then to the next. A file's inode comes from where its
// first folder is, and ext4 without a journal looks at each inode there that was freed in the last minutes before it
// takes one: in a store that removes as many objects as it writes that was a millisecond of CPU time for each put.
const (
	tempSpread = 64
	tempRun    = 256
)

// lockRoot takes the folder's lock, shared among those that share the folder, or alone.
func lockRoot(path string, exclusive bool, setting string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err = retryEINTR(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	switch {
	case err == nil && exclusive:
		// For the message of the next one; the lock is the flock, not the text.
		_ = f.Truncate(0)
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		return f, nil
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		defer f.Close()
		return nil, fmt.Errorf("another process%s uses this folder; stop it, or name another folder by %s", holder(f), setting)
	case !exclusive && (errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOTSUP)):
		return f, nil // a file system without locks; nobody could take it alone there
	}
	f.Close()
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

func holder(f *os.File) string {
	buf := make([]byte, 20)
	n, _ := f.ReadAt(buf, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n]))); err == nil {
		return fmt.Sprintf(" (pid %d)", pid)
	}
	return ""
}

// tempFolder is where this process writes what is not an object yet. It is locked as long as the process lives.
type tempFolder struct {
	path string
	f    *os.File
	seq  atomic.Uint64
}

// newTempFolder first removes the temp folders of dead processes below parent.
func newTempFolder(parent string) (*tempFolder, error) {
	if err := removeAbandoned(parent); err != nil {
		return nil, err
	}
	for range maxFolderRaces {
		path, err := os.MkdirTemp(parent, strconv.Itoa(os.Getpid())+"-")
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process opened the store, found it unlocked and removed it
		}
		if err != nil {
			return nil, err
		}
		t := &tempFolder{path: path, f: f}
		if err := retryEINTR(func() error { return unix.Flock(t.fd(), unix.LOCK_EX) }); err != nil && !errors.Is(err, unix.ENOLCK) && !errors.Is(err, unix.ENOTSUP) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if (&folder{f: f}).removed() {
			f.Close()
			continue
		}
		spreadSubFolders(t.fd())
		return t, nil
	}
	return nil, fmt.Errorf("%s: the temp folder is removed as fast as it is made", parent)
}

// removeAbandoned goes by the lock, not by the name: pids come again.
func removeAbandoned(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if retryEINTR(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }) == nil {
			err = os.RemoveAll(path)
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tempFolder) fd() int { return int(t.f.Fd()) }

// nextName is a free name for a temp file, in one of the sub folders.
func (t *tempFolder) nextName() string {
	n := t.seq.Add(1)
	return fmt.Sprintf("%02x/%x", n/tempRun%tempSpread, n)
}

// create makes the file, and the sub folder where it is missing. No name in here has to be durable.
func (t *tempFolder) create(name string) (fd int, err error) {
	open := func() (err error) {
		fd, err = unix.Openat(t.fd(), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		return err
	}
	err = retryEINTR(open)
	if errors.Is(err, fs.ErrNotExist) {
		mkdir := func() error { return unix.Mkdirat(t.fd(), path.Dir(name), 0o755) }
		if err = retryEINTR(mkdir); err == nil || errors.Is(err, fs.ErrExist) {
			err = retryEINTR(open)
		}
	}
	if err != nil {
		return -1, &fs.PathError{Op: "create", Path: filepath.Join(t.path, name), Err: err}
	}
	return fd, nil
}

// remove is for a put that failed. What it cannot remove goes with the folder.
func (t *tempFolder) remove(name string) { _ = unix.Unlinkat(t.fd(), name, 0) }

func (t *tempFolder) close() error {
	return errors.Join(os.RemoveAll(t.path), t.f.Close())
}

// retryEINTR repeats a system call that a signal interrupted.
func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
