package objectstorage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a memory bucket that can be broken, behind retries that wait as long as the config says.
type store struct {
	objectstorage.Bucket
	faulty *faulty.Bucket
	memory *memory.Bucket
}

func newStore(t *testing.T, cfg objectstorage.RetryConfig) store {
	t.Helper()
	if cfg.Rand == nil {
		cfg.Rand = func() float64 { return 0 }
	}
	s := store{memory: memory.New()}
	s.faulty = faulty.New(s.memory, faulty.Config{Rand: func() float64 { return 0 }})
	var err error
	if s.Bucket, err = objectstorage.Retrying(s.faulty, cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestRetryingConformance(t *testing.T) {
	objectstoragetest.Run(t, func(t *testing.T) objectstorage.Bucket { return newStore(t, objectstorage.RetryConfig{}).Bucket })
}

// Through a store that fails now and then, before or after the fact, the contract still holds.
func TestRetryingConformanceWithFaults(t *testing.T) {
	objectstoragetest.Suite{SameBytesMayWin: true}.Run(t, func(t *testing.T) objectstorage.Bucket {
		n := 0.0
		b := faulty.New(memory.New(), faulty.Config{ErrorRate: 0.1, Rand: lockedSequence(func() float64 {
			n += 0.6180339887 // evenly spread and the same each time
			return n - float64(int(n))
		})})
		r, err := objectstorage.Retrying(b, objectstorage.RetryConfig{Attempts: 20, BaseBackoff: time.Microsecond, MaxBackoff: time.Microsecond})
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

func lockedSequence(next func() float64) func() float64 {
	turn := make(chan struct{}, 1)
	return func() float64 {
		turn <- struct{}{}
		defer func() { <-turn }()
		return next()
	}
}

// The n-th request to the store fails, for n = 1, 2, 3 ..., before or after it was done, until the story no longer
// reaches it. The story must end well every time, or say that it does not know.
func TestPutSurvivesAnyOneFault(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for n := 1; ; n++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				s := newStore(t, objectstorage.RetryConfig{})
				s.faulty.Inject(faulty.Rule{Nth: n, Fault: faulty.Fault{Lost: lost}})
				for i := range 3 {
					key := fmt.Sprintf("object/%d", i)
					body := objectstoragetest.Body(uint64(i), 5000)
					if err := s.PutIfAbsent(t.Context(), key, body); err != nil {
						t.Fatalf("fault at request %d, lost %v: put %d: %v", n, lost, i, err)
					}
					got := make([]byte, 5000)
					if err := s.memory.GetRange(t.Context(), key, 0, got); err != nil || !bytes.Equal(got, bytes.Join(body, nil)) {
						t.Fatalf("fault at request %d, lost %v: acknowledged but not there: %v", n, lost, err)
					}
				}
				reached = s.faulty.Failed() > 0
			})
			if !reached {
				break
			}
		}
	}
}

// Two faults in a row: the answer to the put is lost, and so is the comparison that would settle it.
func TestPutSettlesAfterLostAnswerAndFailedComparison(t *testing.T) {
	for _, op := range []faulty.Op{faulty.Head, faulty.Get} {
		for _, fault := range []faulty.Fault{{}, {Hang: true}, {Err: objectstorage.ErrThrottled}} {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(t, objectstorage.RetryConfig{})
				s.faulty.Inject(faulty.Rule{Op: faulty.Put, Fault: faulty.Fault{Lost: true}})
				s.faulty.Inject(faulty.Rule{Op: op, Fault: fault})
				if err := s.PutIfAbsent(t.Context(), "k", objectstoragetest.Body(1, 100)); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// The answer is lost and somebody else's bytes are under the key: not ours, whatever their length.
func TestPutNeverTakesForeignBytesForItsOwn(t *testing.T) {
	body := [][]byte{[]byte("our own"), nil, []byte(" bytes")}
	for _, foreign := range []string{"our own bytex", "xur own bytes", "our own", "", "our own bytes and more"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(t, objectstorage.RetryConfig{})
			if err := s.memory.PutIfAbsent(t.Context(), "k", [][]byte{[]byte(foreign)}); err != nil {
				t.Fatal(err)
			}
			s.faulty.FailNth(1, nil)
			wantIs(t, s.PutIfAbsent(t.Context(), "k", body), objectstorage.ErrExists)
		})
	}
	if string(bytes.Join(body, nil)) != "our own bytes" || len(body) != 3 {
		t.Error("the body was changed")
	}
}

// Without an unknown outcome a taken key is a refusal, also when the bytes are the same.
func TestPutOfTakenKeyIsRefusedAtOnce(t *testing.T) {
	s := newStore(t, objectstorage.RetryConfig{})
	body := objectstoragetest.Body(1, 100)
	if err := s.PutIfAbsent(t.Context(), "k", body); err != nil {
		t.Fatal(err)
	}
	wantIs(t, s.PutIfAbsent(t.Context(), "k", body), objectstorage.ErrExists)
	if s.faulty.Calls(faulty.Put) != 2 || s.faulty.Calls(faulty.Any) != 2 {
		t.Errorf("%d requests", s.faulty.Calls(faulty.Any))
	}
}

// ErrDenied promises that nothing is stored. After a request of unknown outcome nobody can promise that.
func TestDeniedAfterUnknownOutcomeIsNoPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{})
		s.faulty.LoseNth(1, nil)
		s.faulty.FailNth(2, objectstorage.ErrDenied)
		err := s.PutIfAbsent(t.Context(), "k", nil)
		if err == nil || errors.Is(err, objectstorage.ErrDenied) {
			t.Fatal(err)
		}
		if s.faulty.Calls(faulty.Put) != 2 {
			t.Errorf("%d puts", s.faulty.Calls(faulty.Put))
		}
	})
	s := newStore(t, objectstorage.RetryConfig{})
	s.faulty.FailNth(1, objectstorage.ErrDenied)
	wantIs(t, s.PutIfAbsent(t.Context(), "k", nil), objectstorage.ErrDenied)
}

