package cachemanager

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

type poolName int8

const (
	tailPool poolName = iota
	laggingPool
	poolCount
)

var poolNames = [poolCount]string{"tail", "lagging"}

// cache is the bytes. A block stays while it is in the index or a reader holds it, and counts as used for so long.
type cache struct {
	m     *Manager
	spans spans

	waiting atomic.Int32           // fetches that wait for room
	over    [poolCount]atomic.Bool // a pool is above its limit, for readers hold what it would give up

	mu      sync.Mutex // guards all below
	closed  bool
	objects map[kafka.ObjectID][]*block
	frames  map[*slab.Buffer]int32 // how many blocks hold an uploaded frame
	pools   [poolCount]pool
}

// pool is one budget. Each block in the index is in one of its lists, and they are evicted in this order: what was read to its end, what a reader has
// begun to read, the least recently read first, and what was read ahead and nobody has asked for, the oldest first. Read-ahead never takes the place of
// other read-ahead, unless nobody came for that in staleAhead.
type pool struct {
	limit     int64
	used      int64 // bytes of blocks, also of those that only readers hold
	aheadUsed int64 // of the blocks in ahead
	consumed  list.List
	touched   list.List
	ahead     list.List
	room      chan struct{} // closed when there may be room; nil while nobody waits
	slots     chan struct{} // GETs at a time
}

const staleAhead = 10 * time.Second

func newCache(m *Manager) *cache {
	c := &cache{m: m, objects: map[kafka.ObjectID][]*block{}, frames: map[*slab.Buffer]int32{}, spans: spans{objects: map[kafka.ObjectID]span{}}}
	c.pools[tailPool].limit, c.pools[laggingPool].limit = m.cfg.TailBytes, m.cfg.LaggingBytes
	c.pools[tailPool].slots = make(chan struct{}, m.cfg.TailConcurrency)
	c.pools[laggingPool].slots = make(chan struct{}, m.cfg.LaggingConcurrency)
	return c
}

func (c *cache) usedBytes(p poolName) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pools[p].used
}

// urgency is how much a caller may take from others.
type urgency int8

const (
	ahead  urgency = iota // read-ahead
	demand                // a reader waits
)

// get returns a block that has or will have c's bytes, for the caller to release. nil: there is no room for it now.
func (c *cache) get(coord *rpc.Coordinate, name poolName, u urgency) *block {
	c.mu.Lock()
	b := c.find(coord)
	if b != nil {
		b.refs.Add(1)
		if u == demand {
			c.touch(b)
		}
		c.mu.Unlock()
		if u == demand {
			c.m.metrics.hits[name].Inc()
		}
		return b
	}
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	start, end := c.clip(coord)
	p := &c.pools[name]
	var garbage []*slab.Buffer
	if !c.makeRoom(name, end-start, u, &garbage) {
		// Read-ahead of pieces for want of room would break up the objects that are read next.
		pieces := u == demand || end-start > p.limit/2
		start, end = coord.Position, coord.Position+int64(coord.Bytes)
		if !pieces || !c.makeRoom(name, end-start, u, &garbage) {
			c.mu.Unlock()
			releaseAll(garbage)
			return nil
		}
	}
	b = newBlock(c, coord.Object, name, start, end)
	b.refs.Add(2) // the caller's and the flight's
	p.used += b.bytes
	c.insert(b, u)
	c.mu.Unlock()
	releaseAll(garbage)
	if u == demand {
		c.m.metrics.misses[name].Inc()
	}
	if !c.m.start(b.load) {
		b.fail(kafka.ErrClosed)
	}
	return b
}

func (c *cache) find(coord *rpc.Coordinate) *block {
	for _, b := range c.objects[coord.Object] {
		if b.covers(coord) {
			return b
		}
	}
	return nil
}

// clip is the range to GET for coord: what other partitions of interest need of the object, too, but nothing that is there already.
func (c *cache) clip(coord *rpc.Coordinate) (start, end int64) {
	start, end = c.spans.around(coord, c.m.cfg.MaxSpanBytes)
	own := coord.Position + int64(coord.Bytes)
	for _, b := range c.objects[coord.Object] {
		switch {
		case b.uploaded:
		case b.end <= coord.Position:
			start = max(start, b.end)
		case b.start >= own:
			end = min(end, b.start)
		}
	}
	return start, end
}

// insert makes b findable; the index's reference is the one that the block was made with. Called under mu.
func (c *cache) insert(b *block, u urgency) {
	c.objects[b.object] = append(c.objects[b.object], b)
	p := &c.pools[b.pool]
	if u == demand {
		b.moveTo(&p.touched)
		return
	}
	b.since = c.m.cfg.Clock.Now()
	b.moveTo(&p.ahead)
	p.aheadUsed += b.bytes
}

// moveTo puts b last in a list, nil for none.
func (b *block) moveTo(l *list.List) {
	if b.list != nil {
		b.list.Remove(b.elem)
	}
	if b.list, b.elem = l, nil; l != nil {
		b.elem = l.PushBack(b)
	}
}

// touch notes that a reader has asked for b. Called under mu.
func (c *cache) touch(b *block) {
	p := &c.pools[b.pool]
	if b.list == &p.ahead {
		p.aheadUsed -= b.bytes
	}
	if b.list != &p.consumed {
		b.moveTo(&p.touched)
	}
}

