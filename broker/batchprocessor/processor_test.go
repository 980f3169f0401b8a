package batchprocessor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is a story in virtual time that ends with an orderly Close, after which every request was answered once and every frame is free.
func run(t *testing.T, edit func(*Config), story func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, edit)
		story(t, w)
		w.close()
	})
}

func TestOneRequest(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.append("a", w.request(1, 10, 0, 3, 11))
		synctest.Wait()
		w.wantPuts(1)
		w.wantCodes("a", 0, 0, 0)
		w.append("b", w.request(2, 10, 3))
		synctest.Wait()
		if got := w.answers["b"][0].Partitions[0]; got.BaseOffset != 2 || got.LogAppendTime != -1 {
			t.Errorf("%+v", got)
		}
		if len(w.sunk) != 3 { // two coordinators, then one
			t.Errorf("%d parts", len(w.sunk))
		}
		if got := w.p.AcknowledgedBelow(); got != 2 {
			t.Errorf("acknowledged below %d", got)
		}
	})
}

func TestIdleMakesNoPut(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		w.append("a", w.request(1, 10, 0))
		time.Sleep(24 * time.Hour)
		w.wantPuts(1)
		w.p.mu.Lock()
		if !w.p.timerAt.IsZero() {
			t.Error("an idle Processor has a timer")
		}
		w.p.mu.Unlock()
	})
}

