package filesystem

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage"
)

func open(t *testing.T, cfg Config) *Bucket {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = t.TempDir()
	}
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func put(t *testing.T, b *Bucket, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := b.PutIfAbsent(t.Context(), key, [][]byte{[]byte(key)}); err != nil {
			t.Fatal(err)
		}
	}
}

// tempFiles are all files that are not objects yet, of all processes.
func tempFiles(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, objectstorage.ReservedPart, tempName), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A name whose folder could not be synced may vanish in a power cut. It must not be acknowledged, and a retry must not
// find it and take it for a stored object.
func TestFailedFolderSyncIsNotAcknowledged(t *testing.T) {
	b := open(t, Config{})
	put(t, b, "dir/first")
	broken := errors.New("input/output error")
	sync := b.folders.syncFD
	b.folders.syncFD = func(int) error { return broken }
	err := b.PutIfAbsent(t.Context(), "dir/second", nil)
	if err == nil || errors.Is(err, objectstorage.ErrExists) || errors.Is(err, objectstorage.ErrDenied) {
		t.Fatalf("put with a failing sync: %v", err)
	}
	if err := b.PutIfAbsent(t.Context(), "dir/first", nil); err == nil || errors.Is(err, objectstorage.ErrExists) {
		t.Fatalf("refused without knowing that the winner is durable: %v", err)
	}
	if errs := b.DeleteMany(t.Context(), []string{"dir/first"}); errs[0] == nil {
		t.Fatal("a delete that may come back was reported as done")
	}
	b.folders.syncFD = sync
	put(t, b, "dir/second")
	if left := tempFiles(t, b.cfg.Path); len(left) != 0 {
		t.Errorf("temp files are left: %v", left)
	}
}

// A new folder is a name in its parent, which needs a sync of its own; once.
func TestNewFoldersAreSynced(t *testing.T) {
	b := open(t, Config{})
	var synced []string
	sync := b.folders.syncFD
	b.folders.syncFD = func(fd int) error {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Skip("needs /proc")
		}
		rel, _ := filepath.Rel(b.cfg.Path, path)
		synced = append(synced, rel)
		return sync(fd)
	}
	put(t, b, "a/b/one")
	if got := strings.Join(synced, " "); got != ". a a/b" {
		t.Errorf("synced %q", got)
	}
	synced = nil
	put(t, b, "a/b/two")
	if got := strings.Join(synced, " "); got != "a/b" {
		t.Errorf("then synced %q", got)
	}
}

func TestGroupSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groupSync
		var syncs, running atomic.Int32
		slow := func() error {
			if running.Add(1) != 1 {
				t.Error("two syncs at a time")
			}
			time.Sleep(time.Second)
			running.Add(-1)
			if syncs.Add(1) == 2 {
				return errors.New("second")
			}
			return nil
		}
		var wg sync.WaitGroup
		var failed atomic.Int32
		call := func(began time.Duration) {
			wg.Go(func() {
				start := time.Now()
				if g.do(slow) != nil {
					failed.Add(1)
				}
				if took := time.Since(start); took < time.Second {
					t.Errorf("a call at %v joined a sync that ran already: took %v", began, took)
				}
			})
		}
		call(0)
		time.Sleep(100 * time.Millisecond)
		for range 10 {
			call(100 * time.Millisecond)
		}
		time.Sleep(time.Second) // the second sync runs
		for range 5 {
			call(1100 * time.Millisecond)
		}
		wg.Wait()
		if syncs.Load() != 3 || failed.Load() != 10 {
			t.Errorf("%d syncs, %d callers failed; want 3 and 10", syncs.Load(), failed.Load())
		}
		start := time.Now()
		if err := g.do(slow); err != nil || time.Since(start) != time.Second {
			t.Errorf("a later call: %v, took %v", err, time.Since(start))
		}
	})
}

// Another process removes the folder that this one has open, again and again.
func TestPutIntoRemovedFolder(t *testing.T) {
	b := open(t, Config{})
	other := open(t, Config{Path: b.cfg.Path})
	for i := range 5 {
		key := fmt.Sprintf("a/b/c/%d", i)
		put(t, b, key)
		if err := other.DeleteMany(t.Context(), []string{key})[0]; err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(b.cfg.Path, "a")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("empty folders stay: %v", err)
		}
	}
	put(t, b, "a/x", "a/b/c/y")
	if err := b.DeleteMany(t.Context(), []string{"a/b/c/y"})[0]; err != nil {
		t.Fatal(err)
	}
	if _, err := b.Head(t.Context(), "a/x"); err != nil {
		t.Fatalf("a neighbour went with the folder: %v", err)
	}
}

