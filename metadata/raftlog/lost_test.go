package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDamagedStoreIsLostOrRebuilt: a damaged state store costs the node its place in all groups only where it cannot tell one from another. What is not damage costs it nothing.
func TestDamagedStoreIsLostOrRebuilt(t *testing.T) {
	whole := vfs.NewCrashableMem()
	n := openNode(t, whole, nil)
	a := n.start(1, TopicConfig{})
	for i := range 40 {
		if _, err := a.Propose(t.Context(), []byte(fmt.Sprintf("key%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	gone := func([]byte) []byte { return nil }
	flip := func(b []byte) []byte { b[10] ^= 1; return b }
	for _, c := range []struct {
		what, file string
		change     func([]byte) []byte
		opens      bool
		lost       bool
	}{
		{"a table has a flipped bit", ".sst", flip, true, false},
		{"a table is cut short", ".sst", func(b []byte) []byte { return b[:len(b)/2] }, false, true},
		{"a table is gone", ".sst", gone, false, true},
		{"the manifest has a flipped bit", "MANIFEST", flip, false, true},
		{"the manifest is gone", "MANIFEST-0", gone, false, true},
		{"nothing says which version wrote it", "marker.format-version", gone, false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			fs := whole.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
			changeFile(t, fs, path.Join("data", "state"), c.file, c.change)
			n, err := Open(Config{FS: fs, Dir: "data", Rand: rand.New(rand.NewPCG(1, 1)), StateCacheBytes: 1 << 20, StateMemTableBytes: 1 << 20})
			if opens := err == nil; opens != c.opens || Lost(err) != c.lost {
				t.Fatalf("opens %v, lost %v: %v", opens, Lost(err), err)
			}
			if err != nil {
				return
			}
			defer n.Close()
			if _, err := n.StartGroup(GroupConfig{ID: 1, Name: "topic-1", Machine: counter{}, Voters: []int32{0}}); !Rebuildable(err) || Lost(err) {
				t.Fatalf("rebuildable %v, lost %v: %v", Rebuildable(err), Lost(err), err)
			}
		})
	}
}

// changeFile changes the one file whose name has part, or takes it away.
func changeFile(t *testing.T, fs vfs.FS, dir, part string, change func([]byte) []byte) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(name, part) || strings.HasPrefix(name, "marker") && !strings.HasPrefix(part, "marker") {
			continue
		}
		p := path.Join(dir, name)
		f, err := fs.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close(), fs.Remove(p)); err != nil {
			t.Fatal(err)
		}
		if b = change(b); b == nil {
			return
		}
		f, err = fs.Create(p, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(f, bytes.NewReader(b))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%s has no file like %s: %v", dir, part, names)
}
