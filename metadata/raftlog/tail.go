package raftlog

import (
	"slices"
	"sort"
	"sync"
)

// tail is what readers of a topic see: its bounds, and its newest records in memory, so that those who follow do not touch the store.
type tail struct {
	maxRecords, maxBytes int

	mu          sync.RWMutex // guards everything below
	start, next int64
	from        int64    // every live record from here on is in records
	records     []Record // by offset
	bytes       int
	appended    chan struct{} // closed when next moves
}

func newTail(cfg Config, s topicState) *tail {
	return &tail{maxRecords: cfg.TailRecords, maxBytes: cfg.TailBytes, start: s.start, next: s.next, from: s.next, appended: make(chan struct{})}
}

// publish shows what a committed batch appended and removed.
func (t *tail) publish(s topicState, appended []Record, removed []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range appended {
		t.records = append(t.records, r)
		t.bytes += int(recordBytes(r))
	}
	for _, offset := range removed {
		if i := t.find(offset); i < len(t.records) && t.records[i].Offset == offset {
			t.bytes -= int(recordBytes(t.records[i]))
			t.records = slices.Delete(t.records, i, i+1)
		}
	}
	drop := 0
	for ; drop < len(t.records) && (t.records[drop].Offset < s.start || len(t.records)-drop > t.maxRecords || t.bytes > t.maxBytes); drop++ {
		t.bytes -= int(recordBytes(t.records[drop]))
		t.from = t.records[drop].Offset + 1
		t.records[drop] = Record{}
	}
	t.records = t.records[drop:]
	t.start = s.start
	if s.next != t.next {
		t.next = s.next
		close(t.appended)
		t.appended = make(chan struct{})
	}
}

// replace begins anew behind an installed snapshot.
func (t *tail) replace(s topicState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.start, t.next, t.from, t.records, t.bytes = s.start, s.next, s.next, nil, 0
	close(t.appended)
	t.appended = make(chan struct{})
}

// find is the position of the first record that is not below offset.
func (t *tail) find(offset int64) int {
	return sort.Search(len(t.records), func(i int) bool { return t.records[i].Offset >= offset })
}

func (t *tail) bounds() (start, next int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.start, t.next
}

// read returns records from memory, or that they are not there; next is the high watermark at that moment.
func (t *tail) read(offset int64, maxBytes int) (records []Record, start, next int64, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if offset < t.from {
		return nil, t.start, t.next, false
	}
	i := t.find(offset)
	end, size := i, 0
	for ; end < len(t.records); end++ {
		if size += int(recordBytes(t.records[end])); size > maxBytes && end > i {
			break
		}
	}
	return slices.Clone(t.records[i:end]), t.start, t.next, true
}

// beyond says whether the high watermark is above offset, and otherwise what is closed when it moves.
func (t *tail) beyond(offset int64) (bool, <-chan struct{}) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.next > offset, t.appended
}
