package cachemanager

import (
	"sync"
	"sync/atomic"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// cache is the bytes. A block stays while it is in the index or a reader holds it, and counts as used for so long.
type cache struct {
	m     *Manager
	spans spans
	arena *slab.Arena // of what is read; the frames of uploads are the listener's

	waiting atomic.Int32           // fetches that wait for room
	over    [poolCount]atomic.Bool // a pool is above its limit, for readers hold what it would give up

	mu      sync.Mutex // guards all below
	closed  bool
	objects map[kafka.ObjectID][]*block
	frames  map[*slab.Buffer]int32 // how many blocks hold an uploaded frame
	pools   [poolCount]pool
}

func newCache(m *Manager) *cache {
	c := &cache{m: m, objects: map[kafka.ObjectID][]*block{}, frames: map[*slab.Buffer]int32{}, spans: spans{objects: map[kafka.ObjectID]span{}}}
	c.arena = m.deps.Buffers.NewArena(m.cfg.CacheBytes)
	c.pools[tailPool].limit, c.pools[laggingPool].limit = m.cfg.TailBytes, m.cfg.LaggingBytes
	c.pools[tailPool].slots = make(chan struct{}, m.cfg.TailConcurrency)
	c.pools[laggingPool].slots = make(chan struct{}, m.cfg.LaggingConcurrency)
	return c
}

// urgency is how much a caller may take from others.
type urgency int8

const (
	ahead  urgency = iota // read-ahead
	more                  // a reader who has something to answer with would like more
	demand                // a reader waits
)

// get returns a block that has or will have c's bytes, for the caller to release. nil: there is no room for it now. A GET is put to the topic's account.
func (c *cache) get(coord *rpc.Coordinate, topic kafka.TopicID, name poolName, u urgency) *block {
	c.mu.Lock()
	b := c.find(coord)
	if b != nil {
		b.refs.Add(1)
		if u != ahead {
			c.touch(b)
		}
		c.mu.Unlock()
		if u != ahead {
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
	if !c.makeRoom(name, end-objectstorage.WholeBlock(start), u, &garbage) {
		// Read-ahead of pieces for want of room would break up the objects that are read next.
		pieces := u != ahead || end-start > p.limit/2
		start, end = coord.Position, coord.Position+int64(coord.Bytes)
		if !pieces || !c.makeRoom(name, end-objectstorage.WholeBlock(start), u, &garbage) {
			c.mu.Unlock()
			releaseAll(garbage)
			return nil
		}
	}
	b = newBlock(c, coord.Object, name, start, end)
	b.topic = topic
	b.refs.Add(2) // the caller's and the flight's
	p.used += b.bytes
	c.insert(b, u)
	c.mu.Unlock()
	releaseAll(garbage)
	if u != ahead {
		c.m.metrics.misses[name].Inc()
	}
	if !c.m.start(b.load) {
		b.fail(kafka.ErrClosed)
	}
	return b
}

// has says whether c's bytes are in memory or on their way.
func (c *cache) has(coord *rpc.Coordinate) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(coord) != nil
}

// claimCheck says whether the caller is the first who wants to check a segment ahead of its reader.
func (c *cache) claimCheck(b *block, coord *rpc.Coordinate) bool {
	if b.uploaded {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, claimed := b.checked[placeOf(coord)]; claimed {
		return false
	}
	b.checked[placeOf(coord)] = struct{}{}
	return true
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
	b.since = c.m.cfg.Clock.Now()
	if u != ahead {
		b.moveTo(&p.touched)
		return
	}
	b.moveTo(&p.ahead)
	p.aheadUsed += b.bytes
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
	c.arena.Close()
}

func releaseAll(bufs []*slab.Buffer) {
	for _, b := range bufs {
		b.Release()
	}
}