func TestWhatIsNotRepeated(t *testing.T) {
	for _, err := range []error{objectstorage.ErrNotFound, objectstorage.ErrDenied, objectstorage.ErrFull, objectstorage.ErrNoBucket, objectstorage.ErrClosed} {
		s := newStore(t, objectstorage.RetryConfig{})
		s.faulty.Inject(faulty.Rule{Times: -1, Fault: faulty.Fault{Err: err}})
		wantIs(t, s.GetRange(t.Context(), "k", 0, nil), err)
		_, headErr := s.Head(t.Context(), "k")
		wantIs(t, headErr, err)
		_, listErr := s.List(t.Context(), "", "", 1)
		wantIs(t, listErr, err)
		wantIs(t, s.DeleteMany(t.Context(), []string{"k"})[0], err)
		if n := s.faulty.Calls(faulty.Any); n != 4 {
			t.Errorf("%v: %d requests for 4 calls", err, n)
		}
	}
}

func TestShortReadsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{})
		if err := s.PutIfAbsent(t.Context(), "k", [][]byte{[]byte("0123456789")}); err != nil {
			t.Fatal(err)
		}
		s.faulty.Inject(faulty.Rule{Op: faulty.Get, Fault: faulty.Fault{Short: true}})
		got := make([]byte, 4)
		if err := s.GetRange(t.Context(), "k", 2, got); err != nil || string(got) != "2345" {
			t.Fatalf("%v, %q", err, got)
		}
	})
}

func TestBackoffAndAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{Attempts: 5, BaseBackoff: 100 * time.Millisecond, MaxBackoff: 300 * time.Millisecond})
		s.faulty.Inject(faulty.Rule{Times: -1, Fault: faulty.Fault{Err: objectstorage.ErrThrottled}})
		start := time.Now()
		_, err := s.Head(t.Context(), "k")
		wantIs(t, err, objectstorage.ErrThrottled)
		if took := time.Since(start); took != 900*time.Millisecond { // 100 + 200 + 300 + 300
			t.Errorf("took %v", took)
		}
		if n := s.faulty.Calls(faulty.Head); n != 5 {
			t.Errorf("%d requests, want 5", n)
		}
	})
}

func TestHangingRequestIsGivenUpAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{AttemptTimeout: 2 * time.Second, BaseBackoff: 50 * time.Millisecond})
		s.faulty.Inject(faulty.Rule{Op: faulty.Put, Fault: faulty.Fault{Hang: true, Lost: true}})
		start := time.Now()
		if err := s.PutIfAbsent(t.Context(), "k", nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2050*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestTotalTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{Attempts: 100, AttemptTimeout: 10 * time.Second, TotalTimeout: 25 * time.Second})
		s.faulty.Inject(faulty.Rule{Times: -1, Fault: faulty.Fault{Hang: true}})
		start := time.Now()
		err := s.GetRange(t.Context(), "k", 0, nil)
		wantIs(t, err, context.DeadlineExceeded)
		if took := time.Since(start); took != 25*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestCallersDeadlineWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{})
		s.faulty.Inject(faulty.Rule{Times: -1, Fault: faulty.Fault{Hang: true}})
		reason := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(reason) })
		start := time.Now()
		wantIs(t, s.PutIfAbsent(ctx, "k", nil), reason)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		errs := s.DeleteMany(ctx, []string{"a", "b"})
		if len(errs) != 2 || !errors.Is(errs[0], reason) || !errors.Is(errs[1], reason) {
			t.Errorf("delete: %v", errs)
		}
	})
}

// What a delete has removed stays removed, and only what failed is asked for again.
func TestDeleteKeepsPartialSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{})
		var keys []string
		for i := range 2500 {
			keys = append(keys, fmt.Sprintf("k/%04d", i))
			if err := s.memory.PutIfAbsent(t.Context(), keys[i], nil); err != nil {
				t.Fatal(err)
			}
		}
		s.faulty.Inject(faulty.Rule{Op: faulty.Delete, Key: "k/1000", Fault: faulty.Fault{Short: true}})
		s.faulty.Inject(faulty.Rule{Op: faulty.Delete, Key: "k/2000", Times: -1, Fault: faulty.Fault{Err: objectstorage.ErrDenied}})
		errs := s.DeleteMany(t.Context(), keys)
		for i, err := range errs {
			if denied := i >= 2000; denied != errors.Is(err, objectstorage.ErrDenied) || !denied && err != nil {
				t.Fatalf("key %d: %v", i, err)
			}
		}
		if n := s.faulty.Calls(faulty.Delete); n != 4 {
			t.Errorf("%d requests, want 3 pages and half of one again", n)
		}
		left, err := s.memory.List(t.Context(), "", "", 5000)
		if err != nil || len(left) != 500 {
			t.Errorf("%d left, %v", len(left), err)
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		s := newStore(t, objectstorage.RetryConfig{Registerer: reg})
		if _, err := objectstorage.Retrying(memory.New(), objectstorage.RetryConfig{Registerer: reg}); err != nil {
			t.Fatalf("a second bucket of the process: %v", err)
		}
		s.faulty.LoseNth(1, nil)
		if err := s.PutIfAbsent(t.Context(), "k", [][]byte{make([]byte, 700)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		want := `inkwell_objectstorage_bytes_total{get} 700
inkwell_objectstorage_bytes_total{head} 0
inkwell_objectstorage_last_success_age_seconds{delete} 5.05
inkwell_objectstorage_last_success_age_seconds{get} 5
inkwell_objectstorage_last_success_age_seconds{head} 5
inkwell_objectstorage_last_success_age_seconds{list} 5.05
inkwell_objectstorage_last_success_age_seconds{put} 5.05
inkwell_objectstorage_requests_in_flight{get} 0
inkwell_objectstorage_requests_in_flight{head} 0
inkwell_objectstorage_requests_in_flight{put} 0
inkwell_objectstorage_requests_total{get,ok} 1
inkwell_objectstorage_requests_total{head,ok} 1
inkwell_objectstorage_requests_total{put,error} 1
inkwell_objectstorage_requests_total{put,exists} 1
`
		if got := gathered(t, reg); got != want {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
	})
}

// gathered is what the registry holds, histograms left out.
func gathered(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.GetHistogram() != nil {
				continue
			}
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			fmt.Fprintf(&text, "%s{%s} %v\n", family.GetName(), strings.Join(labels, ","), m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return text.String()
}

func TestRetryConfigReportsAllMistakes(t *testing.T) {
	_, err := objectstorage.Retrying(memory.New(), objectstorage.RetryConfig{Attempts: -1, BaseBackoff: -1, TotalTimeout: time.Second})
	for _, want := range []string{"attempts", "base backoff", "total timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}

// A broker that starts while the store throttles waits for it; one that is throttled all the time says so when the probe's time is over.
func TestProbeOfAStoreThatThrottles(t *testing.T) {
	for _, op := range []faulty.Op{faulty.Put, faulty.Get, faulty.List, faulty.Delete} {
		for _, test := range []struct {
			times int
			fails bool
		}{{5, false}, {-1, true}} {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(t, objectstorage.RetryConfig{Attempts: 2})
				defer s.Close()
				s.faulty.Inject(faulty.Rule{Op: op, Times: test.times, Fault: faulty.Fault{Err: objectstorage.ErrThrottled}})
				err := objectstorage.Probe(t.Context(), s, "probe/", "busy")
				if (err != nil) != test.fails || test.fails && !errors.Is(err, objectstorage.ErrThrottled) {
					t.Errorf("%v, throttled %d times: %v", op, test.times, err)
				}
			})
		}
	}
}

func TestProbe(t *testing.T) {
	s := newStore(t, objectstorage.RetryConfig{Attempts: 1})
	if err := objectstorage.Probe(t.Context(), s, "probe/", "one"); err != nil {
		t.Fatal(err)
	}
	if left, _ := s.memory.List(t.Context(), "", "", 10); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, test := range []struct {
		rule faulty.Rule
		want []string
	}{
		{faulty.Rule{Op: faulty.Put, Fault: faulty.Fault{Err: objectstorage.ErrDenied}}, []string{"writing an object", "--store", "memory:", "AWS_ACCESS_KEY_ID"}},
		{faulty.Rule{Op: faulty.Put, Fault: faulty.Fault{Err: objectstorage.ErrNoBucket}}, []string{"writing an object", "does the bucket exist"}},
		{faulty.Rule{Op: faulty.Put, Nth: 2, Fault: faulty.Fault{Err: faulty.ErrInjected}}, []string{"refusing to overwrite"}},
		{faulty.Rule{Op: faulty.Get, Fault: faulty.Fault{Corrupt: true}}, []string{"reading a range"}},
		{faulty.Rule{Op: faulty.Get, Fault: faulty.Fault{Short: true}}, []string{"reading a range", "short read"}},
		{faulty.Rule{Op: faulty.List, Fault: faulty.Fault{Short: true}}, []string{"listing", "not in the list"}},
		{faulty.Rule{Op: faulty.Delete, Fault: faulty.Fault{Err: objectstorage.ErrDenied}}, []string{"deleting"}},
	} {
		s := newStore(t, objectstorage.RetryConfig{Attempts: 1})
		s.faulty.Inject(test.rule)
		err := objectstorage.Probe(t.Context(), s, "probe/", "two")
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v\ndoes not say %q", test.rule, err, want)
			}
		}
		left, _ := s.memory.List(t.Context(), "", "", 10)
		if test.rule.Op != faulty.Delete && len(left) != 0 {
			t.Errorf("%+v: left behind: %v", test.rule, left)
		}
	}
}

