package pebblestore

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Batch collects changes of any spaces, and reads its own writes. A space has one writer at a time.
//
// Commands write the same few keys again and again, and mostly read single ones: the changes are kept in a map, and the last one of each key is written at the
// end. Only a scan or a range of deletions has them put into Pebble's own, ordered and dearer, kind of batch.
type Batch struct {
	store  *Store
	index  map[string]int // full key -> its place in writes
	writes []write        // the last of each key
	bytes  int
	values arena

	indexed *pebble.Batch // nil until the first scan or range; holds all writes from then on
	ranges  []keyRange    // that were deleted: what writes says may be older than a range
}

type write struct {
	key     string // with the space
	value   []byte
	deleted bool
}

type keyRange struct{ lo, hi []byte } // full keys, hi excluded

// NewBatch begins a batch. It must be committed or dropped.
func (s *Store) NewBatch() *Batch {
	if b, ok := s.batches.Get().(*Batch); ok {
		return b
	}
	return &Batch{store: s, index: map[string]int{}}
}

// Tx is the batch as seen by the owner of sp.
func (b *Batch) Tx(sp Space) statestore.Tx {
	return &tx{reader: *newReader(nil, sp), batch: b}
}

// DeleteGroup deletes everything of a group, in all its spaces.
func (b *Batch) DeleteGroup(group uint64) {
	b.deleteRange(groupRange(group))
}

func groupRange(group uint64) keyRange {
	if group == math.MaxUint64 {
		return keyRange{binary.BigEndian.AppendUint64(nil, group), bytes.Repeat([]byte{0xff}, prefixSize+1)}
	}
	return keyRange{binary.BigEndian.AppendUint64(nil, group), binary.BigEndian.AppendUint64(nil, group+1)}
}

// Len is about the size of the batch in bytes.
func (b *Batch) Len() int {
	if b.indexed != nil {
		return b.indexed.Len()
	}
	return b.bytes
}

func (b *Batch) put(key, value []byte, deleted bool) {
	w := write{value: b.values.copy(value), deleted: deleted}
	i, known := b.index[string(key)]
	if known {
		w.key = b.writes[i].key
		b.bytes += len(value) - len(b.writes[i].value)
		b.writes[i] = w
	} else {
		w.key = string(key)
		b.bytes += len(key) + len(value)
		b.index[w.key] = len(b.writes)
		b.writes = append(b.writes, w)
	}
	if b.indexed != nil {
		w.appendTo(b.indexed)
	}
}

func (w *write) appendTo(b *pebble.Batch) {
	if w.deleted {
		op := b.DeleteDeferred(len(w.key))
		copy(op.Key, w.key)
		check("delete", op.Finish())
		return
	}
	op := b.SetDeferred(len(w.key), len(w.value))
	copy(op.Key, w.key)
	copy(op.Value, w.value)
	check("set", op.Finish())
}

func (b *Batch) deleteRange(r keyRange) {
	check("delete range", b.ordered().DeleteRange(r.lo, r.hi, nil))
	b.ranges = append(b.ranges, r)
}

// ordered is the batch as one that can be scanned.
func (b *Batch) ordered() *pebble.Batch {
	if b.indexed == nil {
		b.indexed = b.store.db.NewIndexedBatch()
		for i := range b.writes {
			b.writes[i].appendTo(b.indexed)
		}
	}
	return b.indexed
}

// Commit makes the changes visible as a whole.
func (b *Batch) Commit() {
	batch := b.indexed
	if batch == nil {
		// In order, each key's place in the memtable is near that of the one before it.
		slices.SortFunc(b.writes, func(x, y write) int { return strings.Compare(x.key, y.key) })
		batch = b.store.db.NewBatchWithSize(b.bytes + 16*len(b.writes) + 16)
		for i := range b.writes {
			b.writes[i].appendTo(batch)
		}
	}
	check("commit", batch.Commit(pebble.NoSync))
	b.store.rows.committed(b.writes, b.ranges)
	check("close a batch", batch.Close())
	b.release()
}

// Drop forgets the changes.
func (b *Batch) Drop() {
	if b.indexed != nil {
		check("close a batch", b.indexed.Close())
	}
	b.release()
}

// release gives the maps to a later batch. The values stay with those who read them.
func (b *Batch) release() {
	if len(b.writes) > maxKeptWrites {
		return
	}
	clear(b.index)
	clear(b.writes)
	b.store.batches.Put(&Batch{store: b.store, index: b.index, writes: b.writes[:0]})
	b.index, b.writes = nil, nil
}

const maxKeptWrites = 1 << 14

type tx struct {
	reader
	batch *Batch
}

var _ statestore.Tx = (*tx)(nil)

// Get implements statestore.Reader.
func (t *tx) Get(key []byte) ([]byte, bool) {
	b := t.batch
	t.key = append(append(t.key[:0], t.prefix...), key...)
	if len(b.ranges) > 0 {
		return get(b.indexed, t.key)
	}
	if i, ok := b.index[string(t.key)]; ok {
		w := &b.writes[i]
		return w.value, !w.deleted
	}
	rows := &b.store.rows
	row, known, commits := rows.get(t.key)
	if known {
		return row.value, row.exists
	}
	row.value, row.exists = get(b.store.db, t.key)
	rows.add(t.key, row, commits)
	return row.value, row.exists
}

// Scan implements statestore.Reader.
func (t *tx) Scan(lo, hi []byte, fn func(key, value []byte) bool) {
	t.source = t.batch.ordered()
	t.reader.Scan(lo, hi, fn)
}

// ScanReverse implements statestore.Reader.
func (t *tx) ScanReverse(lo, hi []byte, fn func(key, value []byte) bool) {
	t.source = t.batch.ordered()
	t.reader.ScanReverse(lo, hi, fn)
}

// Set implements statestore.Tx.
func (t *tx) Set(key, value []byte) {
	t.key = append(append(t.key[:0], t.prefix...), key...)
	t.batch.put(t.key, value, false)
}

// Delete implements statestore.Tx.
func (t *tx) Delete(key []byte) {
	t.key = append(append(t.key[:0], t.prefix...), key...)
	t.batch.put(t.key, nil, true)
}

// DeleteRange implements statestore.Tx.
func (t *tx) DeleteRange(lo, hi []byte) {
	r := keyRange{t.full(lo), t.end}
	if hi != nil {
		r.hi = t.full(hi)
	}
	t.batch.deleteRange(r)
}