func TestObjectWaitsForCompanyOnlyWhileAnotherUploads(t *testing.T) {
	run(t, func(c *Config) { c.GroupWait = 10 * time.Millisecond }, func(t *testing.T, w *world) {
		w.bucket.delay = 100 * time.Millisecond
		w.append("first", w.request(1, 10, 0))
		synctest.Wait()
		w.wantPuts(1)
		w.append("second", w.request(2, 10, 0))
		time.Sleep(9 * time.Millisecond)
		w.append("third", w.request(3, 10, 1))
		synctest.Wait()
		w.wantPuts(1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		w.wantPuts(2)
		w.append("large", w.request(4, 600<<10, 1)) // GroupBytes is 1 MiB, two records
		synctest.Wait()
		w.wantPuts(3)
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantLog("0/0@0", "1/0@2", "1/1@0", "2/1@2")
	})
}

// A producer with requests in flight sends one for each answer. They share an object: the first of them does not leave without the others.
func TestProducersThatWereAnsweredAreAwaited(t *testing.T) {
	run(t, func(c *Config) { c.GroupWait = 10 * time.Millisecond; c.ReturnWait = 2 * time.Millisecond }, func(t *testing.T, w *world) {
		w.bucket.delay = 5 * time.Millisecond
		w.append("alone", w.request(1, 10, 0))
		synctest.Wait()
		w.wantPuts(1) // nobody is awaited
		w.append("b", w.request(2, 10, 0))
		w.append("c", w.request(3, 10, 0))
		time.Sleep(5 * time.Millisecond) // "alone" is answered and may come back
		synctest.Wait()
		w.wantPuts(1)
		w.append("alone again", w.request(4, 10, 0))
		synctest.Wait()
		w.wantPuts(2) // all three
		time.Sleep(5 * time.Millisecond)
		w.append("b again", w.request(5, 10, 0))
		synctest.Wait()
		w.wantPuts(2)
		time.Sleep(2*time.Millisecond - 1)
		synctest.Wait()
		w.wantPuts(2)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.wantPuts(3) // the others did not come back in time
		time.Sleep(time.Second)
		w.append("later", w.request(6, 10, 0))
		synctest.Wait()
		w.wantPuts(4) // and are not awaited for ever
	})
}

// While its partition's commit is slow, a small object waits no longer than GroupWait.
func TestObjectWaitsForACommitAtMostGroupWait(t *testing.T) {
	run(t, func(c *Config) { c.GroupWait = 10 * time.Millisecond }, func(t *testing.T, w *world) {
		w.coord.before = func(ctx context.Context, _ int, _ *rpc.CommitObjectsRequest) error {
			return clock.Sleep(ctx, clock.System, time.Second)
		}
		w.append("a", w.request(1, 10, 0))
		synctest.Wait()
		w.append("b", w.request(2, 10, 1))
		time.Sleep(10*time.Millisecond - 1)
		synctest.Wait()
		w.wantPuts(1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.wantPuts(2)
		time.Sleep(3 * time.Second)
	})
}

// With every slot taken the open object grows until it is full, and full objects wait for a slot.
func TestSlots(t *testing.T) {
	run(t, func(c *Config) { c.UploadSlots = 2; c.MaxObjectBytes = 1024; c.GroupBytes = 1 }, func(t *testing.T, w *world) {
		w.bucket.delay = time.Second
		for i := range 10 {
			w.append(fmt.Sprint(i), w.request(int64(i), 100, 0)) // about 290 bytes
		}
		synctest.Wait()
		w.wantPuts(2)
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantPuts(4)
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantPuts(5) // 1, 1, 3, 3, 2
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantLog("0/0@0", "1/0@2", "2/0@4", "2/0@6", "2/0@8", "3/0@10", "3/0@12", "3/0@14", "4/0@16", "4/0@18")
	})
}

func TestRequestLargerThanAnObjectIsSplit(t *testing.T) {
	run(t, func(c *Config) { c.MaxObjectBytes = 2000 }, func(t *testing.T, w *world) {
		w.append("a", w.request(1, 400, 0, 1, 2, 3, 4))
		synctest.Wait()
		w.wantPuts(3)
		w.wantCodes("a", 0, 0, 0, 0, 0)
		w.append("alone", w.request(2, 5000, 0)) // larger than an object by itself
		synctest.Wait()
		w.wantCodes("alone", 0)
	})
}

// A slow PUT holds back the objects that share a partition with it, and theirs, but no others.
func TestSlowPutHoldsBackItsPartitionsOnly(t *testing.T) {
	run(t, func(c *Config) { c.GroupBytes = 1 }, func(t *testing.T, w *world) {
		w.bucket.onPut = func(ctx context.Context, n int, _ [][]byte, stored bool) error {
			if n == 0 && !stored {
				time.Sleep(5 * time.Second)
			}
			return nil
		}
		w.append("slow", w.request(1, 10, 0))
		synctest.Wait() // it is PUT number 0
		w.append("shares", w.request(2, 10, 0, 1))
		w.append("behind", w.request(3, 10, 1))
		w.append("free", w.request(4, 10, 2))
		w.append("elsewhere", w.request(5, 10, 12))
		synctest.Wait()
		w.wantPuts(5)
		w.wantCodes("free", 0)
		w.wantCodes("elsewhere", 0)
		w.wantCodes("behind")
		w.wantCodes("shares")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.wantCodes("slow", 0)
		w.wantCodes("behind", 0)
		w.coord.mu.Lock()
		defer w.coord.mu.Unlock()
		if got := fmt.Sprint(w.coord.order[tp(0)], w.coord.order[tp(1)]); got != "[1 2] [2 3]" {
			t.Error(got)
		}
		if w.coord.calls > 4 { // free and elsewhere; the others go in one call when the slow one is there
			t.Errorf("%d calls", w.coord.calls)
		}
	})
}

// While one call is under way, everything that gets ready goes into the next one.
func TestCommitsAreBatched(t *testing.T) {
	run(t, func(c *Config) { c.GroupBytes = 1 }, func(t *testing.T, w *world) {
		var sizes []int
		w.coord.before = func(_ context.Context, n int, req *rpc.CommitObjectsRequest) error {
			sizes = append(sizes, len(req.Objects))
			time.Sleep(time.Second)
			return nil
		}
		for i := range 8 {
			w.append(fmt.Sprint(i), w.request(int64(i), 10, 0))
			synctest.Wait() // the first is on its way before the others are there
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := fmt.Sprint(sizes); got != "[1 7]" {
			t.Error(got)
		}
	})
}

func TestUnknownOutcomeIsAskedUntilKnown(t *testing.T) {
	for _, applied := range []bool{false, true} {
		run(t, nil, func(t *testing.T, w *world) {
			broken := func(_ context.Context, n int, _ *rpc.CommitObjectsRequest) error {
				switch n {
				case 0:
					return kafka.ErrUnknownOutcome
				case 1:
					return kerr.NotCoordinator
				case 2:
					return context.DeadlineExceeded
				}
				return nil
			}
			if applied {
				w.coord.after = broken
			} else {
				w.coord.before = broken
			}
			w.append("a", w.request(1, 10, 0))
			w.append("b", w.request(2, 10, 0))
			time.Sleep(10 * time.Second)
			w.wantCodes("a", 0)
			w.wantCodes("b", 0)
			w.wantLog("0/0@0", "1/0@2")
		})
	}
}

// A producer's time runs out while the outcome is unknown. The object stays, and is settled later.
func TestRequestTimesOutWhileTheObjectStays(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.coord.before = func(_ context.Context, n int, _ *rpc.CommitObjectsRequest) error {
			if n < 20 {
				return kafka.ErrUnknownOutcome
			}
			return nil
		}
		req := w.request(1, 10, 0)
		start := time.Now()
		req.Deadline = start.Add(1500 * time.Millisecond)
		w.append("impatient", req)
		w.append("patient", w.request(2, 10, 0))
		time.Sleep(time.Minute)
		w.wantCodes("impatient", kerr.RequestTimedOut.Code)
		if d := w.at["impatient"].Sub(start); d != 1500*time.Millisecond {
			t.Error("answered after", d)
		}
		w.wantCodes("patient", 0)
		w.wantLog("0/0@0", "1/0@2")
	})
}

// Whoever hears of a commit before its answer is here can wait until the sink was told.
func TestUntoldEndsWhenTheSinkIsTold(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.coord.after = func(context.Context, int, *rpc.CommitObjectsRequest) error {
			time.Sleep(time.Second)
			return nil
		}
		w.append("a", w.request(1, 10, 0))
		synctest.Wait()
		id := kafka.ObjectID{Epoch: w.p.cfg.BrokerEpoch}
		told := w.p.Untold(0, id)
		if told == nil || w.p.Untold(7, id) != nil || w.p.Untold(0, kafka.ObjectID{Epoch: id.Epoch + 1}) != nil || w.p.Untold(0, kafka.ObjectID{Epoch: id.Epoch, Sequence: 1}) != nil {
			t.Fatalf("%v: only what is under way is waited for", told)
		}
		start := time.Now()
		<-told
		took := time.Since(start)
		synctest.Wait()
		if took != time.Second || len(w.sunk) != 1 {
			t.Errorf("told after %s, %d parts", took, len(w.sunk))
		}
		if w.p.Untold(0, id) != nil {
			t.Error("a settled object is still untold")
		}
	})
}

