package objectformat

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestCombineCRC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<17).Draw(t, "bytes")
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		want := crc32.Checksum(b, castagnoli)
		got := combineCRC(crc32.Checksum(b[:cut], castagnoli), crc32.Checksum(b[cut:], castagnoli), uint64(n-cut))
		if got != want {
			t.Fatalf("cut %d of %d: %08x, want %08x", cut, n, got, want)
		}
	})
}

func BenchmarkCombineCRC(b *testing.B) {
	for i := 0; i < b.N; i++ {
		combineCRC(uint32(i), 0x12345678, 131071-21)
	}
}
