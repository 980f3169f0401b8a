package cachemanager

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/rpc"
)

// scanBytes is what is read at a time of a segment that has no index.
const scanBytes = 4 << 20

type segmentKey struct {
	object   kafka.ObjectID
	position int64
	bytes    int32
}

// segmentIndex is where the batches of a large coordinate begin, about one for each MiB, or on its way there. Nothing changes once ready is closed.
type segmentIndex struct {
	coordinate rpc.Coordinate
	topic      kafka.TopicID
	ready      chan struct{}
	err        error
	entries    objectformat.Index

	elem *list.Element // of indexes.list; nil while it is loaded; guarded by indexes.mu
}

// indexes keeps the indexes of large coordinates that are read, the least recently used ones go first.
type indexes struct {
	m    *Manager
	most int // entries

	mu    sync.Mutex // guards all below; the last lock under any
	byKey map[segmentKey]*segmentIndex
	list  list.List
	count int // entries of those in the list
}

func newIndexes(m *Manager, most int) *indexes {
	return &indexes{m: m, most: most, byKey: map[segmentKey]*segmentIndex{}}
}

// get returns c's index, which is loaded if nobody has done so. It does not block: whoever needs it waits for ready.
func (x *indexes) get(c *rpc.Coordinate, topic kafka.TopicID) *segmentIndex {
	key := segmentKey{c.Object, c.Position, c.Bytes}
	x.mu.Lock()
	s := x.byKey[key]
	if s != nil {
		if s.elem != nil {
			x.list.MoveToBack(s.elem)
		}
		x.mu.Unlock()
		return s
	}
	s = &segmentIndex{coordinate: *c, topic: topic, ready: make(chan struct{})}
	x.byKey[key] = s
	x.mu.Unlock()
	if !x.m.start(func() { x.load(key, s) }) {
		s.err = kafka.ErrClosed
		x.settle(key, s)
	}
	return s
}

func (x *indexes) load(key segmentKey, s *segmentIndex) {
	s.entries, s.err = x.m.readIndex(&s.coordinate, s.topic)
	x.settle(key, s)
}

// settle keeps a loaded index and lets a failed one be tried again.
func (x *indexes) settle(key segmentKey, s *segmentIndex) {
	x.mu.Lock()
	if s.err != nil {
		delete(x.byKey, key)
	} else {
		s.elem = x.list.PushBack(s)
		x.count += len(s.entries)
		for x.count > x.most && x.list.Len() > 1 {
			oldest := x.list.Remove(x.list.Front()).(*segmentIndex)
			x.count -= len(oldest.entries)
			delete(x.byKey, segmentKey{oldest.coordinate.Object, oldest.coordinate.Position, oldest.coordinate.Bytes})
		}
	}
	x.mu.Unlock()
	close(s.ready)
}

// readIndex reads c's index from its object. Without one, or with a damaged one, the headers of all batches are read.
func (m *Manager) readIndex(c *rpc.Coordinate, topic kafka.TopicID) (objectformat.Index, error) {
	slots := m.cache.pools[laggingPool].slots
	select {
	case slots <- struct{}{}:
	case <-m.ctx.Done():
		return nil, context.Cause(m.ctx)
	}
	defer func() { <-slots }()
	if c.IndexBytes > 0 {
		index, err := m.storedIndex(c, topic)
		if err == nil {
			return index, nil
		}
		if index == nil {
			return nil, err
		}
		m.log.Error("an index cannot be used, and its segment is read instead", "object", c.Object.Key(m.cfg.Cluster), "position", c.IndexPosition, "error", err)
	}
	m.metrics.scans.Inc()
	return m.scan(c, topic)
}

// storedIndex returns an index with an error when it is the index that is damaged, and not the object that cannot be read.
func (m *Manager) storedIndex(c *rpc.Coordinate, topic kafka.TopicID) (objectformat.Index, error) {
	buf := m.deps.Buffers.Get(int(c.IndexBytes))
	defer buf.Release()
	if err := m.getRange(c, topic, c.IndexPosition, buf.Bytes()); err != nil {
		return nil, err
	}
	index, err := objectformat.ParseIndex(buf.Bytes())
	if err == nil {
		last := index[len(index)-1]
		if index[0].BaseOffset < c.BaseOffset || last.BaseOffset > c.LastOffset || last.Position >= int64(c.Bytes) {
			err = fmt.Errorf("%w: an index of offsets %d to %d and %d bytes", kerr.CorruptMessage, index[0].BaseOffset, last.BaseOffset, last.Position)
		}
	}
	if err != nil {
		return objectformat.Index{}, err
	}
	return index, nil
}

func (m *Manager) getRange(c *rpc.Coordinate, topic kafka.TopicID, position int64, dst []byte) error {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.GetTimeout)
	defer cancel()
	m.metrics.gets[laggingPool].Inc()
	err := m.deps.Bucket.GetRange(laggingPool.purpose(ctx), c.Object.Key(m.cfg.Cluster), position, dst)
	if err != nil {
		m.metrics.getFailures[laggingPool].Inc()
		return err
	}
	m.metrics.getBytes[laggingPool].Add(float64(len(dst)))
	m.read(topic, int64(len(dst)))
	return nil
}

// scan makes an index from the batches' headers. Whether the batches are whole is seen when they are served.
func (m *Manager) scan(c *rpc.Coordinate, topic kafka.TopicID) (index objectformat.Index, err error) {
	size := int64(c.Bytes)
	buf := m.deps.Buffers.Get(int(min(size, scanBytes)))
	defer buf.Release()
	from, to := int64(0), int64(0) // what of the segment is in window
	var window []byte
	next := c.BaseOffset
	for at := int64(0); at < size; {
		if at+recordbatch.HeaderBytes > size {
			return nil, fmt.Errorf("%w: %d bytes at the end of a segment", kerr.CorruptMessage, size-at)
		}
		if at+recordbatch.HeaderBytes > to {
			from, to = at, min(size, at+scanBytes)
			window = buf.Bytes()[:to-from]
			if err := m.getRange(c, topic, c.Position+from, window); err != nil {
				return nil, err
			}
		}
		b := recordbatch.Batch(window[at-from:])
		bytes := int64(b.Size())
		if b.Magic() != 2 || b.LastOffsetDelta() < 0 || bytes < recordbatch.HeaderBytes || at+bytes > size {
			return nil, fmt.Errorf("%w: no batch at byte %d of a segment", kerr.CorruptMessage, at)
		}
		base, timestamp := next, b.MaxTimestamp()
		if c.Stamped {
			base = b.BaseOffset()
		}
		if c.AppendTimestamp >= 0 {
			timestamp = c.AppendTimestamp
		}
		if base < next || base+int64(b.LastOffsetDelta()) > c.LastOffset {
			return nil, fmt.Errorf("%w: the batch at byte %d of a segment has offset %d", kerr.CorruptMessage, at, base)
		}
		next = base + int64(b.LastOffsetDelta()) + 1
		if n := len(index); n == 0 || at-index[n-1].Position >= m.cfg.MinPieceBytes {
			index = append(index, objectformat.IndexEntry{Position: at, BaseOffset: base, MaxTimestamp: timestamp})
		} else {
			index[n-1].MaxTimestamp = max(index[n-1].MaxTimestamp, timestamp)
		}
		at += bytes
	}
	return index, nil
}
