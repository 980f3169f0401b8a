package slab

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func newTestArena(t testing.TB, p *Pool, size int64) *Arena {
	was := SetPoison(false)
	defer SetPoison(was)
	a := p.NewArena(size)
	return a
}

// Whatever is asked and given back in whatever order: no two buffers overlap, all is counted, and the whole is free in one piece at the end.
func TestArenaBuffersNeverOverlap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var p Pool
		a := newTestArena(t, &p, 4<<20)
		var held []*Buffer
		var marks []byte
		release := func(i int) {
			b := held[i].Bytes()
			if b[0] != marks[i] || b[len(b)-1] != marks[i] {
				rt.Fatal("a buffer was written to by another's owner")
			}
			held[i].Release()
			held, marks = append(held[:i], held[i+1:]...), append(marks[:i], marks[i+1:]...)
		}
		for step := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch op := rapid.IntRange(0, 9).Draw(rt, "op"); {
			case op < 6:
				b := a.Get(rapid.IntRange(mapBytes, 2<<20).Draw(rt, "n"))
				mark := byte(step + 1)
				b.Bytes()[0], b.Bytes()[len(b.Bytes())-1] = mark, mark
				held, marks = append(held, b), append(marks, mark)
			case op < 9 && len(held) > 0:
				release(rapid.IntRange(0, len(held)-1).Draw(rt, "which"))
			default:
				p.Trim()
			}
		}
		for len(held) > 0 {
			release(0)
		}
		if p.InUse() != 0 || a.used != 0 {
			rt.Fatalf("%d and %d bytes are in use after the last release", p.InUse(), a.used)
		}
		if len(a.free) != 1 || a.free[0].n != 4<<20 {
			rt.Fatalf("the arena is in pieces: %v", a.free)
		}
		a.Close()
	})
}

func TestArenaThatIsClosedWaitsForItsBuffers(t *testing.T) {
	var p Pool
	a := newTestArena(t, &p, 1<<20)
	b := a.Get(512 << 10)
	a.Close()
	b.Bytes()[0] = 1
	if a.mem == nil {
		t.Fatal("the memory of a buffer in use is gone")
	}
	b.Release()
	if a.mem != nil || p.InUse() != 0 {
		t.Fatal("the memory is still there after the last release")
	}
	late := a.Get(512 << 10)
	if late.arena != nil {
		t.Fatal("a closed arena gave out memory")
	}
	late.Release()
}

func TestArenaIsForMany(t *testing.T) {
	var p Pool
	a := newTestArena(t, &p, 8<<20)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for range 200 {
				b := a.Get(mapBytes * (i + 1))
				b.Bytes()[0]++
				b.Release()
			}
			p.Trim()
		})
	}
	group.Wait()
	a.Close()
	if p.InUse() != 0 {
		t.Fatalf("%d bytes are in use", p.InUse())
	}
}
