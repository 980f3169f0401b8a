package raftlogtest

import (
	"bytes"
	"slices"
	"sort"
)

// state is a statestore.Tx over a sorted slice: tests have few keys, and it is easy to believe.
type state struct {
	entries []entry // sorted by key
}

type entry struct{ key, value []byte }

func newState() state { return state{} }

// find returns the position of the first key that is not below key.
func (s *state) find(key []byte) int {
	return sort.Search(len(s.entries), func(i int) bool { return bytes.Compare(s.entries[i].key, key) >= 0 })
}

func (s *state) Get(key []byte) ([]byte, bool) {
	if i := s.find(key); i < len(s.entries) && bytes.Equal(s.entries[i].key, key) {
		return s.entries[i].value, true
	}
	return nil, false
}

func (s *state) span(lo, hi []byte) (int, int) {
	end := len(s.entries)
	if hi != nil {
		end = s.find(hi)
	}
	return min(s.find(lo), end), end
}

func (s *state) Scan(lo, hi []byte, fn func(key, value []byte) bool) {
	start, end := s.span(lo, hi)
	for _, e := range s.entries[start:end] {
		if !fn(e.key, e.value) {
			return
		}
	}
}

func (s *state) ScanReverse(lo, hi []byte, fn func(key, value []byte) bool) {
	start, end := s.span(lo, hi)
	for i := end - 1; i >= start; i-- {
		if !fn(s.entries[i].key, s.entries[i].value) {
			return
		}
	}
}

func (s *state) Set(key, value []byte) {
	e := entry{key: bytes.Clone(key), value: append([]byte{}, value...)}
	i := s.find(key)
	if i < len(s.entries) && bytes.Equal(s.entries[i].key, key) {
		s.entries[i] = e
		return
	}
	s.entries = slices.Insert(s.entries, i, e)
}

func (s *state) Delete(key []byte) {
	if i := s.find(key); i < len(s.entries) && bytes.Equal(s.entries[i].key, key) {
		s.entries = slices.Delete(s.entries, i, i+1)
	}
}

func (s *state) DeleteRange(lo, hi []byte) {
	start, end := s.span(lo, hi)
	s.entries = slices.Delete(s.entries, start, end)
}
