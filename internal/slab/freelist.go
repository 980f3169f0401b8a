package slab

import "sync"

// freeList keeps one class's buffers that nobody holds, the last one freed first: its pages are the likeliest to be in the CPU's cache.
type freeList struct {
	mu  sync.Mutex // guards all below; held for a few instructions, never together with another list's
	mem []freeMemory
	low int // the least length since the last Trim: so many buffers nobody needed

	chunks []*chunk // those with idle pieces; only small classes have them
}

type freeMemory struct {
	b        []byte
	poisoned bool
	chunk    *chunk // that b is a piece of; nil for none
	at       int32  // its place there
}

// pop returns no memory when the list is empty.
func (l *freeList) pop(p *Pool) freeMemory {
	l.mu.Lock()
	n := len(l.mem) - 1
	if n < 0 {
		l.mu.Unlock()
		return freeMemory{}
	}
	m := l.mem[n]
	l.mem[n] = freeMemory{}
	l.mem = l.mem[:n]
	l.low = min(l.low, n)
	l.mu.Unlock()
	p.free.Add(-int64(len(m.b)))
	if m.poisoned {
		checkPoison(m.b)
	}
	return m
}

func (l *freeList) push(m freeMemory) {
	l.mu.Lock()
	l.mem = append(l.mem, m)
	l.mu.Unlock()
}

// takeOldest removes n buffers from the cold end.
func (l *freeList) takeOldest(n int) []freeMemory {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, len(l.mem))
	if n <= 0 {
		return nil
	}
	out := make([]freeMemory, n)
	copy(out, l.mem)
	rest := copy(l.mem, l.mem[n:])
	clear(l.mem[rest:])
	l.mem = l.mem[:rest]
	l.low = min(l.low, rest)
	return out
}

// put keeps mem for reuse if the bound allows it. To make room it drops buffers of other classes: after the load changed its sizes, the
// free lists would otherwise stay full of what nobody asks for, and each Get of a new size would be a system call.
func (p *Pool) put(class int, m freeMemory) {
	mem := m.b
	if m.poisoned = poison.Load(); m.poisoned {
		fillPoison(mem)
	}
	bound := p.MaxFree
	if bound == 0 {
		bound = DefaultMaxFree
	}
	if int64(len(mem)) > bound {
		p.lists[class].giveUp(m)
		return
	}
	p.free.Add(int64(len(mem)))
	p.lists[class].push(m)
	// Two rounds over the classes find room or an empty pool; others may add meanwhile, who then look for room themselves.
	for i := 0; p.free.Load() > bound && i < 2*classCount; i++ {
		victim := int(p.hand.Add(1) % classCount)
		if victim != class || i >= classCount {
			p.drop(&p.lists[victim], p.lists[victim].takeOldest(1))
		}
	}
}

// giveUp lets go of memory that is in no list.
func (l *freeList) giveUp(m freeMemory) {
	if m.chunk != nil {
		l.dropPiece(m)
		return
	}
	freeMapped(m.b)
}

func (p *Pool) drop(l *freeList, ms []freeMemory) {
	for _, m := range ms {
		p.free.Add(-int64(len(m.b)))
		if m.poisoned {
			checkPoison(m.b)
		}
		l.giveUp(m)
	}
}

// Trim gives the memory back that was free all the time since the last Trim. Called now and then, it lets an idle server shrink and costs a
// busy one nothing.
func (p *Pool) Trim() {
	for i := range p.lists {
		l := &p.lists[i]
		l.mu.Lock()
		unused := l.low
		l.mu.Unlock()
		p.drop(l, l.takeOldest(unused))
		l.mu.Lock()
		l.low = len(l.mem)
		l.mu.Unlock()
	}
	p.mu.Lock()
	arenas := append([]*Arena(nil), p.arenas...)
	p.mu.Unlock()
	for _, a := range arenas {
		a.trim()
	}
}
