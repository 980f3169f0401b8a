package slab

// chunk is one run of memory outside the Go heap that is cut into buffers of one small class. A cache full of the frames of small requests would otherwise be live heap, beside
// which the collector lets as much garbage lie.
type chunk struct {
	mem    []byte
	pieces int
	idle   []int32 // places of the pieces that are neither held nor in the free list; guarded by freeList.mu
}

// chunkBytes is small enough that its pieces, which a cache lets go in about the order in which they came, are soon all idle.
const chunkBytes = 256 << 10

func newChunk(size int) *chunk {
	c := &chunk{mem: newMemory(chunkBytes), pieces: chunkBytes / size}
	for i := c.pieces - 1; i >= 0; i-- {
		c.idle = append(c.idle, int32(i*size))
	}
	return c
}

// newPiece takes memory of a small class from a chunk that has an idle piece, or from a new one.
func (l *freeList) newPiece(size int) freeMemory {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.chunks) == 0 {
		l.chunks = append(l.chunks, newChunk(size))
	}
	c := l.chunks[len(l.chunks)-1]
	at := int(c.idle[len(c.idle)-1])
	c.idle = c.idle[:len(c.idle)-1]
	if len(c.idle) == 0 {
		l.chunks[len(l.chunks)-1] = nil
		l.chunks = l.chunks[:len(l.chunks)-1]
	}
	return freeMemory{b: c.mem[at : at+size : at+size], chunk: c, at: int32(at)}
}

// dropPiece makes a piece idle, and gives the chunk back to the system when it was the last one that was not.
func (l *freeList) dropPiece(m freeMemory) {
	l.mu.Lock()
	c := m.chunk
	c.idle = append(c.idle, m.at)
	switch {
	case len(c.idle) == c.pieces:
		l.forget(c)
		defer freeMapped(c.mem)
	case len(c.idle) == 1:
		l.chunks = append(l.chunks, c)
	}
	l.mu.Unlock()
}

// forget takes a chunk out of those with idle pieces. Called with mu.
func (l *freeList) forget(c *chunk) {
	for i, other := range l.chunks {
		if other == c {
			l.chunks = append(l.chunks[:i], l.chunks[i+1:]...)
			return
		}
	}
}