func TestKeyAndFolderOfOneName(t *testing.T) {
	b := open(t, Config{})
	put(t, b, "a/b", "c")
	for _, key := range []string{"a", "c/d", "c/d/e"} {
		err := b.PutIfAbsent(t.Context(), key, nil)
		if err == nil || errors.Is(err, objectstorage.ErrExists) || !strings.Contains(err.Error(), "cannot hold a key and another key below it") {
			t.Errorf("put %s: %v", key, err)
		}
	}
	if left := tempFiles(t, b.cfg.Path); len(left) != 0 {
		t.Errorf("temp files are left: %v", left)
	}
}

func TestReadersAreBoundedAndForgetDeletedObjects(t *testing.T) {
	b := open(t, Config{OpenFiles: 3})
	other := open(t, Config{Path: b.cfg.Path})
	read := func(key string) error { return b.GetRange(t.Context(), key, 0, make([]byte, 1)) }
	for i := range 10 {
		key := fmt.Sprintf("k%d", i)
		put(t, b, key)
		if err := read(key); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.readers.byPath); n != 3 {
		t.Errorf("%d open files, want 3", n)
	}
	if errs := errors.Join(other.DeleteMany(t.Context(), []string{"k9"})...); errs != nil {
		t.Fatal(errs)
	}
	if err := read("k9"); !errors.Is(err, objectstorage.ErrNotFound) {
		t.Errorf("read of what another process deleted: %v", err)
	}
	if errs := errors.Join(b.DeleteMany(t.Context(), []string{"k8"})...); errs != nil {
		t.Fatal(errs)
	}
	if n := len(b.readers.byPath); n != 1 {
		t.Errorf("%d open files after deletes, want 1", n)
	}
	later := time.Now().Add(2 * maxIdleOpen)
	r, err := b.readers.acquire(b.path("k1"), later)
	if err != nil {
		t.Fatal(err)
	}
	b.readers.release(r)
	if n := len(b.readers.byPath); n != 1 {
		t.Errorf("%d open files, want only the fresh one", n)
	}
}

func TestExclusive(t *testing.T) {
	shared := open(t, Config{})
	open(t, Config{Path: shared.cfg.Path}) // many may share
	_, err := Open(Config{Path: shared.cfg.Path, Exclusive: true, Setting: "--data"})
	if err == nil || !strings.Contains(err.Error(), "another process") || !strings.Contains(err.Error(), "--data") {
		t.Errorf("alone beside others: %v", err)
	}
	alone := open(t, Config{Exclusive: true})
	for _, exclusive := range []bool{true, false} {
		_, err := Open(Config{Path: alone.cfg.Path, Exclusive: exclusive})
		want := fmt.Sprintf("another process (pid %d)", os.Getpid())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--store") {
			t.Errorf("beside one alone: %v", err)
		}
	}
	alone.Close()
	open(t, Config{Path: alone.cfg.Path, Exclusive: true})
}

const childEnv = "INKWELL_FILESYSTEM_TEST_CHILD"

// TestChild is the process that TestDeadProcess kills; by itself it does nothing.
func TestChild(t *testing.T) {
	root := os.Getenv(childEnv)
	if root == "" {
		return
	}
	b := open(t, Config{Path: root})
	put(t, b, "from/child")
	if err := b.writeTemp(t.Context(), "unfinished", [][]byte{[]byte("half an obj")}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("READY")
	select {} // until it is killed
}

// What a killed process left unfinished goes at the next Open, what a living one is writing stays.
func TestDeadProcess(t *testing.T) {
	root := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+root)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := false
	for lines := bufio.NewScanner(out); !ready && lines.Scan(); {
		ready = strings.Contains(lines.Text(), "READY")
	}
	if ready {
		open(t, Config{Path: root})
		if files := tempFiles(t, root); len(files) != 1 {
			t.Errorf("the file of a living process: %v, want 1", files)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !ready {
		t.Fatal("the child did not get ready")
	}
	b := open(t, Config{Path: root})
	if files := tempFiles(t, root); len(files) != 0 {
		t.Errorf("left by a dead process: %v", files)
	}
	if _, err := b.Head(t.Context(), "from/child"); err != nil {
		t.Errorf("its object: %v", err)
	}
}

func FuzzKeysStayInside(f *testing.F) {
	for _, key := range []string{"a", "../a", "a/../../b", "/etc/passwd", "a//b", ".inkwell/lock", "a\\..\\b"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if objectstorage.CheckKey(key) != nil {
			return
		}
		b := &Bucket{cfg: Config{Path: "/root/of/store"}}
		rel, err := filepath.Rel(b.cfg.Path, b.path(key))
		if err != nil || filepath.ToSlash(rel) != key {
			t.Fatalf("%q is the path %s", key, b.path(key))
		}
	})
}
