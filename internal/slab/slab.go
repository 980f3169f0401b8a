// Package slab hands out byte buffers with reference counts, so that a request's bytes can be uploaded, cached and
// served without a copy, and the memory goes back to a pool when the last holder lets go.
//
// # Contract
//   - Bytes: a buffer belongs to whoever holds a reference. After the last Release its bytes may be overwritten at once.
//   - Concurrency: all methods may be called by many.
//   - Failure: releasing twice panics; it would hand one buffer to two owners.
package slab

import (
	"sync/atomic"
)

// Pool makes buffers and takes them back. The zero Pool is ready to use.
type Pool struct {
	inUse atomic.Int64
}

// Buffer is a run of bytes with a reference count, 1 when Get returns it.
type Buffer struct {
	bytes []byte
	refs  atomic.Int32
	pool  *Pool
}

// Get returns a buffer of n bytes whose content is unspecified.
func (p *Pool) Get(n int) *Buffer {
	b := &Buffer{bytes: make([]byte, n), pool: p}
	b.refs.Store(1)
	p.inUse.Add(int64(cap(b.bytes)))
	return b
}

// InUse is the number of bytes in buffers that somebody holds.
func (p *Pool) InUse() int64 { return p.inUse.Load() }

// Bytes is the buffer's memory. It is valid while the caller holds a reference.
func (b *Buffer) Bytes() []byte { return b.bytes }

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
		b.pool.inUse.Add(-int64(cap(b.bytes)))
	case n < 0:
		panic("slab: a buffer was released twice")
	}
}
