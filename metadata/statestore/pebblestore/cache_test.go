package pebblestore

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestTablesInMemoryLeaveTheCache: commands look for keys that are not there, for which each table's filter and index are read. They are read from files once, however many bytes of tables in
// memory Pebble counts as cached: these are as large as the cache by default.
func TestTablesInMemoryLeaveTheCache(t *testing.T) {
	store, err := Open(Config{FS: vfs.NewMem(), Dir: "state", CacheBytes: 4 << 20, MemTableBytes: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	r := rand.New(rand.NewPCG(1, 1))
	key, value := make([]byte, 16), make([]byte, 200)
	random := func() []byte {
		binary.BigEndian.PutUint64(key, r.Uint64())
		return key
	}
	sp := Space{1, 's'}
	for range 40 { // 9 MB
		b := store.NewBatch()
		tx := b.Tx(sp)
		for range 1000 {
			tx.Set(random(), value)
		}
		b.Commit()
	}
	// What compactions read beside the lookups would be counted.
	if err := store.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	lookUp := func(n int) (misses int64) {
		before := store.db.Metrics()
		b := store.NewBatch()
		defer b.Drop()
		tx := b.Tx(sp)
		for range n {
			if _, ok := tx.Get(random()); ok {
				t.Fatal("a key that nobody wrote is there")
			}
		}
		return store.db.Metrics().BlockCache.Misses - before.BlockCache.Misses
	}
	lookUp(5000)
	// The last level is read without filters: most lookups need one block, and half of them are in the cache.
	if misses := lookUp(2000); misses > 2000 {
		t.Errorf("2,000 keys that are not there were looked for in files %d times", misses)
	}
}
