package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const diskSize = "128m"

// smallDisk makes dir a file system of its own, in memory, that can be filled. Without the right to do so it is a plain folder.
func smallDisk(t *testing.T, dir string) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+diskSize)
	if errors.Is(err, syscall.EPERM) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fillDisk uses up what is free; the returned function gives it back. ok is false where dir is not a disk of its own.
func fillDisk(dir string) (free func() error, ok bool, err error) {
	var here, above syscall.Stat_t
	if err := errors.Join(syscall.Stat(dir, &here), syscall.Stat(filepath.Dir(dir), &above)); err != nil || here.Dev == above.Dev {
		return nil, false, err
	}
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		return nil, false, err
	}
	block := make([]byte, 64<<10)
	for err == nil {
		if _, err = f.Write(block); err != nil && len(block) > 1 && errors.Is(err, syscall.ENOSPC) {
			block, err = block[:len(block)/2], nil
		}
	}
	free = func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, false, errors.Join(err, free())
	}
	return free, true, nil
}
