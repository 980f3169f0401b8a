package cachemanager

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// small has segments of some ten kilobytes in pieces.
var small = Config{CacheBytes: 1 << 20, MinPieceBytes: 2000, PieceBytes: 16_000, MaxSpanBytes: 8000, TailDistanceBytes: 1}

// merged is a partition whose whole history lies in one object.
func merged(t testing.TB, cfg Config, objects int, j job) (*world, kafka.ObjectID) {
	w := newWorld(t, cfg)
	for range objects {
		w.write(one(0, 1000))
	}
	j.to, j.interval = objects, max(j.interval, 2000)
	return w, w.replace(j)
}

// One reader, 50 ms away from its store, at full size 300 MB/s and under 0.2 GET per MB.
func TestMergedHistoryIsReadInFewLargePieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const objects, scale = 700, 512 // some 700 kB stand for 380 MB
		w, _ := merged(t, Config{
			CacheBytes: 128<<20/scale + 1, TailBytes: 1, LaggingBytes: 128 << 20 / scale, MinPieceBytes: 1 << 20 / scale, PieceBytes: 8 << 20 / scale,
			ReadAheadBytes: 64 << 20 / scale, MaxSpanBytes: 16 << 20 / scale, TailDistanceBytes: 1,
		}, objects, job{})
		w.bucket.delay = 50 * time.Millisecond
		started := time.Now()
		w.readAll(0, 1<<20/scale)
		took := time.Since(started).Seconds()
		mb := float64(w.coord.log(tp(0)).coordinates[0].Bytes) * scale / 1e6
		t.Logf("%.0f MB in %.2f s: %.0f MB/s, %.2f GETs per MB", mb, took, mb/took, float64(w.bucket.gets.Load())/mb)
		if mb/took < 300 || float64(w.bucket.gets.Load())/mb > 0.2 {
			t.Error("want at least 300 MB/s and at most 0.2 GETs per MB")
		}
		w.close()
	})
}

func TestManyReadersOfMergedHistoryShareThePool(t *testing.T) {
	w := newWorld(t, Config{CacheBytes: 300_000, TailBytes: 1, LaggingBytes: 299_999, MinPieceBytes: 2000, PieceBytes: 64_000, MaxSpanBytes: 8000, TailDistanceBytes: 1})
	const partitions, objects = 16, 60
	var bytes int64
	for range objects {
		var parts []part
		for p := range int32(partitions) {
			parts = append(parts, one(p, 1000))
		}
		w.write(parts...)
	}
	for p := range int32(partitions) {
		w.replace(job{p: p, to: objects, interval: 2000})
		bytes += int64(w.coord.log(tp(p)).coordinates[0].Bytes)
	}
	var offsets [partitions]int64
	read := int64(0)
	w.m.metrics.getBytes[laggingPool].Add(0)
	for read < bytes {
		req := &FetchRequest{MinBytes: 1, MaxBytes: 50_000, MaxWait: time.Second}
		for p := range int32(partitions) {
			req.Partitions = append(req.Partitions, w.ask(p, offsets[p], 3000))
		}
		before := read
		for p, r := range w.fetch(req) {
			offsets[p] = w.check(int32(p), offsets[p], &r)
			for _, b := range r.Records {
				read += int64(len(b))
			}
		}
		if read == before {
			t.Fatalf("nothing was read at %v", offsets)
		}
	}
	// Each piece once, apart from what is read twice when the number of readers becomes known.
	if n := w.bucket.gets.Load(); n > 2*bytes/8000 {
		t.Errorf("%d GETs for %d bytes", n, bytes)
	}
	w.close()
}

func TestALargeSegmentIsReadWithoutItsIndex(t *testing.T) {
	for name, j := range map[string]job{"none": {noIndex: true}, "damaged": {badIndex: true}} {
		t.Run(name, func(t *testing.T) {
			w, _ := merged(t, small, 50, j)
			w.readAll(0, 5000)
			if n := w.m.indexes.count; n < 10 {
				t.Fatalf("%d entries of an index were made by reading", n)
			}
			w.close()
		})
	}
	t.Run("never merged", func(t *testing.T) {
		w := newWorld(t, small)
		w.write(part{partition: 0, logAppendTime: 7000, batches: batches(40, 3, 1000)})
		w.write(one(0, 10))
		w.readAll(0, 5000)
		if n := w.m.indexes.count; n < 10 {
			t.Fatalf("%d entries of an index were made by reading", n)
		}
		w.close()
	})
}

