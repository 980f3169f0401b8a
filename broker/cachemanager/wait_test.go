package cachemanager

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// parked is a fetch that waits.
type parked struct {
	w       *world
	asks    []FetchPartition
	started time.Time
	results chan []FetchResult
	took    time.Duration
}

func (w *world) park(minBytes int, maxWait time.Duration, asks ...FetchPartition) *parked {
	p := &parked{w: w, asks: asks, started: time.Now(), results: make(chan []FetchResult, 1)}
	go func() {
		rs := w.fetch(&FetchRequest{Partitions: asks, MinBytes: minBytes, MaxBytes: 1 << 20, MaxWait: maxWait})
		p.took = time.Since(p.started)
		p.results <- rs
	}()
	synctest.Wait()
	return p
}

// want sees that the fetch was answered after so long.
func (p *parked) want(after time.Duration) []FetchResult {
	p.w.t.Helper()
	rs := <-p.results
	if p.took != after {
		p.w.t.Fatalf("answered after %v, want %v", p.took, after)
	}
	return rs
}

// bubble runs a test whose Manager knows the partitions 0 to 3 already.
func bubble(t *testing.T, cfg Config, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg)
		defer w.close()
		for p := range int32(4) {
			w.fetchOne(p, 0, 1)
		}
		test(t, w)
	})
}

func one(partition int32, valueBytes int) part {
	return part{partition: partition, batches: batches(1, 1, valueBytes)}
}

func TestACommitWakesAtOnce(t *testing.T) {
	for _, own := range []bool{true, false} {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			p := w.park(1, time.Hour, w.ask(0, 0, 1<<20), w.ask(1, 0, 1<<20))
			time.Sleep(3 * time.Second)
			if own {
				w.writeOwn(one(1, 100))
			} else {
				w.write(one(1, 100))
			}
			rs := p.want(3 * time.Second)
			if w.check(1, 0, &rs[1]) != 1 || rs[1].HighWatermark != 1 || len(rs[0].Records) > 0 {
				t.Fatalf("own %v: %+v", own, rs)
			}
		})
	}
}

func TestAnOwnCommitDoesNotWaitForTheTail(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.coord.pause(true)
		p := w.park(1, time.Hour, w.ask(0, 0, 1<<20))
		w.writeOwn(one(0, 100))
		rs := p.want(0)
		w.check(0, 0, &rs[0])
		// One of another broker in between is filled in by the tail, and the own one behind it is not lost.
		w.write(one(0, 100))
		w.writeOwn(one(0, 100))
		p = w.park(250, time.Hour, w.ask(0, 1, 1<<20))
		time.Sleep(time.Second)
		finds := w.coord.finds.Load()
		w.coord.pause(false)
		rs = p.want(time.Second)
		if w.check(0, 1, &rs[0]) != 3 || w.coord.finds.Load() != finds {
			t.Fatal("want both records, from the tail alone")
		}
	})
}

// The tail may hear of an own commit before its answer is here. The bytes are in memory: a GET would cost money and the time of a GET.
func TestAnOwnCommitThatTheTailTellsFirstIsReadFromMemory(t *testing.T) {
	for _, answer := range []time.Duration{30 * time.Millisecond, time.Second} {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			told := make(chan struct{})
			w.m.deps.Untold = func(int32, kafka.ObjectID) <-chan struct{} { return told }
			p := w.park(1, time.Hour, w.ask(0, 0, 1<<20))
			own, frame := w.commit(w.put(one(0, 100)), one(0, 100))
			time.Sleep(answer)
			w.m.ObjectCommitted(own)
			frame.Release()
			close(told)
			rs := p.want(min(answer, untoldWait))
			w.check(0, 0, &rs[0])
			if fromMemory := w.bucket.gets.Load() == 0; fromMemory != (answer < untoldWait) {
				t.Errorf("answer after %s: %d GETs", answer, w.bucket.gets.Load())
			}
		})
	}
}

func TestWaitsForMinBytesOfAllPartitionsTogether(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		one1000 := len(batches(1, 1, 1000)[0])
		p := w.park(3*one1000, time.Minute, w.ask(0, 0, 1<<20), w.ask(1, 0, 1<<20), w.ask(2, 0, 1<<20))
		for i := range int32(3) {
			time.Sleep(time.Second)
			if len(p.results) > 0 {
				t.Fatalf("answered after %d of 3 batches", i)
			}
			w.writeOwn(one(i, 1000))
		}
		p.want(3 * time.Second)
		// More than a partition's limit of one partition is not counted.
		p = w.park(2*one1000, time.Minute, w.ask(0, 1, one1000), w.ask(1, 1, one1000))
		w.writeOwn(part{partition: 0, batches: batches(4, 1, 1000)})
		time.Sleep(time.Second)
		if len(p.results) > 0 {
			t.Fatal("one partition alone filled it")
		}
		w.write(one(1, 1000))
		p.want(time.Second)
	})
}

