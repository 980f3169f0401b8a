package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// TestDamagedStateIsRebuilt: of two groups one has a damaged table on one node. That replica halts and says where, its neighbour goes on, and what the
// others send makes it whole, with nothing of the damaged file left to stumble over.
func TestDamagedStateIsRebuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3)
		c.start(7, 1, 2, 3)
		for i := range 200 {
			c.commit(7, fmt.Sprint("key", i))
		}
		c.agree(7, 1, 2, 3)
		leader := c.leader(7)
		bad := leader%3 + 1
		if err := c.nodes[bad].store.Flush(); err != nil { // a table of group 7 alone
			t.Fatal(err)
		}
		flipTables(t, c.disks[bad])
		c.start(8, 1, 2, 3)
		c.commit(8, "a")

		failed := func() (failed bool) {
			defer func() {
				var failure *statestore.Failure
				if err, ok := recover().(error); ok {
					failed = errors.As(err, &failure)
				}
			}()
			c.log(bad, 7).View(func(r statestore.Reader) { r.Scan(nil, nil, func(_, _ []byte) bool { return true }) })
			return false
		}()
		if !failed {
			t.Fatal("a reader did not see the damage")
		}
		r := c.awaitCondition(bad, Halted)
		if r.Group != 7 || !Rebuildable(r.Err) {
			t.Fatal(r)
		}
		if _, err := c.log(bad, 7).Read(0, 1); !errors.Is(err, r.Err) {
			t.Fatal(err)
		}
		c.commit(7, "b")
		c.commit(8, "b")
		c.agree(8, 1, 2, 3)
		if list, _ := c.nodes[bad].Conditions(); len(list) != 1 {
			t.Fatal(list)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.nodes[bad].Rebuild(ctx, c.config(bad, 7, nil), []int32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		c.commit(7, "c")
		c.agree(7, 1, 2, 3)
		c.crash(bad)
		c.open(bad)
		c.start1(bad, 7)
		c.start1(bad, 8)
		c.commit(7, "d")
		c.agree(7, 1, 2, 3)
	})
}

// flipTables changes a bit in the first block of each table.
func flipTables(t *testing.T, fs vfs.FS) {
	t.Helper()
	tables := 0
	var walk func(dir string)
	walk = func(dir string) {
		list, err := fs.List(dir)
		if err != nil {
			return
		}
		for _, name := range list {
			path := fs.PathJoin(dir, name)
			if info, err := fs.Stat(path); err == nil && info.IsDir() {
				walk(path)
				continue
			}
			if !strings.HasSuffix(name, ".sst") {
				continue
			}
			f, err := fs.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			b[20] ^= 1
			w, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.WriteAt(b[20:21], 20); err != nil {
				t.Fatal(err)
			}
			w.Close()
			tables++
		}
	}
	walk("")
	if tables == 0 {
		t.Fatal("there is no table")
	}
}
