package pebblestore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
)

func open(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{FS: fs, Dir: "state", CacheBytes: 1 << 20, RowBytes: 1 << 10, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTwin: two spaces side by side behave as two stores in memory do, read within the batch and after its commit.
func TestTwin(t *testing.T) {
	store := open(t, vfs.NewMem())
	defer store.Close()
	group := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		group += 2
		spaces := []Space{{group, 's'}, {group, 't'}}
		twins := []*memstore.Store{memstore.New(), memstore.New()}
		key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0xff}), 0, 2) // few, so that most are met again
		batch := store.NewBatch()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			which := rapid.IntRange(0, 1).Draw(t, "space")
			real, twin := batch.Tx(spaces[which]), twins[which]
			lo, hi := key.Draw(t, "lo"), key.Draw(t, "hi")
			if rapid.Bool().Draw(t, "unbounded") {
				hi = nil
			}
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				real.Set(lo, hi)
				twin.Set(lo, hi)
			case 2:
				real.Delete(lo)
				twin.Delete(lo)
			case 3:
				if hi == nil || string(lo) <= string(hi) {
					real.DeleteRange(lo, hi)
					twin.DeleteRange(lo, hi)
				}
			case 4:
				got, gotOK := real.Get(lo)
				want, wantOK := twin.Get(lo)
				if gotOK != wantOK || string(got) != string(want) {
					t.Fatalf("get %q: %q %v, want %q %v", lo, got, gotOK, want, wantOK)
				}
			case 5:
				batch.Commit()
				batch = store.NewBatch()
			}
			if string(lo) <= string(hi) || hi == nil {
				if diff := cmp.Diff(scan(twin, lo, hi), scan(batch.Tx(spaces[which]), lo, hi)); diff != "" {
					t.Fatal(diff)
				}
			}
		}
		batch.Commit()
		store.View(func(v *View) {
			for i, sp := range spaces {
				if memstore.Hash(v.Reader(sp)) != twins[i].Hash() {
					t.Fatalf("space %c differs", sp.Kind)
				}
			}
		})
	})
}

func scan(r statestore.Reader, lo, hi []byte) (lines []string) {
	line := func(k, v []byte) bool {
		lines = append(lines, fmt.Sprintf("%q=%q", k, v))
		return len(lines) < 100
	}
	r.Scan(lo, hi, line)
	r.ScanReverse(lo, hi, line)
	return lines
}

// TestCrash: a crash shows the state after some commit, at least the last flushed one, and Durable never promises more.
func TestCrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	store := open(t, fs)
	sp := Space{7, 's'}
	value := func(r statestore.Reader, key string) string {
		v, _ := r.Get([]byte(key))
		return string(v)
	}
	commit := func(i int) {
		b := store.NewBatch()
		b.Tx(sp).Set([]byte("a"), fmt.Append(nil, i))
		b.Tx(Space{7, 'm'}).Set([]byte("b"), fmt.Append(nil, i))
		b.Commit()
	}
	commit(1)
	if err := store.Flush(); err != nil {
		t.Fatal(err)
	}
	commit(2)
	store.Durable(sp, func(r statestore.Reader) {
		if value(r, "a") != "1" {
			t.Fatalf("durable is %q", value(r, "a"))
		}
	})
	crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(1, 1))})
	store.Close()
	store = open(t, crashed)
	defer store.Close()
	store.View(func(v *View) {
		if a, b := value(v.Reader(sp), "a"), value(v.Reader(Space{7, 'm'}), "b"); a != "1" || b != "1" {
			t.Fatalf("after the crash a=%q b=%q", a, b)
		}
	})
}

func TestDeleteGroupLeavesNeighbours(t *testing.T) {
	store := open(t, vfs.NewMem())
	defer store.Close()
	b := store.NewBatch()
	for g := uint64(1); g <= 3; g++ {
		b.Tx(Space{g, 's'}).Set([]byte("k"), nil)
	}
	b.DeleteGroup(2)
	b.Commit()
	store.View(func(v *View) {
		for g, want := range map[uint64]bool{1: true, 2: false, 3: true} {
			if _, ok := v.Reader(Space{g, 's'}).Get([]byte("k")); ok != want {
				t.Fatalf("group %d: %v", g, ok)
			}
		}
	})
}
