package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
)

// TestDamagedEntryIsRebuilt: a leader finds that an entry in its log is not what it wrote. That replica halts and says where, another leads, and a state that has the entry makes the
// damaged one whole: the file is gone, so the next start does not refuse it.
func TestDamagedEntryIsRebuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) {
			cfg.SegmentBytes, cfg.KeepEntries, cfg.CompactEntries, cfg.CompactBytes = 16<<10, 10_000, 10_000, 64<<20
		}, 1, 2, 3)
		c.start(7, 1, 2, 3)
		c.start(8, 1, 2, 3)
		c.commit(7, "first")
		bad := c.leader(7)
		slow := bad%3 + 1
		c.connect(slow, false)
		filler := strings.Repeat("x", 2000)
		for i := range 300 { // more than the newest entries that are in memory
			c.commit(7, fmt.Sprintf("key%03d%s", i, filler))
		}
		damaged := flipInLog(t, c.disks[bad], "key010")
		c.connect(slow, true) // it is sent entries from the file
		r := c.awaitCondition(bad, Halted)
		var damage *wal.Damage
		if r.Group != 7 || !Rebuildable(r.Err) || !errors.As(r.Err, &damage) || damage.Path != damaged {
			t.Fatalf("%v: want damage in %s", r, damaged)
		}
		c.commit(7, "b")
		c.commit(8, "b")
		if _, err := c.nodes[bad].Rebuild(t.Context(), c.config(bad, 7, nil), []int32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		c.commit(7, "c")
		c.agree(7, 1, 2, 3)
		synctest.Wait() // the cut is done beside it
		if _, err := c.disks[bad].Stat(damaged); err == nil {
			t.Fatalf("%s is still there", damaged)
		}
		c.crash(bad)
		c.open(bad)
		c.start1(bad, 7)
		c.start1(bad, 8)
		c.commit(7, "d")
		c.agree(7, 1, 2, 3)
		c.agree(8, 1, 2, 3)
	})
}

// flipInLog changes a bit of the first place where text is in a log file, and returns the file.
func flipInLog(t *testing.T, fs vfs.FS, text string) string {
	t.Helper()
	dir := path.Join("data", "log")
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := fs.Open(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte(text))
		if at < 0 {
			continue
		}
		w, err := fs.OpenReadWrite(path.Join(dir, name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteAt([]byte{b[at] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Sync(), w.Close()); err != nil {
			t.Fatal(err)
		}
		return path.Join(dir, name)
	}
	t.Fatalf("no log file has %q", text)
	return ""
}

// TestMissingEndOfTheLog: the newest files of a log are gone, or all of them. What is left is whole, so only the states, which are ahead of it, show that something is missing. It shows before any
// group is started.
func TestMissingEndOfTheLog(t *testing.T) {
	dir := path.Join("data", "log")
	for keep := range 3 {
		t.Run(fmt.Sprintf("%d files are left", keep), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			n := openNode(t, fs, func(cfg *Config) { cfg.SegmentBytes = 16 << 10 })
			a, b := n.start(1, TopicConfig{}), n.start(2, TopicConfig{})
			for i := range 40 {
				if _, err := a.Propose(t.Context(), []byte(fmt.Sprintf("key%03d%s", i, strings.Repeat("x", 1000)))); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := b.Propose(t.Context(), []byte("last")); err != nil {
				t.Fatal(err)
			}
			if err := n.store.Flush(); err != nil {
				t.Fatal(err)
			}
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
			names, err := fs.List(dir)
			if err != nil || len(names) < 3 {
				t.Fatalf("%v: want more files: %v", names, err)
			}
			slices.Sort(names)
			for _, name := range names[keep:] {
				if err := fs.Remove(path.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			again := Config{FS: fs, Dir: "data", Rand: rand.New(rand.NewPCG(1, 1)), StateCacheBytes: 1 << 20, StateMemTableBytes: 1 << 20}
			if n, err := Open(again); err == nil || !Lost(err) || !strings.Contains(err.Error(), "group ") || !strings.Contains(err.Error(), "but the log") {
				t.Fatalf("%v %v", n, err)
			}
		})
	}
}