func TestFencedEpoch(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.coord.before = func(context.Context, int, *rpc.CommitObjectsRequest) error {
			return fmt.Errorf("commit: %w", kerr.StaleBrokerEpoch)
		}
		w.append("a", w.request(1, 10, 0))
		w.append("b", w.request(2, 10, 1))
		time.Sleep(time.Second)
		w.append("later", w.request(3, 10, 0))
		for _, name := range []string{"a", "b", "later"} {
			w.wantCodes(name, kerr.NotLeaderForPartition.Code)
		}
		if w.fenced != 1 {
			t.Errorf("the hook was called %d times", w.fenced)
		}
	})
}

func TestResultsArePerBatch(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.bucket.delay = time.Second
		w.coord.refuse = func(b rpc.BatchCommit) rpc.BatchResult {
			switch b.MaxTimestamp {
			case 2:
				return rpc.BatchResult{Error: kerr.OutOfOrderSequenceNumber.Code, BaseOffset: -1, AppendTimestamp: -1}
			case 4:
				return rpc.BatchResult{Duplicate: true, BaseOffset: 77, AppendTimestamp: -1}
			case 5:
				return rpc.BatchResult{Duplicate: true, BaseOffset: -1, AppendTimestamp: -1}
			}
			return rpc.BatchResult{AppendTimestamp: 99}
		}
		w.append("0", w.request(0, 10, 5)) // occupies the upload, so that the others are in one object
		for i := 1; i <= 6; i++ {
			w.append(fmt.Sprint(i), w.request(int64(i), 10, 0))
		}
		time.Sleep(5 * time.Second)
		w.wantPuts(2)
		w.wantCodes("1", 0)
		w.wantCodes("2", kerr.OutOfOrderSequenceNumber.Code)
		w.wantCodes("3", 0)
		w.wantCodes("4", 0)
		w.wantCodes("5", kerr.DuplicateSequenceNumber.Code)
		w.wantCodes("6", 0)
		if got := w.answers["4"][0].Partitions[0].BaseOffset; got != 77 {
			t.Error(got)
		}
		if got := w.answers["6"][0].Partitions[0]; got.BaseOffset != 4 || got.LogAppendTime != 99 {
			t.Errorf("%+v", got)
		}
		runs := w.sunk[1].Segments[0].Runs
		size := int32(len(recordbatchtest.Simple(2, 10, 1)))
		if len(runs) != 3 || runs[1].Coordinate.Position != runs[0].Coordinate.Position+int64(2*size) || runs[2].Coordinate.BaseOffset != 4 || runs[2].Coordinate.LastOffset != 5 || runs[2].Coordinate.MaxTimestamp != 99 {
			t.Errorf("%+v", runs)
		}
	})
}

