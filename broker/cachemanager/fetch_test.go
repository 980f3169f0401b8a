package cachemanager

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectstorage"
)

func TestReadsOwnUploadsFromMemoryAndOthersFromStorage(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	w.writeOwn(part{partition: 0, batches: batches(3, 2, 100)}, part{partition: 1, batches: batches(1, 5, 10)})
	w.readAll(0, 1<<20)
	w.readAll(1, 1<<20)
	if n := w.bucket.gets.Load(); n != 0 {
		t.Fatalf("%d GETs for what was uploaded here", n)
	}
	w.write(part{partition: 0, logAppendTime: 77, batches: batches(2, 2, 100)}, part{partition: 1, batches: batches(2, 2, 100)})
	w.readAll(0, 1<<20)
	w.readAll(1, 1<<20)
	if n := w.bucket.gets.Load(); n < 1 || n > 2 {
		t.Fatalf("%d GETs for one object of another broker", n)
	}
	r := w.fetchOne(0, 3, 1) // inside the second batch; larger than the limit
	w.check(0, 3, &r)
	if got := recordbatch.Batch(r.Records[0]); got.BaseOffset() != 2 || len(got) != got.Size() {
		t.Fatalf("want exactly the batch at 2, got %d bytes at %d", len(got), got.BaseOffset())
	}
}

func TestBudgetIsSpentInRequestOrder(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	const n = 12
	one := len(batches(1, 1, 1000)[0])
	for range 2 { // two objects, so that each partition has two coordinates
		var parts []part
		for p := range int32(n) {
			parts = append(parts, part{partition: p, batches: batches(2, 1, 1000)})
		}
		w.write(parts...)
	}
	order := []int32{7, 3, 11, 0, 5, 1, 9, 2, 10, 4, 8, 6}
	for _, c := range []struct {
		what                   string
		maxBytes, partitionMax int
		want                   []int // batches by place in the order
	}{
		{"everything fits", 1 << 20, 1 << 20, []int{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}},
		{"the first takes what there is", 5*one + one/2, 1 << 20, []int{4, 1, 0}},
		{"partition limits", 7 * one, 2*one + 1, []int{2, 2, 2, 1, 0}},
		{"one batch is guaranteed", 1, 1, []int{1, 0}},
		{"and only one", 3 * one, one - 1, []int{1, 0}},
	} {
		req := &FetchRequest{MinBytes: 1, MaxBytes: c.maxBytes}
		for _, p := range order {
			req.Partitions = append(req.Partitions, w.ask(p, 0, c.partitionMax))
		}
		for i, r := range w.fetch(req) {
			w.check(order[i], 0, &r)
			want := 0
			if i < len(c.want) {
				want = c.want[i]
			}
			if got := len(bytes.Join(r.Records, nil)); got != want*one {
				t.Errorf("%s: place %d has %d bytes, want %d batches of %d", c.what, i, got, want, one)
			}
			if r.HighWatermark != 4 || r.LogStartOffset != 0 {
				t.Errorf("%s: bounds [%d, %d)", c.what, r.LogStartOffset, r.HighWatermark)
			}
		}
	}
}

func TestAGuaranteedBatchGoesToTheFirstPartitionThatHasOne(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	w.write(part{partition: 1, batches: batches(2, 1, 1000)})
	rs := w.fetch(&FetchRequest{MinBytes: 1, MaxBytes: 10, Partitions: []FetchPartition{w.ask(0, 0, 10), w.ask(1, 0, 10)}})
	if len(rs[0].Records) != 0 || w.check(1, 0, &rs[1]) != 1 {
		t.Fatal("want one batch of the second partition")
	}
}