// remove is the opposite of insert; the caller owns the index's reference then. Called under mu.
func (c *cache) remove(b *block) {
	blocks := c.objects[b.object]
	for i := range blocks {
		if blocks[i] == b {
			blocks[i] = blocks[len(blocks)-1]
			blocks[len(blocks)-1] = nil
			blocks = blocks[:len(blocks)-1]
			break
		}
	}
	if len(blocks) == 0 {
		delete(c.objects, b.object)
	} else {
		c.objects[b.object] = blocks
	}
	if p := &c.pools[b.pool]; b.list == &p.ahead {
		p.aheadUsed -= b.bytes
	}
	b.moveTo(nil)
}

// makeRoom evicts until n more bytes fit. A block larger than the pool may have it alone. Called under mu.
func (c *cache) makeRoom(name poolName, n int64, u urgency, garbage *[]*slab.Buffer) bool {
	p := &c.pools[name]
	if u == ahead && p.aheadUsed+n > p.limit/2 {
		c.dropStaleAhead(p, garbage)
		if p.aheadUsed+n > p.limit/2 {
			return false
		}
	}
	if n > p.limit && (u == ahead || p.used > 0 && !c.evict(name, p.limit, u, garbage)) {
		return false
	}
	return n > p.limit || c.evict(name, n, u, garbage)
}

// dropStaleAhead gives up what was read for a reader that has gone elsewhere. Called under mu.
func (c *cache) dropStaleAhead(p *pool, garbage *[]*slab.Buffer) {
	before := c.m.cfg.Clock.Now().Add(-staleAhead)
	for e := p.ahead.Front(); e != nil && e.Value.(*block).since.Before(before); {
		b := e.Value.(*block)
		e = e.Next()
		c.evictBlock(b, garbage)
	}
}

// evictBlock gives b up unless somebody uses it now, which would free nothing. Called under mu.
func (c *cache) evictBlock(b *block, garbage *[]*slab.Buffer) {
	if b.refs.Load() > 1 {
		return
	}
	c.remove(b)
	b.refs.Add(-1)
	c.free(b, garbage)
	c.m.metrics.evictions[b.pool].Inc()
}

// evict makes n bytes free, which may be all. Called under mu.
func (c *cache) evict(name poolName, n int64, u urgency, garbage *[]*slab.Buffer) bool {
	p := &c.pools[name]
	lists := [...]*list.List{&p.consumed, &p.touched, &p.ahead}
	for _, l := range lists[:2+u] {
		for e := l.Front(); e != nil && p.used+n > p.limit; {
			b := e.Value.(*block)
			e = e.Next()
			c.evictBlock(b, garbage)
		}
	}
	c.over[name].Store(p.used > p.limit)
	return p.used+n <= p.limit
}

// free takes back the memory of a block that nobody holds. Called under mu; what is in garbage is released after it.
func (c *cache) free(b *block, garbage *[]*slab.Buffer) {
	p := &c.pools[b.pool]
	if b.uploaded {
		for _, f := range b.bufs {
			if c.frames[f]--; c.frames[f] == 0 {
				delete(c.frames, f)
				p.used -= int64(len(f.Bytes()))
			}
		}
	} else {
		p.used -= b.bytes
	}
	*garbage = append(*garbage, b.bufs...)
	b.bufs = nil
	c.signal(p)
}

func (c *cache) signal(p *pool) {
	if p.room != nil {
		close(p.room)
		p.room = nil
	}
}

// roomFor is closed when it is worth asking the pool again.
func (c *cache) roomFor(name poolName) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.pools[name]
	if p.room == nil {
		p.room = make(chan struct{})
	}
	return p.room
}

// release gives back a reader's reference.
func (c *cache) release(b *block) {
	n := b.refs.Add(-1)
	if n > 1 || n == 1 && c.waiting.Load() == 0 && !c.over[b.pool].Load() {
		return
	}
	var garbage []*slab.Buffer
	c.mu.Lock()
	if n == 0 {
		c.free(b, &garbage)
	}
	if c.over[b.pool].Load() {
		c.evict(b.pool, 0, demand, &garbage)
	}
	c.signal(&c.pools[b.pool])
	c.mu.Unlock()
	releaseAll(garbage)
}

// consumed notes that a reader has read all of s. A block that was read nearly whole is the first to go.
func (c *cache) consumed(b *block, s *segment, c0 *rpc.Coordinate) {
	if b.uploaded || b.pool == tailPool {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.done {
		return
	}
	s.done = true
	b.doneBytes += int64(c0.Bytes)
	if b.list != nil && b.doneBytes*10 >= b.bytes*9 {
		if p := &c.pools[b.pool]; b.list != &p.consumed {
			c.touch(b)
			b.moveTo(&p.consumed)
		}
	}
}

// clear gives up everything, for good.
func (c *cache) clear() {
	var garbage []*slab.Buffer
	c.mu.Lock()
	c.closed = true
	for _, blocks := range c.objects {
		for _, b := range append([]*block(nil), blocks...) {
			c.remove(b)
			if b.refs.Add(-1) == 0 {
				c.free(b, &garbage)
			}
		}
	}
	c.mu.Unlock()
	releaseAll(garbage)
}

func releaseAll(bufs []*slab.Buffer) {
	for _, b := range bufs {
		b.Release()
	}
}
