package compaction

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/inkwell-project/inkwell/internal/slab"
)

// offsetMap remembers the greatest offset of each key in a fixed amount of memory: 16 bytes of the key's hash and the offset. Two keys of one hash would be taken for
// one; with 128 bits of SHA-256 that does not happen, by accident or on purpose.
type offsetMap struct {
	buf   *slab.Buffer
	slots []byte // entries of entryBytes
	count uint64
	used  int
	most  int
}

const (
	hashBytes  = 16
	entryBytes = hashBytes + 8
	// mapLoad of 10 slots may be used: more makes searches long.
	mapLoad = 9
	// largestMapBytes is the largest buffer there is.
	largestMapBytes = 128 << 20
)

type keyHash [hashBytes]byte

func hashKey(key []byte) keyHash {
	sum := sha256.Sum256(key)
	return keyHash(sum[:hashBytes])
}

// newOffsetMap has room for so many keys, or for what fits into bytes.
func newOffsetMap(pool *slab.Pool, bytes, keys int64) *offsetMap {
	slots := min(bytes, largestMapBytes) / entryBytes
	if keys < slots { // keys*10/9+1 might overflow before
		slots = min(slots, keys*10/mapLoad+16)
	}
	slots = max(slots, 16)
	m := &offsetMap{buf: pool.Get(int(slots * entryBytes)), most: int(slots * mapLoad / 10)}
	m.slots, m.count = m.buf.Bytes(), uint64(slots)
	m.clear()
	return m
}

func (m *offsetMap) clear() {
	clear(m.slots)
	m.used = 0
}

func (m *offsetMap) release() {
	m.slots = nil
	m.buf.Release()
}

// find is the key's slot, or the free one where it belongs. An offset is stored one greater, so that 0 is free.
func (m *offsetMap) find(h keyHash) []byte {
	for i := binary.LittleEndian.Uint64(h[:8]) % m.count; ; i++ {
		if i == m.count {
			i = 0
		}
		slot := m.slots[i*entryBytes:][:entryBytes]
		if stored(slot) == 0 || keyHash(slot[:hashBytes]) == h {
			return slot
		}
	}
}

func stored(slot []byte) int64 { return int64(binary.LittleEndian.Uint64(slot[hashBytes:])) }

// put remembers that a key has a record at offset; false when the map is full.
func (m *offsetMap) put(h keyHash, offset int64) bool {
	slot := m.find(h)
	if stored(slot) == 0 {
		if m.used == m.most {
			return false
		}
		m.used++
		copy(slot, h[:])
	}
	if offset+1 > stored(slot) {
		binary.LittleEndian.PutUint64(slot[hashBytes:], uint64(offset+1))
	}
	return true
}

// get is the greatest offset of a key, -1 for none.
func (m *offsetMap) get(h keyHash) int64 { return stored(m.find(h)) - 1 }