func TestErrorsStayInTheirPartition(t *testing.T) {
	for what, spoil := range map[string]func([]byte) error{
		"corrupt": func(b []byte) error { b[len(b)-1] ^= 1; return nil }, // of partition 2, the last of the object
		"short":   func([]byte) error { return objectstorage.ErrShortRead },
		"missing": func([]byte) error { return objectstorage.ErrNotFound },
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, Config{})
			defer w.close()
			good := part{partition: 0, batches: batches(2, 2, 50)}
			w.write(good)
			bad := w.write(part{partition: 1, batches: batches(1, 2, 50)}, part{partition: 2, batches: batches(2, 2, 50)})
			w.write(good)
			w.spoil(bad, spoil)
			req := &FetchRequest{MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Minute, Partitions: []FetchPartition{w.ask(2, 0, 1<<20), w.ask(1, 0, 1<<20), w.ask(0, 0, 1<<20)}}
			for range 2 {
				rs := w.fetch(req)
				if !errors.Is(rs[0].Err, kerr.KafkaStorageError) || kafka.ErrorCode(rs[0].Err) != kerr.KafkaStorageError.Code || len(rs[0].Records) > 0 {
					t.Fatalf("the damaged partition answers %v", rs[0].Err)
				}
				if what == "corrupt" && w.check(1, 0, &rs[1]) != 2 {
					t.Fatal("the neighbour in the same object is not read")
				}
				if w.check(0, 0, &rs[2]) != 8 {
					t.Fatal("the other partition is not read")
				}
			}
			w.spoil(bad, nil)
			w.readAll(2, 1<<20) // nothing was skipped, and it is read again
		})
	}
}

func TestACorruptSegmentIsNotSkipped(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	w.write(part{partition: 0, batches: batches(1, 2, 50)})
	bad := w.write(part{partition: 0, batches: batches(2, 2, 50)})
	w.write(part{partition: 0, batches: batches(1, 2, 50)})
	w.spoil(bad, func(b []byte) error { b[100] ^= 1; return nil })
	r := w.fetchOne(0, 0, 1<<20)
	if next := w.check(0, 0, &r); next != 2 {
		t.Fatalf("read to %d, want up to the damage at 2", next)
	}
	if r = w.fetchOne(0, 2, 1<<20); !errors.Is(r.Err, kerr.KafkaStorageError) {
		t.Fatalf("the damage answers %v", r.Err)
	}
}

func TestOffsetOutOfRangeIsToldFromALinearizableRead(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	w.write(part{partition: 0, batches: batches(5, 2, 50)})
	if r := w.fetchOne(0, 11, 1); !errors.Is(r.Err, kerr.OffsetOutOfRange) || r.HighWatermark != 10 || r.LogStartOffset != 0 {
		t.Fatalf("above the end: %+v", r)
	}
	if r := w.fetchOne(0, 10, 1); r.Err != nil || len(r.Records) > 0 || r.HighWatermark != 10 {
		t.Fatalf("at the end: %+v", r)
	}
	w.coord.pause(true) // the tail is late: the offset is right all the same
	w.write(part{partition: 0, batches: batches(2, 2, 50)})
	r := w.fetchOne(0, 12, 1<<20)
	if w.check(0, 12, &r) != 14 {
		t.Fatalf("ahead of the tail: %+v", r)
	}
	w.coord.mu.Lock()
	w.coord.log(tp(0)).logStart = 4
	w.coord.mu.Unlock()
	w.coord.pause(false)
	if r := w.fetchOne(1, 1, 1); !errors.Is(r.Err, kerr.OffsetOutOfRange) || r.HighWatermark != 0 {
		t.Fatalf("an empty partition: %+v", r)
	}
}

func TestConcurrentReadersShareOneGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		w.bucket.hold = make(chan struct{})
		w.write(part{partition: 0, batches: batches(20, 2, 500)})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				r := w.fetchOne(0, 0, 1<<20)
				w.check(0, 0, &r)
			})
		}
		synctest.Wait()
		close(w.bucket.hold)
		wg.Wait()
		if gets, finds := w.bucket.gets.Load(), w.coord.finds.Load(); gets != 1 || finds != 1 {
			t.Fatalf("%d GETs and %d Find Segments for 64 readers of one range", gets, finds)
		}
		w.close()
	})
}

