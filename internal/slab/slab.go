package slab

import (
	"sync"
	"sync/atomic"
)

// Pool makes buffers and takes them back. The zero Pool is ready to use.
type Pool struct {
	// MaxFree bounds the bytes of buffers that nobody holds and that are kept for reuse. 0 means DefaultMaxFree, less than 0 keeps none.
	// It must not be changed once the pool is in use.
	MaxFree int64

	inUse atomic.Int64
	free  atomic.Int64 // bytes in all free lists
	hand  atomic.Uint32
	lists [classCount]freeList

	mu     sync.Mutex // guards arenas
	arenas []*Arena
}

// DefaultMaxFree keeps enough for a few objects and their requests at full load and is small beside a server's memory.
const DefaultMaxFree = 64 << 20

// Buffer is a run of bytes with a reference count, 1 when Get returns it. Each Get makes a new Buffer, also when the memory is reused: a stale
// holder's second Release then hits its own dead Buffer and panics, and never the next owner's.
type Buffer struct {
	bytes []byte
	refs  atomic.Int32
	class int8
	chunk *chunk // that it is a piece of; nil for none
	pool  *Pool
	arena *Arena // nil for memory of the pool's own
	at    int    // its place in the chunk or the arena
	owner Owner
	told  atomic.Bool // the owner knows
}

// Owner is told when a buffer's last reference is gone and its memory was given back, on the goroutine of the last Release.
type Owner interface {
	// BufferReleased gets the size that was asked of GetFor.
	BufferReleased(n int)
}

// Ref is a view of a part of a buffer. Whoever gets one holds a reference to Buf, which keeps B valid.
type Ref struct {
	Buf *Buffer
	B   []byte
}

// Retain adds a reference to the view's buffer and returns the view.
func (r Ref) Retain() Ref {
	if r.Buf != nil {
		r.Buf.Retain()
	}
	return r
}

// Release gives the view's reference back. A view without a buffer (of bytes that nobody counts) is left to the collector.
func (r Ref) Release() {
	if r.Buf != nil {
		r.Buf.Release()
	}
}

// Get returns a buffer of n bytes whose content is unspecified.
func (p *Pool) Get(n int) *Buffer { return p.GetFor(n, nil) }

// GetFor is Get for an owner who must know when the last reference is gone: byte credits are given back there.
func (p *Pool) GetFor(n int, owner Owner) *Buffer {
	b := &Buffer{pool: p, owner: owner, class: int8(classOf(n))}
	if b.class < 0 {
		b.bytes = make([]byte, n)
	} else {
		m := p.take(int(b.class))
		b.bytes, b.chunk, b.at = m.b[:n], m.chunk, int(m.at)
	}
	b.refs.Store(1)
	p.inUse.Add(int64(cap(b.bytes)))
	return b
}

// take returns memory of a class, used or new.
func (p *Pool) take(class int) freeMemory {
	l := &p.lists[class]
	if m := l.pop(p); m.b != nil {
		return m
	}
	if size := classBytes(class); size < mapBytes {
		return l.newPiece(size)
	}
	return freeMemory{b: newMemory(classBytes(class))}
}

// InUse is the number of bytes in buffers that somebody holds.
func (p *Pool) InUse() int64 { return p.inUse.Load() }

// Free is the number of bytes kept for reuse.
func (p *Pool) Free() int64 { return p.free.Load() }

// Bytes is the buffer's memory. It is valid while the caller holds a reference.
func (b *Buffer) Bytes() []byte { return b.bytes[:len(b.bytes):len(b.bytes)] }

// Ref is a view of all of the buffer; it takes over the caller's reference.
func (b *Buffer) Ref() Ref { return Ref{Buf: b, B: b.Bytes()} }

// Retain adds a reference and returns b.
func (b *Buffer) Retain() *Buffer {
	if b.refs.Add(1) <= 1 {
		panic("slab: a buffer was retained after its last release")
	}
	return b
}

// Release gives one reference back.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.recycle()
	case n < 0:
		panic("slab: a buffer was released twice")
	}
}

func (b *Buffer) recycle() {
	p, mem, n := b.pool, b.bytes[:cap(b.bytes)], len(b.bytes)
	if a := b.arena; a != nil {
		b.bytes = nil
		a.put(b.at, cap(mem))
		b.tellOwner(n)
		return
	}
	p.inUse.Add(-int64(cap(mem)))
	b.bytes = nil // a late reader gets an empty slice, not another owner's bytes
	if b.class >= 0 {
		p.put(int(b.class), freeMemory{b: mem, chunk: b.chunk, at: int32(b.at)})
	} else if poison.Load() {
		fillPoison(mem)
	}
	b.tellOwner(n)
}

// Disown tells the owner now that the buffer is gone, though it lives on: a cache with a budget of its own takes over a frame, and the byte credits
// of the connection that it came from are free again. The caller holds a reference.
func (b *Buffer) Disown() { b.tellOwner(len(b.bytes)) }

func (b *Buffer) tellOwner(n int) {
	if b.owner != nil && b.told.CompareAndSwap(false, true) {
		b.owner.BufferReleased(n)
	}
}
