package filesystem

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
)

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	b := open(t, Config{Path: filepath.Join(dir, "store")})
	defer b.Close()
	big := objectstoragetest.Body(1, 2<<20)
	if err := b.PutIfAbsent(t.Context(), "big", big); !errors.Is(err, objectstorage.ErrFull) {
		t.Fatalf("put into a full store: %v", err)
	}
	if left := tempFiles(t, b.cfg.Path); len(left) != 0 {
		t.Errorf("temp files fill the disk: %v", left)
	}
	put(t, b, "small") // there is space again
}