// A reader may look just before another's Find Segment ends and ask just after it: what is known by then is not asked for again.
func TestWhatWasFoundMeanwhileIsNotAskedForAgain(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	w.write(part{partition: 0, batches: batches(20, 2, 500)})
	w.readAll(0, 1<<20)
	finds := w.coord.finds.Load()
	ask := w.ask(0, 0, 1)
	p := w.m.pin(&ask.Partition)
	defer p.unpin()
	found := w.m.findAll([]findAsk{{p: p, offset: 3}})[0]
	<-found.done
	start, end := w.bounds(0)
	if found.err != nil || found.result.LogStartOffset != start || found.result.HighWatermark != end {
		t.Fatalf("%+v, want offsets %d to %d", found, start, end)
	}
	if n := w.coord.finds.Load() - finds; n != 0 {
		t.Fatalf("%d Find Segments for what is known", n)
	}
}

func TestOneGetForAnObjectThatManyPartitionsShare(t *testing.T) {
	w := newWorld(t, Config{TailDistanceBytes: 1})
	defer w.close()
	const objects = 10
	for range objects {
		var parts []part
		for p := range int32(16) {
			parts = append(parts, part{partition: p, batches: batches(2, 1, 1000)})
		}
		w.write(parts...)
	}
	offsets := make([]int64, 16)
	for offsets[15] < objects*2 {
		req := &FetchRequest{MinBytes: 1, MaxBytes: 1 << 20}
		for p, offset := range offsets {
			req.Partitions = append(req.Partitions, w.ask(int32(p), offset, 3000))
		}
		for p, r := range w.fetch(req) {
			offsets[p] = w.check(int32(p), offsets[p], &r)
		}
	}
	if n := w.bucket.gets.Load(); n != objects {
		t.Fatalf("%d GETs for %d objects", n, objects)
	}
	if n := w.coord.finds.Load(); n != 1 {
		t.Fatalf("%d Find Segments, want one for all partitions", n)
	}
}

func TestMemoryIsBoundedWhileReadersHoldIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pool = 100_000
		w := newWorld(t, Config{CacheBytes: 2 * pool, ReadAheadBytes: 50_000, TailDistanceBytes: 1})
		for range 40 {
			w.write(part{partition: 0, batches: batches(1, 1, 10_000)})
		}
		var held []FetchResult
		var offset int64
		for {
			r := w.m.Fetch(t.Context(), &FetchRequest{MinBytes: 1, MaxBytes: 1 << 20, Partitions: []FetchPartition{w.ask(0, offset, 20_000)}})[0]
			if r.Release == nil {
				break // the pool is full of what is held
			}
			held = append(held, r)
			offset = w.check(0, offset, &r)
			if used := w.m.cache.usedBytes(laggingPool); used > pool {
				t.Fatalf("%d bytes are used of %d", used, pool)
			}
		}
		if len(held) < 3 || offset > 10 {
			t.Fatalf("stopped at offset %d", offset)
		}
		for i := range held {
			w.check(0, int64(recordbatch.Batch(held[i].Records[0]).BaseOffset()), &held[i]) // nobody wrote over it
		}
		done := make(chan int64)
		go func() {
			r := w.fetchOne(0, offset, 20_000)
			done <- w.check(0, offset, &r)
		}()
		synctest.Wait()
		held[0].Release()
		if next := <-done; next == offset {
			t.Fatal("room that became free was not used")
		}
		for _, r := range held[1:] {
			r.Release()
		}
		w.close()
	})
}

func TestUploadsStayWithinTheTailPool(t *testing.T) {
	w := newWorld(t, Config{CacheBytes: 200_000})
	defer w.close()
	for range 100 {
		w.writeOwn(part{partition: 0, batches: batches(2, 1, 5000)})
		if used := w.m.cache.usedBytes(tailPool); used > 100_000 {
			t.Fatalf("the tail pool has %d bytes of 100000", used)
		}
	}
	w.readAll(0, 30_000)
	if w.m.cache.usedBytes(tailPool) == 0 {
		t.Fatal("the tail pool is empty")
	}
}

func TestAFrameThatTwoObjectsShareCountsOnce(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.close()
	parts := []part{one(0, 1000), one(1, 1000)}
	own, frame := w.commit(w.put(parts...), parts...)
	first, second := *own, *own
	first.Segments, second.Segments = own.Segments[:1], own.Segments[1:]
	second.Object.Sequence++
	w.m.ObjectCommitted(&first)
	w.m.ObjectCommitted(&second)
	if used := w.m.cache.usedBytes(tailPool); used != int64(len(frame.Bytes())) {
		t.Fatalf("%d bytes are used by a frame of %d", used, len(frame.Bytes()))
	}
	frame.Release()
}