func TestOneGetServesAllThatATailRecordWakes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		var fetches []*parked
		for p := range int32(4) {
			fetches = append(fetches, w.park(1, time.Hour, w.ask(p, 0, 1<<20)))
		}
		w.write(one(0, 1000), one(1, 1000), one(2, 1000), one(3, 1000))
		for p, f := range fetches {
			rs := f.want(0)
			w.check(int32(p), 0, &rs[0])
		}
		if n := w.bucket.gets.Load(); n != 1 {
			t.Fatalf("%d GETs for one object", n)
		}
	})
}

func TestDamageIsNotAskedForInATightLoop(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.spoil(w.write(one(0, 100)), func([]byte) error { return objectstorage.ErrShortRead })
		rs := w.park(1, time.Second, w.ask(0, 0, 1)).want(100 * time.Millisecond)
		if !errors.Is(rs[0].Err, kerr.KafkaStorageError) {
			t.Fatalf("answered %v", rs[0].Err)
		}
	})
}

func TestMaxWaitEndsIt(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		p := w.park(1<<20, 500*time.Millisecond, w.ask(0, 0, 1<<20))
		w.writeOwn(one(0, 100))
		rs := p.want(500 * time.Millisecond)
		if w.check(0, 0, &rs[0]) != 1 {
			t.Fatal("what is there is not answered")
		}
	})
}

func TestALaggingReaderIsAnsweredAtOnce(t *testing.T) {
	bubble(t, Config{PageCoordinates: 4, TailDistanceBytes: 1}, func(t *testing.T, w *world) {
		for range 20 {
			w.write(one(0, 100))
		}
		w.m.Close()
		w.m = w.manager(Config{PageCoordinates: 4, TailDistanceBytes: 1})
		p := w.park(1, time.Minute, w.ask(0, 0, 1<<20), w.ask(1, 0, 1<<20))
		rs := p.want(0)
		w.check(0, 0, &rs[0])
		w.readAll(0, 250)
	})
}

func TestAnIdleConsumerAsksNobody(t *testing.T) {
	bubble(t, Config{FollowWait: 10 * time.Hour}, func(t *testing.T, w *world) {
		w.writeOwn(one(0, 100))
		w.readAll(0, 1<<20)
		synctest.Wait()
		finds, follows, gets := w.coord.finds.Load(), w.coord.follows.Load(), w.bucket.gets.Load()
		for range 1000 {
			w.park(1, 500*time.Millisecond, w.ask(0, 1, 1<<20), w.ask(1, 0, 1<<20)).want(500 * time.Millisecond)
		}
		if w.coord.finds.Load() != finds || w.coord.follows.Load() > follows+1 || w.bucket.gets.Load() != gets {
			t.Fatal("an idle consumer caused requests")
		}
	})
}

func TestDeletionOfTheTopicWakes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		p := w.park(1, time.Hour, w.ask(1, 0, 1), w.ask(0, 0, 1))
		w.coord.mu.Lock()
		w.coord.gone[tp(0).ID] = true
		w.coord.record(&topics.TopicDeleted{ID: tp(0).ID})
		w.coord.mu.Unlock()
		// The partitions learn of it one after the other, and the first one wakes the fetch.
		if rs := p.want(0); !errors.Is(rs[0].Err, kerr.UnknownTopicID) && !errors.Is(rs[1].Err, kerr.UnknownTopicID) {
			t.Fatalf("answered %v and %v", rs[0].Err, rs[1].Err)
		}
		synctest.Wait()
		if r := w.fetchOne(0, 0, 1); !errors.Is(r.Err, kerr.UnknownTopicID) {
			t.Fatalf("later answered %v", r.Err)
		}
	})
}

func TestLogStartMoves(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		for range 10 {
			w.write(one(0, 100))
		}
		w.readAll(0, 1<<20)
		w.coord.mu.Lock()
		w.coord.log(tp(0)).logStart = 6
		w.coord.record(&topics.LogStartMoved{Partition: tp(0), LogStartOffset: 6, Reason: topics.ReasonDeleteRecords})
		w.coord.mu.Unlock()
		synctest.Wait()
		if r := w.fetchOne(0, 5, 1); !errors.Is(r.Err, kerr.OffsetOutOfRange) || r.LogStartOffset != 6 || r.HighWatermark != 10 {
			t.Fatalf("below the log start: %+v", r)
		}
		w.readAll(0, 150)
	})
}