// A store that fails for longer than UploadTimeout is a definite failure: nothing was committed, and what comes later has its own fate.
func TestUploadFailsForGood(t *testing.T) {
	run(t, func(c *Config) { c.UploadTimeout = 5 * time.Second; c.GroupBytes = 1 }, func(t *testing.T, w *world) {
		broken := true
		w.bucket.onPut = func(_ context.Context, n int, _ [][]byte, stored bool) error {
			if broken {
				return errors.New("503")
			}
			return nil
		}
		w.append("a", w.request(1, 10, 0))
		w.append("b", w.request(2, 10, 0))
		time.Sleep(6 * time.Second)
		w.wantCodes("a", kerr.KafkaStorageError.Code)
		w.wantCodes("b", kerr.KafkaStorageError.Code)
		broken = false
		w.append("c", w.request(3, 10, 0))
		synctest.Wait()
		w.wantCodes("c", 0)
		w.wantLog("2/0@0")
	})
}

// Memory is bounded: an Append that does not fit waits, and goes on when an object is settled, or gives up at its deadline.
func TestAppendIsPushedBack(t *testing.T) {
	run(t, func(c *Config) { c.MaxObjectBytes = 1024; c.MaxBufferedBytes = 1024; c.UploadSlots = 1 }, func(t *testing.T, w *world) {
		w.bucket.delay = 9 * time.Second    // less than UploadAttemptTimeout
		w.append("a", w.request(1, 400, 0)) // about 900 bytes
		returned := make(chan string, 2)
		go func() {
			w.append("b", w.request(2, 400, 0))
			returned <- "b"
		}()
		synctest.Wait()
		go func() {
			req := w.request(3, 400, 0)
			req.Deadline = time.Now().Add(5 * time.Second)
			w.append("c", req)
			returned <- "c"
		}()
		time.Sleep(4 * time.Second)
		if len(returned) != 0 {
			t.Error("not pushed back")
		}
		time.Sleep(2 * time.Second)
		w.wantCodes("c", kerr.RequestTimedOut.Code)
		time.Sleep(20 * time.Second)
		w.wantCodes("a", 0)
		w.wantCodes("b", 0)
		w.append("larger than all", w.request(4, 4000, 0))
		time.Sleep(20 * time.Second)
		w.wantCodes("larger than all", 0)
	})
}

func TestCloseDrains(t *testing.T) {
	runBudget(t, 0.001, nil, func(t *testing.T, w *world) {
		w.bucket.delay = time.Second
		w.append("a", w.request(1, 10, 0))
		w.append("b", w.request(2, 10, 0))
		start := time.Now()
		w.close()
		if d := time.Since(start); d != time.Second {
			t.Error("Close took", d)
		}
		w.wantCodes("a", 0)
		w.wantCodes("b", 0)
		w.append("late", w.request(3, 10, 0))
		w.wantCodes("late", kafka.ErrorCode(kafka.ErrClosed))
	})
}

func TestCloseGivesUpAtItsDeadline(t *testing.T) {
	run(t, func(c *Config) { c.RequestTimeout = time.Hour }, func(t *testing.T, w *world) {
		w.coord.before = func(ctx context.Context, _ int, _ *rpc.CommitObjectsRequest) error {
			<-ctx.Done()
			return ctx.Err()
		}
		w.append("a", w.request(1, 10, 0))
		w.append("b", w.request(2, 10, 0))
		w.close()
		w.wantCodes("a", kafka.ErrorCode(kafka.ErrClosed))
		w.wantCodes("b", kafka.ErrorCode(kafka.ErrClosed))
	})
}

