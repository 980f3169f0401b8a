package state

import (
	"bytes"
	"hash/fnv"
	"slices"
)

// store is the least statestore.Tx: a sorted slice.
type store struct {
	keys   [][]byte
	values [][]byte
}

func (s *store) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(s.keys, key, bytes.Compare)
}

func (s *store) Get(key []byte) ([]byte, bool) {
	if i, ok := s.find(key); ok {
		return bytes.Clone(s.values[i]), true
	}
	return nil, false
}

func (s *store) bounds(lo, hi []byte) (int, int) {
	i, _ := s.find(lo)
	j := len(s.keys)
	if hi != nil {
		j, _ = s.find(hi)
	}
	return i, max(i, j)
}

func (s *store) Scan(lo, hi []byte, fn func(k, v []byte) bool) {
	for i, j := s.bounds(lo, hi); i < j && fn(s.keys[i], s.values[i]); i++ {
	}
}

func (s *store) ScanReverse(lo, hi []byte, fn func(k, v []byte) bool) {
	for i, j := s.bounds(lo, hi); j > i && fn(s.keys[j-1], s.values[j-1]); j-- {
	}
}

func (s *store) Set(key, value []byte) {
	i, ok := s.find(key)
	if ok {
		s.values[i] = bytes.Clone(value)
		return
	}
	s.keys = slices.Insert(s.keys, i, bytes.Clone(key))
	s.values = slices.Insert(s.values, i, bytes.Clone(value))
}

func (s *store) Delete(key []byte) {
	if i, ok := s.find(key); ok {
		s.keys, s.values = slices.Delete(s.keys, i, i+1), slices.Delete(s.values, i, i+1)
	}
}

func (s *store) DeleteRange(lo, hi []byte) {
	i, j := s.bounds(lo, hi)
	s.keys, s.values = slices.Delete(s.keys, i, j), slices.Delete(s.values, i, j)
}

func (s *store) hash() uint64 {
	h := fnv.New64a()
	for i := range s.keys {
		h.Write(s.keys[i])
		h.Write([]byte{0})
		h.Write(s.values[i])
		h.Write([]byte{1})
	}
	return h.Sum64()
}
