package pebblestore

import (
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestRowsGoWithTheirGroup: what commands read before is not there any more when its group was deleted, in one way or the other, and the neighbours' is.
func TestRowsGoWithTheirGroup(t *testing.T) {
	for _, group := range []uint64{2, math.MaxUint64} {
		for name, remove := range map[string]func(*Store) error{
			"DeleteGroup": func(s *Store) error {
				b := s.NewBatch()
				b.DeleteGroup(group)
				b.Commit()
				return nil
			},
			"Excise": func(s *Store) error { return s.Excise(t.Context(), group) },
		} {
			t.Run(name, func(t *testing.T) {
				store := open(t, vfs.NewMem())
				defer store.Close()
				groups := []uint64{1, group, 3}
				key := []byte("k")
				b := store.NewBatch()
				for _, g := range groups {
					b.Tx(Space{g, 's'}).Set(key, []byte("v"))
				}
				b.Commit()
				exists := func(g uint64) bool {
					b := store.NewBatch()
					defer b.Drop()
					_, ok := b.Tx(Space{g, 's'}).Get(key)
					return ok
				}
				for _, g := range groups {
					if !exists(g) {
						t.Fatalf("group %d has lost its key", g)
					}
				}
				if err := remove(store); err != nil {
					t.Fatal(err)
				}
				for _, g := range groups {
					if exists(g) != (g != group) {
						t.Errorf("group %d has its key: %v", g, exists(g))
					}
				}
			})
		}
	}
}

// TestRowsAreBounded: they hold no more than they may, and what is read often stays.
func TestRowsAreBounded(t *testing.T) {
	var r rows
	r.init(10_000)
	full := func(key ...byte) []byte { return append(Space{1, 's'}.appendTo(nil), key...) }
	often := full([]byte("often")...)
	r.add(often, row{[]byte("v"), true}, 0)
	for i := range 1000 {
		if _, known, _ := r.get(often); !known {
			t.Fatalf("after %d others, what is read each time is gone", i)
		}
		r.add(full(byte(i), byte(i>>8)), row{}, 0)
	}
	bytes := 0
	for _, g := range []generation{r.young, r.old} {
		for kind, rows := range g {
			for key, row := range rows {
				bytes += len(kind) + len(key) + len(row.value) + rowOverhead
			}
		}
	}
	if bytes > 10_000+2*(rowOverhead+20) {
		t.Errorf("rows of %d bytes, at most 10,000", bytes)
	}
}

// TestRowsReadBesideACommit: a value that was read from Pebble while its space was written is not kept.
func TestRowsReadBesideACommit(t *testing.T) {
	var r rows
	r.init(10_000)
	key := append(Space{1, 's'}.appendTo(nil), 'k')
	_, _, commits := r.get(key)
	r.committed([]write{{key: string(key), value: []byte("new")}}, nil)
	r.add(key, row{[]byte("old"), true}, commits)
	if found, known, _ := r.get(key); known {
		t.Errorf("%q was kept", found.value)
	}
}
