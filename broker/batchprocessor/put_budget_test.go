package batchprocessor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/inkwell-project/inkwell/objectstorage"
)

func runBudget(t *testing.T, putsPerSecond float64, edit func(*Config), story func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newBudgetWorld(t, putsPerSecond, edit)
		story(t, w)
		w.close()
	})
}

// The budget, and not the interval, says when an object leaves; then it leaves whole.
func TestBudgetPaces(t *testing.T) {
	runBudget(t, 2, func(c *Config) { c.CommitInterval = 250 * time.Millisecond }, func(t *testing.T, w *world) {
		w.append("a", w.request(1, 10, 0)) // the burst: 1.6
		synctest.Wait()
		w.wantPuts(1)
		w.append("b", w.request(2, 10, 0))
		time.Sleep(200 * time.Millisecond) // 0.4 PUTs missed, at 2 per second: nothing does a job
		synctest.Wait()
		w.wantPuts(1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		w.wantPuts(2)
		for i := range 4 {
			w.append(fmt.Sprint("c", i), w.request(int64(3+i), 10, 0))
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		w.wantPuts(2)
		w.append("d", w.request(7, 10, 0)) // 400 ms after the first of them
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		w.wantPuts(3)
		w.wantCodes("c0", 0)
		w.wantCodes("d", 0)
		if got := count(t, w.p.metrics.budgetPaced); got != 1 { // b left within the interval
			t.Errorf("%v objects are said to be paced by the budget, want 1", got)
		}
		if got := count(t, w.p.metrics.budgetOverdrafts); got != 0 {
			t.Errorf("%v overdrafts", got)
		}
		time.Sleep(time.Minute)
		w.append("e", w.request(8, 10, 0)) // the budget has recovered
		synctest.Wait()
		w.wantPuts(4)
	})
}

// It is told at once that the budget paces, and then once a minute.
func TestPacingIsToldOnceAMinute(t *testing.T) {
	runBudget(t, 1, nil, func(t *testing.T, w *world) {
		for i := range 600 {
			w.append(fmt.Sprint(i), w.request(int64(i), 10, 0))
			time.Sleep(100*time.Millisecond + time.Microsecond)
		}
		synctest.Wait()
		if got := w.logged.Count("storage.put.budget.per.second"); got != 1 {
			t.Errorf("told %d times within a minute, want once", got)
		}
		for i := range 50 {
			w.append(fmt.Sprint("later", i), w.request(int64(600+i), 10, 0))
			time.Sleep(100 * time.Millisecond)
		}
		if got := w.logged.Count("storage.put.budget.per.second"); got != 2 {
			t.Errorf("told %d times in 65 s, want twice", got)
		}
		time.Sleep(10 * time.Second)
	})
}

// A request is held back for a quarter of its time, also behind one that has more.
func TestBudgetNeverTimesARequestOut(t *testing.T) {
	edit := func(c *Config) { c.MaxObjectBytes, c.GroupBytes = 1024, 1 }
	runBudget(t, 0.01, edit, func(t *testing.T, w *world) {
		w.append("first", w.request(1, 10, 0)) // the one there is
		synctest.Wait()
		patient := w.request(2, 600, 0)
		patient.Deadline = time.Now().Add(time.Hour)
		w.append("patient", patient)
		time.Sleep(time.Second)
		hasty := w.request(3, 600, 1) // does not fit: the patient one's object is closed
		hasty.Deadline = time.Now().Add(2 * time.Second)
		w.append("hasty", hasty)
		last := w.request(4, 600, 2)
		last.Deadline = patient.Deadline
		w.append("last", last)
		time.Sleep(500*time.Millisecond - 1)
		synctest.Wait()
		w.wantPuts(1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.wantPuts(3)
		w.wantCodes("patient", 0)
		w.wantCodes("hasty", 0)
		w.wantCodes("last") // has time
		if got := count(t, w.p.metrics.budgetOverdrafts); got != 2 {
			t.Errorf("%v overdrafts, want 2", got)
		}
	})
}

const loadTime = 30 * time.Second

// load has producers that each wait for an answer before they go on, for a time, and returns the PUTs per second.
func load(t *testing.T, w *world, producers, valueBytes int, timeout, during time.Duration) float64 {
	end := time.Now().Add(during)
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				req := w.request(time.Now().UnixNano(), valueBytes, p)
				req.Deadline = time.Now().Add(timeout)
				answered := make(chan AppendResult, 1)
				w.p.Append(context.Background(), req, func(r AppendResult) { answered <- r })
				req.Frame.Release()
				if r := <-answered; r.Partitions[0].Error != 0 {
					t.Errorf("request %d of producer %d was answered %d", i, p, r.Partitions[0].Error)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(w.bucket.putCount()) / during.Seconds()
}

// Within what objects of their largest size can carry, flush keeps to the budget: 20 requests of about 1,300 bytes fit in one.
func TestFlushKeepsToTheBudget(t *testing.T) {
	edit := func(c *Config) { c.MaxObjectBytes, c.MaxBufferedBytes = 32<<10, 128<<10 }
	runBudget(t, 4, edit, func(t *testing.T, w *world) {
		w.bucket.delay = 20 * time.Millisecond
		if got := load(t, w, 20, 600, 30*time.Second, loadTime); got > 4.2 || got < 3.5 {
			t.Errorf("%.2f PUTs per second, the budget is 4", got)
		}
		if got := count(t, w.p.metrics.budgetOverdrafts); got != 0 {
			t.Errorf("%v overdrafts", got)
		}
	})
	runBudget(t, 4, edit, func(t *testing.T, w *world) { // with jobs that take what they can
		w.bucket.delay = 20 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), loadTime)
		defer cancel()
		jobs := 0
		var working sync.WaitGroup
		working.Go(func() {
			for w.budget.WaitJob(ctx) == nil {
				jobs++
			}
		})
		got := load(t, w, 20, 600, 30*time.Second, loadTime)
		working.Wait()
		if perSecond := float64(jobs) / loadTime.Seconds(); perSecond < 0.79 || perSecond > 1 || got+perSecond > 4.2 {
			t.Errorf("%.2f PUTs per second of jobs, %.2f of flush; the budget is 4", perSecond, got)
		}
	})
}

// Far beyond what budget and memory can carry, producers wait for memory, and no request is refused or times out: the budget gives way.
func TestOverloadPushesBack(t *testing.T) {
	runBudget(t, 1, func(c *Config) { c.MaxObjectBytes, c.MaxBufferedBytes = 4<<10, 12<<10 }, func(t *testing.T, w *world) {
		w.bucket.delay = 5 * time.Millisecond
		load(t, w, 200, 600, 4*time.Second, 10*time.Second)
		if count(t, w.p.metrics.pushBacks) == 0 || count(t, w.p.metrics.budgetOverdrafts) == 0 {
			t.Error("there was no overload")
		}
	})
}

// Each repetition is a PUT, too: those of the Processor and those of the bucket below.
func TestRepetitionsAreInTheBudget(t *testing.T) {
	runBudget(t, 10, nil, func(t *testing.T, w *world) {
		bucket, err := objectstorage.Retrying(w.bucket, objectstorage.RetryConfig{Attempts: 2, BaseBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		w.p.deps.Bucket = bucket
		w.bucket.onPut = func(_ context.Context, n int, _ [][]byte, stored bool) error {
			if n < 7 && !stored {
				return errors.New("reset")
			}
			return nil
		}
		w.append("a", w.request(1, 10, 0))
		time.Sleep(100 * time.Millisecond)
		w.wantPuts(8)
		w.wantCodes("a", 0)
		if free := tokens(w); free > 1 { // of 8, and one for the time
			t.Errorf("%d PUTs are left after 8", free)
		}
	})
}

func count(t *testing.T, c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// tokens takes what is left for flush.
func tokens(w *world) (n int) {
	for now := time.Now(); !w.budget.At(now).After(now); n++ {
		w.budget.Take(now)
	}
	return n
}