func TestTrimmedTailBeginsAnew(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.coord.pause(true)
		p := w.park(1, time.Hour, w.ask(0, 0, 1<<20))
		time.Sleep(time.Second)
		w.write(one(0, 100))
		w.coord.pause(true)
		w.coord.trim() // the record of that commit will never be seen
		w.coord.pause(false)
		rs := p.want(time.Second)
		w.check(0, 0, &rs[0])
		p = w.park(1, time.Hour, w.ask(0, 1, 1<<20))
		w.write(one(0, 100))
		rs = p.want(0)
		w.check(0, 1, &rs[0])
	})
}

func TestAGapIsFilledFromTheCoordinator(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.write(one(0, 100))
		w.readAll(0, 1<<20)
		p := w.park(1, time.Hour, w.ask(0, 1, 1<<20))
		w.coord.pause(true)
		w.write(one(0, 100))
		w.coord.mu.Lock()
		w.coord.records[len(w.coord.records)-1].Value = nil // lost
		w.coord.mu.Unlock()
		w.coord.pause(false)
		time.Sleep(time.Second)
		w.write(one(0, 100))
		rs := p.want(time.Second)
		if w.check(0, 1, &rs[0]) != 3 {
			t.Fatal("want both records")
		}
		// Duplicates do no harm.
		w.coord.mu.Lock()
		w.coord.records = append(w.coord.records, w.coord.records...)
		for i := range w.coord.records {
			w.coord.records[i].Offset = w.coord.start + int64(i)
		}
		w.coord.mu.Unlock()
		w.write(one(0, 100))
		synctest.Wait()
		w.readAll(0, 1<<20)
	})
}

func TestAnUnreadableRecordIsNotSkipped(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		p := w.park(1, time.Hour, w.ask(0, 0, 1<<20))
		w.coord.pause(true)
		w.write(one(0, 100))
		w.coord.mu.Lock()
		w.coord.records[len(w.coord.records)-1].Value = []byte("of a newer release")
		w.coord.mu.Unlock()
		w.coord.pause(false)
		rs := p.want(0)
		w.check(0, 0, &rs[0])
	})
}

// A commit that lands between the coordinator's answer and its arrival comes with the tail, and must not be lost in between.
func TestACommitDuringTheFirstFindSegmentIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		first := true
		w.coord.onFind = func() {
			if first {
				first = false
				w.write(one(0, 100))
				time.Sleep(time.Second) // the tail has it long before
			}
		}
		rs := w.park(1, time.Hour, w.ask(0, 0, 1<<20)).want(time.Second)
		w.check(0, 0, &rs[0])
		w.close()
	})
}

// One that lands between the answer and a new beginning of the tail is in neither: the answer must not be trusted.
func TestAnAnswerOlderThanTheTailsBeginningIsNotTrusted(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		first := true
		w.coord.onFind = func() {
			if first {
				first = false
				w.coord.pause(true)
				w.write(part{partition: 100, batches: batches(1, 1, 10)})
				w.coord.trim()
				w.coord.pause(false)
				time.Sleep(time.Second)
			}
		}
		before := w.coord.finds.Load()
		p := w.park(1, time.Hour, w.ask(100, 0, 1<<20))
		rs := p.want(time.Second)
		w.check(100, 0, &rs[0])
		if w.coord.finds.Load() != before+2 {
			t.Fatalf("%d Find Segments, want 2", w.coord.finds.Load()-before)
		}
	})
}

func TestWithoutTheCoordinatorKnownPartitionsAreRead(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.writeOwn(one(0, 100))
		w.coord.mu.Lock()
		w.coord.failing = kerr.NotCoordinator
		w.coord.mu.Unlock()
		w.readAll(0, 1<<20)
		p := w.park(1, 500*time.Millisecond, w.ask(50, 0, 1))
		if rs := p.want(time.Second); kafka.ErrorCode(rs[0].Err) != kerr.OffsetNotAvailable.Code {
			t.Fatalf("an unknown partition answers %v", rs[0].Err)
		}
		p = w.park(1, 500*time.Millisecond, w.ask(51, 0, 1))
		w.coord.mu.Lock()
		w.coord.failing = nil
		w.coord.mu.Unlock()
		if rs := p.want(500 * time.Millisecond); rs[0].Err != nil {
			t.Fatalf("after the coordinator's return: %v", rs[0].Err)
		}
	})
}

