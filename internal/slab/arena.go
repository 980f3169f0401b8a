package slab

import (
	"sort"
	"sync"
)

// Arena gives out buffers of any size from one run of memory. A cache whose entries come and go in all sizes would otherwise map and unmap
// memory for each: a fresh page costs a fault and its clearing, more than reading into it from a disk does. Buffers lie as low as there is room, so
// what was never needed at a time takes no memory.
type Arena struct {
	pool *Pool

	mu     sync.Mutex // guards all below; held for a few instructions, and for no system call but the first mapping
	size   int
	mem    []byte   // mapped by the first Get
	free   []extent // in the order of their places, no two adjacent
	used   int      // bytes handed out
	closed bool
}

// extent is a free part of an arena.
type extent struct {
	at, n int
	dirty bool // somebody had it since its memory was last given back to the system
	idle  bool // free since the last Trim
}

// arenaUnit is the step of places and sizes: whole pages, and few enough of them.
const arenaUnit = 64 << 10

// NewArena makes an arena of about size bytes. What does not fit into it comes from the pool, which also counts what is in use.
func (p *Pool) NewArena(size int64) *Arena {
	a := &Arena{pool: p, size: int(max(size, 0)) &^ (arenaUnit - 1)}
	if poison.Load() { // poison is checked in the pool's own buffers, and the race detector sees Go's own memory only
		a.size = 0
	}
	if a.size > 0 {
		a.free = []extent{{n: a.size}}
	}
	p.mu.Lock()
	p.arenas = append(p.arenas, a)
	p.mu.Unlock()
	return a
}

// Get returns a buffer of n bytes whose content is unspecified; it begins on a page.
func (a *Arena) Get(n int) *Buffer {
	if n < mapBytes {
		return a.pool.Get(n)
	}
	need := (n + arenaUnit - 1) &^ (arenaUnit - 1)
	at := a.take(need)
	if at < 0 {
		return a.pool.Get(n)
	}
	b := &Buffer{pool: a.pool, arena: a, bytes: a.mem[at : at+n : at+need], at: at}
	b.refs.Store(1)
	a.pool.inUse.Add(int64(need))
	return b
}

// take returns the lowest place with room, -1 for none.
func (a *Arena) take(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return -1
	}
	for i := range a.free {
		e := &a.free[i]
		if e.n < n {
			continue
		}
		if a.mem == nil {
			a.mem = newHugeMemory(a.size)
		}
		at := e.at
		if e.at, e.n = e.at+n, e.n-n; e.n == 0 {
			a.free = append(a.free[:i], a.free[i+1:]...)
		}
		a.used += n
		return at
	}
	return -1
}

func (a *Arena) put(at, n int) {
	a.pool.inUse.Add(-int64(n))
	a.mu.Lock()
	a.used -= n
	a.insert(extent{at: at, n: n, dirty: true})
	mem := a.unmapped()
	a.mu.Unlock()
	freeMapped(mem)
}

// insert joins e with its neighbours. Called under mu.
func (a *Arena) insert(e extent) {
	i := sort.Search(len(a.free), func(i int) bool { return a.free[i].at > e.at })
	if i < len(a.free) && e.at+e.n == a.free[i].at {
		next := a.free[i]
		e.n, e.dirty, e.idle = e.n+next.n, e.dirty || next.dirty, e.idle && next.idle
		a.free = append(a.free[:i], a.free[i+1:]...)
	}
	if i > 0 && a.free[i-1].at+a.free[i-1].n == e.at {
		before := &a.free[i-1]
		before.n, before.dirty, before.idle = before.n+e.n, before.dirty || e.dirty, e.idle && before.idle
		return
	}
	a.free = append(a.free, extent{})
	copy(a.free[i+1:], a.free[i:])
	a.free[i] = e
}

// trim gives the memory back to the system that was free since the last call.
func (a *Arena) trim() {
	a.mu.Lock()
	var idle []extent
	kept := a.free[:0]
	for _, e := range a.free {
		if e.idle && e.dirty {
			idle = append(idle, e)
			a.used += e.n // nobody may get it meanwhile
			continue
		}
		e.idle = true
		kept = append(kept, e)
	}
	a.free = kept
	mem := a.mem
	a.mu.Unlock()
	for _, e := range idle {
		giveBack(mem[e.at : e.at+e.n])
	}
	a.mu.Lock()
	for _, e := range idle {
		a.used -= e.n
		a.insert(extent{at: e.at, n: e.n, idle: true})
	}
	unused := a.unmapped()
	a.mu.Unlock()
	freeMapped(unused)
}

// Close gives the arena's memory back, that of buffers which somebody holds after their last Release. Get then takes from the pool.
func (a *Arena) Close() {
	a.pool.mu.Lock()
	for i, other := range a.pool.arenas {
		if other == a {
			a.pool.arenas = append(a.pool.arenas[:i], a.pool.arenas[i+1:]...)
			break
		}
	}
	a.pool.mu.Unlock()
	a.mu.Lock()
	a.closed = true
	mem := a.unmapped()
	a.mu.Unlock()
	freeMapped(mem)
}

// unmapped returns the memory once nobody needs it any more. Called under mu.
func (a *Arena) unmapped() (mem []byte) {
	if a.closed && a.used == 0 {
		mem, a.mem, a.free = a.mem, nil, nil
	}
	return mem
}
