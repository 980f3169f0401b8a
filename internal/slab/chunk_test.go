package slab

import (
	"testing"

	"pgregory.net/rapid"
)

// Pieces of chunks are each their holder's alone, and a chunk whose pieces are all back is given back.
func TestPiecesOfChunks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Pool{MaxFree: int64(rapid.SampledFrom([]int{-1, 100_000}).Draw(rt, "max free"))}
		type held struct {
			b    *Buffer
			mark byte
		}
		var all []held
		chunks := func() (n int) {
			for i := range p.lists {
				n += len(p.lists[i].chunks)
			}
			return n
		}
		rt.Repeat(map[string]func(*rapid.T){
			"get": func(rt *rapid.T) {
				h := held{p.Get(rapid.IntRange(1, mapBytes-1).Draw(rt, "n")), byte(len(all))}
				for i := range h.b.Bytes() {
					h.b.Bytes()[i] = h.mark
				}
				all = append(all, h)
			},
			"release": func(rt *rapid.T) {
				if len(all) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(all)-1).Draw(rt, "which")
				all[i].b.Release()
				all = append(all[:i], all[i+1:]...)
			},
			"": func(rt *rapid.T) {
				for _, h := range all {
					if b := h.b.Bytes(); b[0] != h.mark || b[len(b)-1] != h.mark {
						rt.Fatalf("a buffer of %d bytes was written by another", len(b))
					}
				}
			},
		})
		for _, h := range all {
			h.b.Release()
		}
		p.Trim()
		p.Trim()
		if n := chunks(); n != 0 || p.Free() != 0 {
			rt.Fatalf("%d chunks and %d bytes are kept though nobody holds a piece", n, p.Free())
		}
	})
}
