package cachemanager

import (
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// spans knows for each object which part of it the partitions of interest lie in. When several are read, one GET of the
// whole part is far cheaper than one each.
type spans struct {
	mu      sync.Mutex // guards objects
	objects map[kafka.ObjectID]span
}

// span is the part [low, high) of an object with count known coordinates of wanted bytes together.
type span struct {
	low, high, wanted int64
	count             int32
}

func (s *spans) add(c *rpc.Coordinate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.objects[c.Object]
	end := c.Position + int64(c.Bytes)
	if !ok {
		v = span{low: c.Position, high: end}
	}
	v.low, v.high = min(v.low, c.Position), max(v.high, end)
	v.wanted += int64(c.Bytes)
	v.count++
	s.objects[c.Object] = v
}

func (s *spans) remove(c *rpc.Coordinate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.objects[c.Object]
	if v.count--; v.count <= 0 {
		delete(s.objects, c.Object)
		return
	}
	v.wanted -= int64(c.Bytes)
	s.objects[c.Object] = v
}

// around is the range to GET for c: the span of its object if at least half of that is wanted and it is at most maxBytes, else its own.
func (s *spans) around(c *rpc.Coordinate, maxBytes int64) (start, end int64) {
	start, end = c.Position, c.Position+int64(c.Bytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.objects[c.Object]
	low, high := min(v.low, start), max(v.high, end)
	if v.count < 2 || high-low > maxBytes || v.wanted*2 < high-low {
		return start, end
	}
	return low, high
}
