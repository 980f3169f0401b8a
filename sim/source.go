package sim

import (
	crand "crypto/rand"
	"encoding/binary"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
)

// Source hands out sources of randomness, all made from one seed. What a name gets depends on the seed and the name alone, so that a
// component that asks for more or less does not change what the others see.
type Source struct{ seed uint64 }

// Rand is for one user; it is not safe for several.
func (s Source) Rand(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // a hash takes everything
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// UUIDs makes a generator of random UUIDs that many may call.
func (s Source) UUIDs(name string) func() [16]byte {
	r := s.Rand(name)
	var mu sync.Mutex
	return func() (id [16]byte) {
		mu.Lock()
		defer mu.Unlock()
		binary.BigEndian.PutUint64(id[:], r.Uint64())
		binary.BigEndian.PutUint64(id[8:], r.Uint64())
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		return id
	}
}

// Rands makes a generator of sources: each caller gets one of its own.
func (s Source) Rands(name string) func() *rand.Rand {
	r := s.Rand(name)
	var mu sync.Mutex
	return func() *rand.Rand {
		mu.Lock()
		defer mu.Unlock()
		return rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
	}
}

// Floats makes a generator of numbers in [0,1) that many may call.
func (s Source) Floats(name string) func() float64 {
	r := s.Rand(name)
	var mu sync.Mutex
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Float64()
	}
}

// lockedReader serves libraries that read crypto/rand (Raft's election timeouts, SCRAM's nonces).
type lockedReader struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// seedCryptoRand replaces crypto/rand.Reader for the time of one run. Runs of one process follow each other.
func (s Source) seedCryptoRand() (restore func()) {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], s.seed)
	old := crand.Reader
	crand.Reader = &lockedReader{r: rand.NewChaCha8(key)}
	return func() { crand.Reader = old }
}