func TestDamageWithinALargeSegmentStaysThere(t *testing.T) {
	w, id := merged(t, small, 50, job{})
	var damaged atomic.Int64
	w.spoil(id, func(dst []byte) error {
		if len(dst) > 4000 { // not the index
			dst[len(dst)/2] ^= 1
			damaged.Add(1)
		}
		return nil
	})
	told := int64(0)
	for offset, end := w.bounds(0); offset < end; {
		r := w.fetchOne(0, offset, 1<<20)
		if r.Err != nil {
			if kafka.ErrorCode(r.Err) != kerr.KafkaStorageError.Code {
				t.Fatalf("damage is %v", r.Err)
			}
			// What was read ahead meanwhile is damaged, too. Its reader is told, and the next one gets it anew.
			w.spoil(id, nil)
			if told++; told > damaged.Load() {
				t.Fatalf("offset %d: told of damage %d times, it was read %d times", offset, told, damaged.Load())
			}
			continue
		}
		next := w.check(0, offset, &r)
		if next == offset {
			t.Fatal("neither records nor an error")
		}
		offset = next
	}
	if told == 0 {
		t.Fatal("nobody was told of the damage")
	}
	w.readAll(0, 1<<20)
	w.close()
}

// Of a compacted segment in memory nothing may be left from the offset on that a reader wants. It is no answer: the reader waits for what comes after it.
func TestWhatCompactionTookOutIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{TailDistanceBytes: 1, MinPieceBytes: 1})
		w.write(part{partition: 0, batches: batches(10, 1, 1000)})
		w.write(part{partition: 0, batches: batches(10, 1, 1000)})
		w.write(part{partition: 0, batches: batches(10, 1, 1000)})
		w.replace(job{to: 1, noIndex: true, drops: func(base int64) bool { return base >= 5 }})
		w.fetchOne(0, 0, 1)
		hold := make(chan struct{})
		w.bucket.hold = hold
		var next int64
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			r := w.fetch(&FetchRequest{Partitions: []FetchPartition{w.ask(0, 7, 3000)}, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Minute})[0]
			next = w.check(0, 7, &r)
		}()
		synctest.Wait()
		select {
		case <-answered:
			t.Errorf("the answer has the offsets up to %d before there was anything", next)
		default:
		}
		close(hold)
		<-answered
		if next <= 10 {
			t.Errorf("read up to %d", next)
		}
		w.close()
	})
}

// The tail does not tell of the swap in time, and the old objects are gone: the reader finds the new ones by itself.
func TestAnObjectThatIsGoneIsLookedUpAgain(t *testing.T) {
	bubble(t, small, func(t *testing.T, w *world) {
		for range 20 {
			w.write(one(0, 1000))
		}
		w.readAll(0, 1<<20)
		w.coord.pause(true)
		w.fetchOne(0, 0, 1)
		finds := w.coord.finds.Load()
		w.replace(job{p: 0, to: 20, interval: 2000, deletes: true})
		w.m.cache.dropAll()
		w.readAll(0, 3000)
		if n := w.coord.finds.Load() - finds; n == 0 || n > 3 {
			t.Fatalf("%d Find Segment calls", n)
		}
		w.coord.pause(false)
		// Records that are gone with their object are an error, told once the coordinator has said the same again.
		c := w.coord.log(tp(0)).coordinates[0]
		w.m.cache.dropAll()
		if errs := w.bucket.DeleteMany(context.Background(), []string{c.Object.Key(cluster)}); errs[0] != nil {
			t.Fatal(errs[0])
		}
		if r := w.fetchOne(0, 5, 1000); kafka.ErrorCode(r.Err) != kerr.KafkaStorageError.Code {
			t.Fatalf("a lost object is %v", r.Err)
		}
	})
}

// dropAll evicts what nobody uses.
func (c *cache) dropAll() {
	synctest.Wait() // for those who check what was read ahead
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, blocks := range c.objects {
		for _, b := range append([]*block(nil), blocks...) {
			var garbage []*slab.Buffer
			c.evictBlock(b, &garbage)
			releaseAll(garbage)
		}
	}
}

func TestSwapsReachReadersByTheTopic(t *testing.T) {
	bubble(t, small, func(t *testing.T, w *world) {
		for range 20 {
			w.write(one(0, 1000))
		}
		synctest.Wait()
		finds := w.coord.finds.Load()
		w.replace(job{p: 0, from: 0, to: 10, interval: 2000, deletes: true})
		w.replace(job{p: 0, from: 5, to: 9, interval: 2000, deletes: true, drops: func(base int64) bool { return base%2 == 0 }})
		w.write(one(0, 1000))
		synctest.Wait()
		w.readAll(0, 3000)
		if n := w.coord.finds.Load() - finds; n != 0 {
			t.Fatalf("%d Find Segment calls, though the topic tells", n)
		}
		p := w.m.lookup(tp(0))
		if got, want := p.total-p.window[0].before, sum(w.coord.log(tp(0)).coordinates); got != want {
			t.Fatalf("the window counts %d bytes, want %d", got, want)
		}
	})
}