// The n-th storage call fails, before or after it took effect, for n = 0, 1, ... until the story needs no more calls. Nothing is lost, doubled or reordered.
func TestEveryStorageCallFailsOnce(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			failed := false
			run(t, func(c *Config) { c.GroupBytes = 1 }, func(t *testing.T, w *world) {
				w.bucket.onPut = func(_ context.Context, call int, _ [][]byte, stored bool) error {
					if call == n && stored == after {
						failed = true
						return errors.New("connection reset")
					}
					return nil
				}
				for i := range 5 {
					w.append(fmt.Sprint(i), w.request(int64(i), 10, 0, i+1))
				}
				time.Sleep(time.Minute)
				for i := range 5 {
					w.wantCodes(fmt.Sprint(i), 0, 0)
				}
				if got := fmt.Sprint(w.coord.order[tp(0)]); got != "[0 1 2 3 4]" {
					t.Error(got)
				}
			})
			if !failed {
				break
			}
		}
	}
}

// The key is taken by somebody else's bytes: never committed as ours.
func TestForeignObject(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.bucket.objects[kafka.ObjectID{Epoch: 7}.Key("c")] = make([]byte, 5000)
		w.append("a", w.request(1, 10, 0))
		synctest.Wait()
		w.wantCodes("a", kerr.KafkaStorageError.Code)
		w.wantLog()
	})
}

// Whatever the world does, each request is answered once, in the order of its partition if it succeeded, and everything is released.
func TestRandomStories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		putFails := rapid.SliceOfN(rapid.IntRange(0, 9), 40, 40).Draw(rt, "puts")
		commitFails := rapid.SliceOfN(rapid.IntRange(0, 9), 40, 40).Draw(rt, "commits")
		delays := rapid.SliceOfN(rapid.IntRange(0, 300), 40, 40).Draw(rt, "delays")
		partitions := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.IntRange(0, 25), 1, 4, rapid.ID), 1, 30).Draw(rt, "requests")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 30), 30, 30).Draw(rt, "pauses")
		slots := rapid.IntRange(1, 5).Draw(rt, "slots")
		budget := rapid.SampledFrom([]float64{0, 0, 3}).Draw(rt, "budget")
		synctest.Test(t, func(t *testing.T) {
			w := newBudgetWorld(t, budget, func(c *Config) {
				c.MaxObjectBytes, c.MaxBufferedBytes, c.UploadSlots = 2000, 6000, slots
				c.UploadTimeout, c.RequestTimeout = 2*time.Second, 3*time.Second
			})
			w.bucket.onPut = func(ctx context.Context, n int, _ [][]byte, stored bool) error {
				time.Sleep(time.Duration(delays[n%40]) * time.Millisecond)
				if f := putFails[n%40]; f == 0 && !stored || f == 1 && stored {
					return errors.New("reset")
				}
				return nil
			}
			w.coord.before = func(_ context.Context, n int, _ *rpc.CommitObjectsRequest) error {
				time.Sleep(time.Duration(delays[(n+7)%40]) * time.Millisecond)
				if commitFails[n%40] == 0 {
					return kerr.NotCoordinator
				}
				return nil
			}
			w.coord.after = func(_ context.Context, n int, _ *rpc.CommitObjectsRequest) error {
				if commitFails[n%40] == 1 {
					return kafka.ErrUnknownOutcome
				}
				return nil
			}
			for i, ps := range partitions {
				w.append(fmt.Sprint(i), w.request(int64(i), 100, ps...))
				time.Sleep(time.Duration(pauses[i%30]) * time.Millisecond)
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait() // what ended before is seen, the race detector knows
			for i := range partitions {
				if w.codes(fmt.Sprint(i)) == nil {
					t.Errorf("request %d was not answered", i)
				}
			}
			for tp, marks := range w.coord.order {
				for i := 1; i < len(marks); i++ {
					if marks[i-1] >= marks[i] {
						t.Errorf("%v has order %v", tp, marks)
					}
				}
			}
			w.close()
		})
	})
}