func TestIdlePartitionsAreForgotten(t *testing.T) {
	bubble(t, Config{PartitionIdle: time.Minute, MaxPartitions: 10}, func(t *testing.T, w *world) {
		w.write(one(0, 100))
		w.readAll(0, 1<<20)
		for p := range int32(100) {
			w.fetchOne(p, 0, 1)
			if n := len(w.m.partitions); n > 10 {
				t.Fatalf("%d partitions are followed of 10 at most", n)
			}
		}
		time.Sleep(2 * time.Minute)
		w.fetchOne(200, 0, 1)
		if n := len(w.m.partitions); n != 1 {
			t.Fatalf("%d partitions are followed after an idle time", n)
		}
		if n := w.m.windowEntries.Load() + w.m.pages.entries() + int64(len(w.m.cache.spans.objects)); n != 0 {
			t.Fatalf("%d coordinates of forgotten partitions are kept", n)
		}
		w.readAll(0, 1<<20)
	})
}

func TestListOffsets(t *testing.T) {
	for _, c := range []struct {
		timestamp int64
		logStart  int64
		offset    int64
		at        int64
	}{
		{rpc.LatestTimestamp, 0, 8, -1},
		{rpc.EarliestTimestamp, 2, 2, -1},
		{0, 0, 0, 100},
		{101, 0, 1, 250}, // the second record of the first batch
		{101, 2, 3, 120}, // which is gone: the next that matches
		{200, 2, 4, 400}, // the first coordinate matches with a record that is gone
		{251, 0, 4, 400},
		{401, 0, 6, 500}, // LogAppendTime: every record has it
		{501, 0, -1, -1},
		{rpc.MaxTimestamp, 0, 6, 500},
		{rpc.MaxTimestamp, 7, 7, 500},
	} {
		w := newWorld(t, Config{})
		w.write(timed(0, []int64{100, 250}, []int64{90, 120}), timed(0, []int64{400, 300}))
		w.write(part{partition: 0, logAppendTime: 500, batches: timed(0, []int64{1, 2}).batches})
		w.coord.log(tp(0)).logStart = c.logStart
		got := w.m.ListOffset(t.Context(), w.ask(0, 0, 0).Partition, c.timestamp)
		if got != (ListedOffset{Offset: c.offset, Timestamp: c.at}) {
			t.Errorf("timestamp %d with log start %d: %+v, want %d at %d", c.timestamp, c.logStart, got, c.offset, c.at)
		}
		w.close()
	}
}

// Many write and read at once: every reader sees every batch, in order, and nothing is held in the end.
func TestConcurrentWritersAndReaders(t *testing.T) {
	w := newWorld(t, Config{CacheBytes: 120_000, TailDistanceBytes: 20_000, CoordinateCacheEntries: 60, PageCoordinates: 7})
	const partitions, objects = 4, 150
	var writes sync.Mutex // a coordinator commits one at a time
	var wg sync.WaitGroup
	for writer := range 2 {
		wg.Go(func() {
			for i := range objects {
				var parts []part
				for p := range int32(partitions) {
					parts = append(parts, part{partition: p, batches: batches(1+i%3, 1+i%2, 50+i)})
				}
				writes.Lock()
				if writer == 0 {
					w.writeOwn(parts...)
				} else {
					w.write(parts...)
				}
				writes.Unlock()
			}
		})
	}
	const end = objects * 2 * 3 // 150 * 2 writers * 2 batches * 1.5 records
	for reader := range 6 {
		wg.Go(func() {
			offsets := make([]int64, partitions)
			high := make([]int64, partitions)
			for slowest := int64(0); slowest < end; {
				req := &FetchRequest{MinBytes: 1, MaxBytes: 20_000, MaxWait: time.Minute}
				for i := range partitions {
					p := (i + reader) % partitions
					req.Partitions = append(req.Partitions, w.ask(int32(p), offsets[p], 4000))
				}
				rs := w.fetch(req)
				slowest = end
				for i := range rs {
					p := int(req.Partitions[i].Partition.Partition)
					if rs[i].Err != nil || rs[i].HighWatermark < high[p] {
						t.Errorf("partition %d: %v, high watermark %d after %d", p, rs[i].Err, rs[i].HighWatermark, high[p])
						return
					}
					high[p] = rs[i].HighWatermark
					offsets[p] = w.check(int32(p), offsets[p], &rs[i])
					slowest = min(slowest, offsets[p])
				}
			}
		})
	}
	wg.Wait()
	w.close()
}