func sum(cs []rpc.Coordinate) (bytes int64) {
	for i := range cs {
		bytes += int64(cs[i].Bytes)
	}
	return bytes
}

func TestAFetchInAHoleGoesOn(t *testing.T) {
	for name, cfg := range map[string]Config{"window": {}, "history": {CoordinateCacheEntries: 2, PageCoordinates: 2}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, cfg)
			for range 12 {
				w.write(one(0, 100))
			}
			l := w.coord.log(tp(0))
			end := l.highWatermark
			w.replace(job{from: 2, to: 5, drops: func(int64) bool { return true }})   // nothing is left
			w.replace(job{from: 3, to: 6, drops: func(b int64) bool { return true }}) // nor here, but coordinates before and after are
			w.replace(job{from: 4, to: 6, drops: func(b int64) bool { return b != end-1 }})
			for offset := range end {
				for _, most := range []int{1, 1 << 20} {
					r := w.fetchOne(0, offset, most)
					if next := w.check(0, offset, &r); next == offset {
						t.Fatalf("nothing at offset %d of %d", offset, end)
					}
				}
			}
			w.close()
		})
	}
}

func TestListOffsetsReadsOnlyThePieceThatMatches(t *testing.T) {
	w := newWorld(t, small)
	var times []int64
	for i := range int64(300) {
		times = append(times, 1000+10*i)
		w.write(timed(0, []int64{1000 + 10*i}))
	}
	w.replace(job{to: 300, interval: 2000})
	for _, i := range []int{0, 1, 150, 299} {
		gets := w.bucket.gets.Load()
		got := w.m.ListOffset(t.Context(), w.ask(0, 0, 0).Partition, times[i]-5)
		if got != (ListedOffset{Offset: int64(i), Timestamp: times[i]}) {
			t.Fatalf("%+v, want offset %d", got, i)
		}
		if n := w.bucket.gets.Load() - gets; n > 2 {
			t.Errorf("%d GETs for one piece and an index", n)
		}
	}
	if got := w.m.ListOffset(t.Context(), w.ask(0, 0, 0).Partition, rpc.MaxTimestamp); got.Offset != 299 {
		t.Errorf("the greatest timestamp is at %+v", got)
	}
	w.close()
}

// The Metadata cluster hangs: a partition whose coordinates are known is read on beside one whose are not.
func TestWithoutTheCoordinatorOthersAreNotHeldUp(t *testing.T) {
	bubble(t, small, func(t *testing.T, w *world) {
		for range 60 {
			w.write(one(0, 1000))
		}
		w.readAll(0, 1<<20)
		w.m.cache.dropAll()
		hang := make(chan struct{})
		w.coord.mu.Lock()
		w.coord.onFind = func() { <-hang }
		w.coord.mu.Unlock()
		started := time.Now()
		for offset := int64(0); offset < 60; {
			rs := w.fetch(&FetchRequest{Partitions: []FetchPartition{w.ask(77, 0, 1000), w.ask(0, offset, 3000)}, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond})
			if kafka.ErrorCode(rs[0].Err) != kerr.OffsetNotAvailable.Code {
				t.Fatalf("what cannot be known answers %v", rs[0].Err)
			}
			next := w.check(0, offset, &rs[1])
			if next == offset {
				t.Fatalf("nothing at offset %d", offset)
			}
			offset = next
		}
		if took := time.Since(started); took > othersPatience {
			t.Errorf("reading on took %v", took)
		}
		close(hang)
		time.Sleep(time.Minute)
		w.readAll(0, 1<<20)
	})
}

// A small piece that was read first must not be taken for the large one that begins at the same byte: what it lacks would be skipped.
func TestPiecesOfOneBlockAreToldApart(t *testing.T) {
	w, _ := merged(t, small, 50, job{})
	index := w.m.indexes.get(&w.coord.log(tp(0)).coordinates[0], tp(0).ID)
	<-index.ready
	large, _ := index.piece(0, 16_000)
	b := w.m.cache.get(&large, tp(0).ID, laggingPool, demand)
	<-b.ready
	for _, bytes := range []int64{2000, 16_000, 4000} {
		c, next := index.piece(0, bytes)
		s, err := b.segment(&c)
		if err != nil || s.batches[len(s.batches)-1].lastOffset != c.LastOffset || c.LastOffset+1 != index.entries[next].BaseOffset {
			t.Fatalf("a piece of %d bytes, up to offset %d: %v, %v", bytes, c.LastOffset, s, err)
		}
	}
	w.m.cache.release(b)
	w.close()
}
