package memstore

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Store is a sorted slice: easy to believe, and quick enough for the thousands of keys of a test.
type Store struct {
	entries []entry // sorted by key
}

type entry struct{ key, value []byte }

var _ statestore.Tx = (*Store)(nil)

// New is an empty store.
func New() *Store { return &Store{} }

// Get implements statestore.Reader.
func (s *Store) Get(key []byte) ([]byte, bool) {
	if i := s.find(key); s.holds(i, key) {
		return s.entries[i].value, true
	}
	return nil, false
}

// Scan implements statestore.Reader.
func (s *Store) Scan(lo, hi []byte, fn func(key, value []byte) bool) {
	from, to := s.bounds(lo, hi)
	for i := from; i < to; i++ {
		if !fn(s.entries[i].key, s.entries[i].value) {
			return
		}
	}
}

// ScanReverse implements statestore.Reader.
func (s *Store) ScanReverse(lo, hi []byte, fn func(key, value []byte) bool) {
	from, to := s.bounds(lo, hi)
	for i := to - 1; i >= from; i-- {
		if !fn(s.entries[i].key, s.entries[i].value) {
			return
		}
	}
}

// Set implements statestore.Tx.
func (s *Store) Set(key, value []byte) {
	i := s.find(key)
	// Never nil: a set key with an empty value reads the same from a disk.
	value = append([]byte{}, value...)
	if s.holds(i, key) {
		s.entries[i].value = value
		return
	}
	s.entries = slices.Insert(s.entries, i, entry{key: bytes.Clone(key), value: value})
}

// Delete implements statestore.Tx.
func (s *Store) Delete(key []byte) {
	if i := s.find(key); s.holds(i, key) {
		s.entries = slices.Delete(s.entries, i, i+1)
	}
}

// DeleteRange implements statestore.Tx.
func (s *Store) DeleteRange(lo, hi []byte) {
	from, to := s.bounds(lo, hi)
	if from < to {
		s.entries = slices.Delete(s.entries, from, to)
	}
}

// Len is the number of keys.
func (s *Store) Len() int { return len(s.entries) }

// Hash covers every key and value, so that a test can compare replicas.
func (s *Store) Hash() string { return Hash(s) }

// Dump is the whole state in key order, "key=value" in Go syntax.
func (s *Store) Dump() []string {
	var lines []string
	for _, e := range s.entries {
		lines = append(lines, fmt.Sprintf("%q=%q", e.key, e.value))
	}
	return lines
}

// Hash is statestore.Hash.
func Hash(r statestore.Reader) string { return statestore.Hash(r) }

func (s *Store) find(key []byte) int {
	return sort.Search(len(s.entries), func(i int) bool { return bytes.Compare(s.entries[i].key, key) >= 0 })
}

func (s *Store) holds(i int, key []byte) bool {
	return i < len(s.entries) && bytes.Equal(s.entries[i].key, key)
}

// bounds are the positions of [lo, hi); a nil hi means no bound.
func (s *Store) bounds(lo, hi []byte) (from, to int) {
	from, to = s.find(lo), len(s.entries)
	if hi != nil {
		to = s.find(hi)
	}
	return from, to
}
