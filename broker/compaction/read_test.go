package compaction

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// Whatever the coordinates: each byte of them is read once, in their order, by a request that has it and begins with a block of the disk, and no window needs more than its
// share of memory.
func TestPlanReadsEveryByteOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var coordinates []rpc.Coordinate
		ends := map[int64]int64{} // of each object, by its sequence
		for range rapid.IntRange(1, 30).Draw(t, "coordinates") {
			object := kafka.ObjectID{Epoch: 1, Sequence: rapid.Int64Range(1, 4).Draw(t, "object")}
			position := ends[object.Sequence] + rapid.SampledFrom([]int64{0, 0, 1, 100, 4096, maxGapBytes, 1 << 20}).Draw(t, "gap")
			bytes := rapid.SampledFrom([]int32{1, 61, 4096, 300_000, 5 << 20, 20 << 20}).Draw(t, "bytes")
			ends[object.Sequence] = position + int64(bytes)
			coordinates = append(coordinates, rpc.Coordinate{Object: object, Position: position, Bytes: bytes})
		}
		memory := rapid.SampledFrom([]int64{1 << 20, 16 << 20, 64 << 20, 1 << 30}).Draw(t, "memory")
		at, read := 0, int64(0) // of the coordinate that is read
		for _, w := range plan(coordinates, memory) {
			held := int64(0)
			for _, g := range w.gets {
				if held += g.bytes; g.position != objectstorage.WholeBlock(g.position) {
					t.Fatalf("a request begins at %d", g.position)
				}
			}
			if held > memory+int64(len(w.gets))*objectstorage.DiskBlock+memory/4 {
				t.Fatalf("a window of %d bytes, the memory is %d", held, memory)
			}
			for _, p := range w.pieces {
				if read == int64(coordinates[at].Bytes) {
					at, read = at+1, 0
				}
				c := &coordinates[at]
				if p.coordinate != at || p.object != c.Object || p.position != c.Position+read {
					t.Fatalf("coordinate %d at %d where %d at %d is next", p.coordinate, p.position, at, c.Position+read)
				}
				if g := p.get; g.object != p.object || p.position < g.position || p.position+p.bytes > g.position+g.bytes {
					t.Fatalf("%d bytes at %d by a request of %d at %d", p.bytes, p.position, g.bytes, g.position)
				}
				read += p.bytes
			}
		}
		if at != len(coordinates)-1 || read != int64(coordinates[at].Bytes) {
			t.Fatalf("the plan ends with %d bytes of coordinate %d", read, at)
		}
	})
}
