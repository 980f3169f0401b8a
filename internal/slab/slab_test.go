package slab

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestClassesHoldWhatIsAskedAndWasteAtMostAQuarter(t *testing.T) {
	for class := range classCount {
		size := classBytes(class)
		if got := classOf(size); got != class {
			t.Fatalf("classOf(%d) = %d, want %d", size, got, class)
		}
		if class+1 < classCount && classOf(size+1) != class+1 {
			t.Fatalf("classOf(%d) = %d, want %d", size+1, classOf(size+1), class+1)
		}
		if size >= mapBytes && size%4096 != 0 {
			t.Fatalf("class of %d bytes is not whole pages", size)
		}
	}
	if got := classBytes(classCount - 1); got != maxClassBytes {
		t.Fatalf("largest class %d, want %d", got, maxClassBytes)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, maxClassBytes).Draw(t, "n")
		size := classBytes(classOf(n))
		if size < n || n > minClassBytes && size > n+n/4+1 {
			t.Fatalf("%d bytes got a class of %d", n, size)
		}
	})
	if classOf(maxClassBytes+1) != -1 {
		t.Fatal("a size above the largest class has none")
	}
}

func TestMemoryIsReusedAndCounted(t *testing.T) {
	var p Pool
	for _, n := range []int{0, 1, 512, 100_000, 8 << 20} {
		b := p.Get(n)
		if len(b.Bytes()) != n {
			t.Fatalf("Get(%d) has %d bytes", n, len(b.Bytes()))
		}
		if p.InUse() < int64(n) {
			t.Fatalf("InUse %d, want %d at least", p.InUse(), n)
		}
		b.Release()
		if p.InUse() != 0 {
			t.Fatalf("InUse %d after the release", p.InUse())
		}
	}
	free := p.Free()
	b := p.Get(100_000)
	if p.Free() >= free {
		t.Fatal("a free buffer of the right class was not used")
	}
	b.Release()
}

func TestFreeMemoryIsBoundedAndGivenBack(t *testing.T) {
	p := Pool{MaxFree: 1 << 20}
	var bs []*Buffer
	for range 32 {
		bs = append(bs, p.Get(64<<10), p.Get(256<<10), p.Get(700))
	}
	for _, b := range bs {
		b.Release()
	}
	if f := p.Free(); f > 1<<20 || f < 1<<19 {
		t.Fatalf("%d bytes are free, want at most and about %d", f, 1<<20)
	}
	p.Trim() // everything was in use since the last one
	b := p.Get(64 << 10)
	b.Release()
	p.Trim()
	if f := p.Free(); f > 64<<10 {
		t.Fatalf("%d bytes are kept after an idle time, want the one buffer that was used", f)
	}
	p.Trim()
	if f := p.Free(); f != 0 {
		t.Fatalf("%d bytes are kept after an idle time", f)
	}
}

func TestABoundFullOfOldSizesMakesRoomForNewOnes(t *testing.T) {
	p := Pool{MaxFree: 1 << 20}
	fill := func(size int) {
		var bs []*Buffer
		for range (1 << 20) / size {
			bs = append(bs, p.Get(size))
		}
		for _, b := range bs {
			b.Release()
		}
	}
	fill(64 << 10)
	fill(128 << 10)
	if n := len(p.lists[classOf(128<<10)].mem); n < 4 {
		t.Fatalf("only %d buffers of the new size are kept", n)
	}
}

func TestMisuseIsSeen(t *testing.T) {
	defer SetPoison(SetPoison(true))
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	for _, n := range []int{1000, 1 << 20} {
		p := &Pool{}
		old := p.Get(n)
		stale := old.Bytes()
		old.Release()
		if !bytes.Equal(stale, bytes.Repeat([]byte{poisonByte}, n)) {
			t.Error("a released buffer still shows its bytes")
		}
		b := p.Get(n)
		panics("second release after reuse", old.Release)
		panics("retain after release", func() { old.Retain() })
		b.Release()
		stale[n/2] = 1
		panics("write after release", func() { p.Get(n) })
	}
}

type releases struct{ n []int }

func (r *releases) BufferReleased(n int) { r.n = append(r.n, n) }

func TestOwnerIsToldOnceAtTheLastRelease(t *testing.T) {
	var p Pool
	var r releases
	b := p.GetFor(777, &r)
	view := b.Retain().Ref()
	b.Release()
	if len(r.n) != 0 {
		t.Fatal("told while a view was held")
	}
	view.Release()
	if len(r.n) != 1 || r.n[0] != 777 {
		t.Fatalf("told %v, want once 777", r.n)
	}
}

func TestADisownedBufferLivesOnAndItsOwnerIsToldOnce(t *testing.T) {
	var p Pool
	var r releases
	b := p.GetFor(777, &r)
	b.Disown()
	b.Disown()
	if len(r.n) != 1 || r.n[0] != 777 || len(b.Bytes()) != 777 {
		t.Fatalf("told %v, want once 777, and the buffer is %d bytes", r.n, len(b.Bytes()))
	}
	b.Release()
	if len(r.n) != 1 || p.InUse() != 0 {
		t.Fatalf("told %v, in use %d", r.n, p.InUse())
	}
}

func TestConcurrentOwnersNeverShareBytes(t *testing.T) {
	p := Pool{MaxFree: 4 << 20}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range 150 {
				b := p.Get(rng.IntN(200_000) + 1)
				for i := range b.Bytes() {
					if i%997 == 0 {
						b.Bytes()[i] = byte(w)
					}
				}
				b.Retain()
				b.Release()
				for i := range b.Bytes() {
					if i%997 == 0 && b.Bytes()[i] != byte(w) {
						t.Error("another owner wrote here")
						return
					}
				}
				b.Release()
			}
		})
	}
	for range 50 {
		p.Trim()
	}
	wg.Wait()
	if p.InUse() != 0 {
		t.Fatalf("InUse %d at the end", p.InUse())
	}
}

func BenchmarkGetRelease(b *testing.B) {
	var p Pool
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Get(16 << 10).Release()
		}
	})
}
