package cachemanager

import (
	"container/list"
	"context"
	"time"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

type poolName int8

const (
	tailPool poolName = iota
	laggingPool
	poolCount
)

var poolNames = [poolCount]string{"tail", "lagging"}

// purpose says in whose account a GET is.
func (p poolName) purpose(ctx context.Context) context.Context {
	if p == tailPool {
		return objectstorage.WithPurpose(ctx, "fetch tail")
	}
	return objectstorage.WithPurpose(ctx, "fetch history")
}

// pool is one budget. Each block in the index is in one of its lists. For a reader that waits they are evicted in this order: what was read to its end; what was
// read ahead and nobody has asked for, the last first, for it is needed last; what a reader has begun to read, the least recently read first. A block has the bytes
// of many partitions, whose readers come one after the other: what one has begun, the others need next. So read-ahead, and whoever has something to answer with, takes
// the place of what was read to its end only, and of what nobody came for in staleAfter.
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

const staleAfter = 10 * time.Second

func (c *cache) usedBytes(p poolName) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pools[p].used
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
		b.since = c.m.cfg.Clock.Now()
		b.moveTo(&p.touched)
	}
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
	if b.list != nil && b.doneBytes*10 >= b.wanted*9 {
		if p := &c.pools[b.pool]; b.list != &p.consumed {
			c.touch(b)
			b.moveTo(&p.consumed)
		}
	}
}

// makeRoom evicts until n more bytes fit. A block larger than the pool may have it alone. Called under mu.
func (c *cache) makeRoom(name poolName, n int64, u urgency, garbage *[]*slab.Buffer) bool {
	p := &c.pools[name]
	if u == ahead && p.aheadUsed+n > p.limit/2 {
		c.dropStale(&p.ahead, garbage)
		if p.aheadUsed+n > p.limit/2 {
			return false
		}
	}
	if n > p.limit && (u == ahead || p.used > 0 && !c.evict(name, p.limit, u, garbage)) {
		return false
	}
	return n > p.limit || c.evict(name, n, u, garbage)
}

// dropStale gives up the blocks of a list, oldest first, that nobody came for: their reader has gone elsewhere. Called under mu.
func (c *cache) dropStale(l *list.List, garbage *[]*slab.Buffer) {
	before := c.m.cfg.Clock.Now().Add(-staleAfter)
	for e := l.Front(); e != nil && e.Value.(*block).since.Before(before); {
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
	drop := func(l *list.List, first func(*list.List) *list.Element, next func(*list.Element) *list.Element) {
		for e := first(l); e != nil && p.used+n > p.limit; {
			b := e.Value.(*block)
			e = next(e)
			c.evictBlock(b, garbage)
		}
	}
	drop(&p.consumed, (*list.List).Front, (*list.Element).Next)
	switch {
	case p.used+n <= p.limit:
	case u == demand:
		drop(&p.ahead, (*list.List).Back, (*list.Element).Prev)
		drop(&p.touched, (*list.List).Front, (*list.Element).Next)
	default:
		c.dropStale(&p.touched, garbage)
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
