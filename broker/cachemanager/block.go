package cachemanager

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// block is one run of an object's bytes in memory, or on its way there, or the segments that one upload brought.
type block struct {
	c          *cache
	object     kafka.ObjectID
	pool       poolName
	topic      kafka.TopicID // that is read for, though others may find what they need in it
	uploaded   bool
	start, end int64 // the range of the object; 0 for an upload
	bytes      int64 // what it counts in its pool's lists
	wanted     int64 // of these, what was asked for

	refs  atomic.Int32  // the index's and the readers'
	ready chan struct{} // closed when the bytes are there or err is set
	err   error

	// Guarded by cache.mu.
	list      *list.List // of its pool; nil once out of the index
	elem      *list.Element
	since     time.Time // when it was read ahead, or asked for last
	doneBytes int64
	checked   map[place]struct{} // segments that somebody checks ahead of their reader
	bad       map[place]struct{} // damaged segments: the next reader gets them anew

	bufs []*slab.Buffer // set before ready is closed
	data []byte

	mu       sync.Mutex // guards segments: each is checked once. Those of an upload never change.
	segments map[place]*segment
}

// place is where a segment lies in its object. Of a large one, pieces of several sizes may begin at the same position.
type place struct {
	position int64
	bytes    int32
}

func placeOf(c *rpc.Coordinate) place { return place{c.Position, c.Bytes} }

func newBlock(c *cache, object kafka.ObjectID, pool poolName, start, end int64) *block {
	first := objectstorage.WholeBlock(start)
	b := &block{c: c, object: object, pool: pool, start: first, end: end, bytes: end - first, wanted: end - start, ready: make(chan struct{}), checked: map[place]struct{}{}, segments: map[place]*segment{}}
	b.refs.Store(1)
	return b
}

var alwaysReady = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// covers is called under cache.mu.
func (b *block) covers(c *rpc.Coordinate) bool {
	if b.uploaded {
		s := b.segments[placeOf(c)]
		return s != nil && s.base == c.BaseOffset
	}
	if _, damaged := b.bad[placeOf(c)]; damaged {
		return false
	}
	return b.start <= c.Position && c.Position+int64(c.Bytes) <= b.end
}

// load reads the range. Nobody waits for it alone: a reader that leaves does not spoil it for the others.
func (b *block) load() {
	c, m := b.c, b.c.m
	select {
	case c.pools[b.pool].slots <- struct{}{}:
	case <-m.ctx.Done():
		b.fail(context.Cause(m.ctx))
		return
	}
	defer func() { <-c.pools[b.pool].slots }()
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.GetTimeout)
	defer cancel()
	buf := c.arena.Get(int(b.bytes))
	m.metrics.gets[b.pool].Inc()
	err := m.deps.Bucket.GetRange(b.pool.purpose(ctx), b.object.Key(m.cfg.Cluster), b.start, buf.Bytes())
	if err != nil {
		buf.Release()
		m.metrics.getFailures[b.pool].Inc()
		b.fail(err)
		return
	}
	m.metrics.getBytes[b.pool].Add(float64(b.bytes))
	m.read(b.topic, b.bytes)
	b.data = buf.Bytes()
	c.mu.Lock()
	b.bufs = []*slab.Buffer{buf} // under mu, for it may be evicted as soon as it is ready
	c.mu.Unlock()
	close(b.ready)
	c.release(b) // the flight's reference
}

// read puts what came from the store to a topic's account.
func (m *Manager) read(topic kafka.TopicID, bytes int64) {
	if m.deps.Read != nil {
		m.deps.Read(topic, bytes)
	}
}

// fail takes the block out of the index, so that the next reader tries again, and tells those who wait.
func (b *block) fail(err error) {
	b.err = err
	b.c.mu.Lock()
	if b.list != nil {
		b.c.remove(b)
		b.refs.Add(-1) // the index's; the flight's is still there
	}
	b.c.mu.Unlock()
	close(b.ready)
	b.c.release(b)
}

// segment returns c's batches from a ready block. A damaged segment is an error of its own and leaves the rest of the block as it is.
func (b *block) segment(c *rpc.Coordinate) (*segment, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.uploaded {
		return b.segments[placeOf(c)], nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.segments[placeOf(c)]
	var err error
	switch {
	case s == nil:
		at := c.Position - b.start
		if s, err = readSegment(c, b.data[at:at+int64(c.Bytes):at+int64(c.Bytes)]); err == nil {
			b.segments[placeOf(c)] = s
		}
	case s.base != c.BaseOffset:
		err = fmt.Errorf("%w: two coordinates, of offsets %d and %d", kerr.CorruptMessage, s.base, c.BaseOffset)
	}
	if err != nil {
		b.c.mu.Lock()
		if b.bad == nil {
			b.bad = map[place]struct{}{}
		}
		b.bad[placeOf(c)] = struct{}{}
		b.c.mu.Unlock()
		return nil, err
	}
	return s, nil
}