// overwriting is a store without conditional writes.
type overwriting struct{ objectstorage.Bucket }

func (o overwriting) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	o.Bucket.DeleteMany(ctx, []string{key})
	return o.Bucket.PutIfAbsent(ctx, key, body)
}

func TestProbeRefusesStoreThatOverwrites(t *testing.T) {
	err := objectstorage.Probe(t.Context(), overwriting{memory.New()}, "probe/", "x")
	if err == nil || !strings.Contains(err.Error(), "If-None-Match") {
		t.Fatal(err)
	}
}

func TestProbeGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{})
		s.faulty.Inject(faulty.Rule{Times: -1, Fault: faulty.Fault{Hang: true}})
		start := time.Now()
		err := objectstorage.Probe(t.Context(), s, "probe/", "x")
		if took := time.Since(start); err == nil || took > objectstorage.ProbeTimeout {
			t.Fatalf("%v after %v", err, took)
		}
	})
}

func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "a//b", "..", "a/../b", "/a", ".inkwell/x", "a\x00", "\xff", "x/.inkwell"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if objectstorage.CheckKey(key) != nil {
			return
		}
		parts := strings.Split(key, "/")
		if slices.Contains(parts, "") || slices.Contains(parts, ".") || slices.Contains(parts, "..") || len(key) > objectstorage.MaxKeyBytes || strings.ContainsRune(key, 0) || parts[0] == objectstorage.ReservedPart {
			t.Fatalf("%q was accepted", key)
		}
	})
}