// 50 ms for each GET, and yet 300 MB/s: a sixteenth of the default sizes, in virtual time.
func TestReadAheadHidesASlowStore(t *testing.T) {
	const objects, partitions, perPartition, delay = 40, 16, 4, 50 * time.Millisecond
	for name, readers := range map[string]int{"all partitions": partitions, "one partition": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{CacheBytes: 8 << 20, ReadAheadBytes: 1 << 20, MaxSpanBytes: 1 << 20})
				w.bucket.delay = delay
				total := int64(0)
				for range objects {
					var parts []part
					for p := range int32(partitions) {
						parts = append(parts, part{partition: p, batches: batches(perPartition, 1, 8000)})
					}
					w.write(parts...)
					total += int64(perPartition * 8000 * readers)
				}
				started := time.Now()
				offsets := make([]int64, readers)
				for turn := 0; offsets[readers-1] < objects*perPartition; turn++ {
					req := &FetchRequest{MinBytes: 1, MaxBytes: 4 << 20, MaxWait: time.Second}
					for p := range readers {
						if turn == 0 || p%4 == turn%4 || readers == 1 { // those that a consumer drained
							req.Partitions = append(req.Partitions, w.ask(int32(p), offsets[p], 64<<10))
						}
					}
					for i, r := range w.fetch(req) {
						p := req.Partitions[i].Partition.Partition
						offsets[p] = w.check(p, offsets[p], &r)
					}
				}
				rate := float64(total) * 16 / 1e6 / time.Since(started).Seconds()
				t.Logf("%d bytes in %v with %d GETs: %.0f MB/s at full size", total, time.Since(started), w.bucket.gets.Load(), rate)
				if want := 300.0; readers > 1 && (rate < want || w.bucket.gets.Load() > objects+objects/4) {
					t.Errorf("want at least %.0f MB/s and about %d GETs", want, objects)
				}
				w.close()
			})
		})
	}
}

func TestLaggingReadersDoNotEvictTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{CacheBytes: 200_000, TailDistanceBytes: 50_000})
		for range 50 {
			w.write(part{partition: 0, batches: batches(1, 1, 10_000)})
		}
		for range 5 {
			w.writeOwn(part{partition: 1, batches: batches(1, 1, 10_000)})
		}
		for offset := int64(0); offset < 44; {
			r := w.fetchOne(0, offset, 40_000)
			offset = w.check(0, offset, &r)
		}
		synctest.Wait() // read-ahead
		before := w.bucket.gets.Load()
		w.readAll(1, 1<<20)
		if n := w.bucket.gets.Load() - before; n != 0 {
			t.Fatalf("%d GETs for what was in the tail pool", n)
		}
		w.close()
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		w.bucket.hold = make(chan struct{})
		w.write(part{partition: 0, batches: batches(1, 1, 100)})
		var wg sync.WaitGroup
		wg.Go(func() {
			w.m.Fetch(context.Background(), &FetchRequest{MinBytes: 1, MaxBytes: 1, MaxWait: time.Hour, Partitions: []FetchPartition{w.ask(0, 0, 1)}})
		})
		wg.Go(func() {
			w.m.Fetch(context.Background(), &FetchRequest{MinBytes: 1, MaxBytes: 1, MaxWait: time.Hour, Partitions: []FetchPartition{w.ask(1, 0, 1)}})
		})
		synctest.Wait()
		w.close()
		wg.Wait()
		w.writeOwn(part{partition: 0, batches: batches(1, 1, 100)})
		if r := w.fetchOne(0, 0, 1); kafka.ErrorCode(r.Err) == 0 && len(r.Records) > 0 {
			t.Fatal("a closed Manager answers with records")
		}
		if n := w.buffers.InUse(); n != 0 {
			t.Fatalf("%d bytes in use", n)
		}
	})
}
