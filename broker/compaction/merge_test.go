package compaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/broker/putbudget"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/rpc"
)

func mergeOf(runs ...rpc.PartitionRun) rpc.RequestWorkResponse {
	return rpc.RequestWorkResponse{Kind: rpc.WorkMerge, Attempt: 1, Merge: &rpc.MergeWork{TargetBytes: 64 << 20, Partitions: runs}}
}

// Whatever the sizes of objects, parts and memory, a reader sees the same bytes after a merge, and after a merge of merges.
func TestMergeChangesNothingThatReadersSee(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(func(c *Config) {
			c.Settings.MemoryBytes = rapid.SampledFrom([]int64{300, 5_000, 100_000, 64 << 20}).Draw(t, "memory")
			c.PartBytes = rapid.SampledFrom([]int{100, 4096, 50_000}).Draw(t, "part")
		})
		defer func() { _ = w.jobs.Close() }()
		partitions := []kafka.TopicIDPartition{tp(1, 0), tp(1, 3), tp(2, 0)}
		live := map[kafka.TopicIDPartition][]rpc.Coordinate{}
		for round := range rapid.IntRange(1, 3).Draw(t, "rounds") {
			for range rapid.IntRange(1, 5).Draw(t, "objects") {
				var segments []inputSegment
				for _, p := range partitions {
					s := inputSegment{partition: p, appendTime: -1}
					if rapid.Bool().Draw(t, "append time") {
						s.appendTime = rapid.Int64Range(0, 1<<40).Draw(t, "time")
					}
					for range rapid.IntRange(0, 3).Draw(t, "batches") {
						spec := recordbatchtest.Spec{Codec: rapid.SampledFrom(codecs).Draw(t, "codec"),
							Records: recordbatchtest.Records(rapid.IntRange(1, 4).Draw(t, "records"), rapid.IntRange(0, 500).Draw(t, "bytes"), int64(round))}
						s.batches = append(s.batches, recordbatchtest.Build(spec))
					}
					if len(s.batches) > 0 {
						segments = append(segments, s)
					}
				}
				for i, c := range w.commit(t, segments...) {
					live[segments[i].partition] = append(live[segments[i].partition], c)
				}
			}
			var runs []rpc.PartitionRun
			want := map[kafka.TopicIDPartition][]byte{}
			for _, p := range partitions {
				if n := len(live[p]); n > 0 {
					cut := rapid.IntRange(0, n).Draw(t, "cut")
					for _, part := range [][]rpc.Coordinate{live[p][:cut], live[p][cut:]} { // a partition may come twice
						if len(part) > 0 {
							runs = append(runs, rpc.PartitionRun{Partition: p, Coordinates: part})
						}
					}
				}
				want[p] = w.view(t, live[p])
			}
			before := len(w.completed)
			if err := w.do(context.Background(), mergeOf(runs...)); err != nil {
				t.Fatal(err)
			}
			done := w.completed[before]
			w.footers(t, done)
			clear(live)
			for _, s := range done.Segments {
				live[s.Partition] = append(live[s.Partition], s.Coordinates...)
				c := s.Coordinates
				if c[0].BaseOffset != s.BaseOffset || c[len(c)-1].LastOffset != s.LastOffset {
					t.Fatal(s)
				}
			}
			for _, p := range partitions {
				if got := w.view(t, live[p]); !bytes.Equal(got, want[p]) {
					t.Fatalf("%v: %d bytes, want %d, or they differ", p, len(got), len(want[p]))
				}
			}
		}
		if in := w.jobs.cfg.Buffers.InUse(); in != 0 {
			t.Fatal(in)
		}
	})
}

// small is two objects with two partitions, about 20 KB.
func small(t tester, w *world) []rpc.PartitionRun {
	t.Helper()
	runs := []rpc.PartitionRun{{Partition: tp(1, 0)}, {Partition: tp(1, 1)}}
	for i := range 2 {
		var segments []inputSegment
		for p := range 2 {
			segments = append(segments, inputSegment{tp(1, int32(p)), []recordbatch.Batch{recordbatchtest.Simple(3, 1000+p*500, int64(i)), recordbatchtest.Simple(1, 2000, 7)}, -1})
		}
		for p, c := range w.commit(t, segments...) {
			runs[p].Coordinates = append(runs[p].Coordinates, c)
		}
	}
	return runs
}

// One request for each small object, however many partitions it has, and one to write.
func TestMergeRequests(t *testing.T) {
	w := newWorld(nil)
	defer func() { _ = w.jobs.Close() }()
	if err := w.do(t.Context(), mergeOf(small(t, w)...)); err != nil {
		t.Fatal(err)
	}
	if gets, puts := w.faulty.Calls(faulty.Get), w.faulty.Calls(faulty.Put); gets != 2 || puts != 1 {
		t.Errorf("%d gets, %d puts", gets, puts)
	}
}

// A damaged or missing input fails the job by its name. Nothing is swapped, and nothing is left of it.
func TestDamagedInputFailsTheJob(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(w *world, runs []rpc.PartitionRun)
		fault faulty.Fault
		cause string
	}{
		{"a flipped bit", nil, faulty.Fault{Corrupt: true}, "CORRUPT_MESSAGE"},
		{"a short read", nil, faulty.Fault{Short: true}, "short read"},
		{"a missing object", func(w *world, runs []rpc.PartitionRun) {
			w.memory.DeleteMany(context.Background(), []string{runs[0].Coordinates[1].Object.Key(cluster)})
		}, faulty.Fault{}, "no such object"},
		{"fewer batches", func(_ *world, runs []rpc.PartitionRun) { runs[0].Coordinates[1].Batches++ }, faulty.Fault{}, "batches"},
		{"other offsets", func(_ *world, runs []rpc.PartitionRun) { runs[0].Coordinates[1].LastOffset++ }, faulty.Fault{}, "offset"},
		{"a longer segment", func(_ *world, runs []rpc.PartitionRun) { runs[0].Coordinates[1].Bytes += 7 }, faulty.Fault{}, "batch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(func(c *Config) { c.PartBytes = 1000 })
			defer func() { _ = w.jobs.Close() }()
			runs := small(t, w)
			damagedObject := runs[0].Coordinates[1].Object
			if test.spoil != nil {
				test.spoil(w, runs)
			} else {
				w.faulty.Inject(faulty.Rule{Op: faulty.Get, Key: damagedObject.Key(cluster), Times: -1, Fault: test.fault})
			}
			for i, work := range []rpc.RequestWorkResponse{mergeOf(runs...), compactionOf(runs[0])} {
				err := w.do(t.Context(), work)
				if err == nil || len(w.completed) != 0 || len(w.failed) != i+1 {
					t.Fatal(work.Kind, err, w.completed, w.failed)
				}
				if f := w.failed[i]; f.Lease != 9 || len(f.Damaged) != 1 || f.Damaged[0] != damagedObject || !strings.Contains(f.Cause, test.cause) || !strings.Contains(f.Cause, damagedObject.String()) {
					t.Errorf("%s: the coordinator was told %+v", work.Kind, f)
				}
				wantNoOutputs(t, w)
			}
		})
	}
}

// compactionOf reads as much as a merge of the same run, twice.
func compactionOf(run rpc.PartitionRun) rpc.RequestWorkResponse {
	return rpc.RequestWorkResponse{Kind: rpc.WorkCompactKeys, Attempt: 1, CompactKeys: &rpc.CompactKeysWork{Partition: run.Partition, Coordinates: run.Coordinates, HighWatermark: 1 << 40}}
}

// unique is two objects of one partition, about 20 KB, whose keys are all different: a key compaction changes nothing of it.
func unique(t tester, w *world) rpc.PartitionRun {
	t.Helper()
	run := rpc.PartitionRun{Partition: tp(1, 0)}
	for i := range 2 {
		var batches []recordbatch.Batch
		for j := range 3 {
			batches = append(batches, recordbatchtest.Build(recordbatchtest.Spec{Records: []recordbatch.Record{{Key: fmt.Append(nil, i, j), Value: make([]byte, 3000)}}}))
		}
		run.Coordinates = append(run.Coordinates, w.commit(t, inputSegment{run.Partition, batches, -1})...)
	}
	return run
}

// Each call to the store fails once, before or after the fact, until a run meets no fault. A run that fails leaves nothing and completes nothing; one that succeeds is right.
func TestEveryStorageCallFailsOnce(t *testing.T) {
	everyCallFails(t, func(w *world) ([]rpc.PartitionRun, rpc.RequestWorkResponse) {
		runs := small(t, w)
		return runs, mergeOf(runs...)
	})
}

func TestEveryStorageCallOfAKeyCompactionFailsOnce(t *testing.T) {
	for _, objectBytes := range []int64{0, 7000} { // in one output, in three
		everyCallFails(t, func(w *world) ([]rpc.PartitionRun, rpc.RequestWorkResponse) {
			run := unique(t, w)
			work := compactionOf(run)
			work.CompactKeys.MaxObjectBytes = objectBytes
			return []rpc.PartitionRun{run}, work
		})
	}
}

func everyCallFails(t *testing.T, prepare func(w *world) ([]rpc.PartitionRun, rpc.RequestWorkResponse)) {
	for _, lost := range []bool{false, true} {
		succeeded := false
		for n := 1; !succeeded; n++ {
			w := newWorld(func(c *Config) { c.PartBytes = 3000 })
			runs, work := prepare(w)
			var want [][]byte
			for _, run := range runs {
				want = append(want, w.view(t, run.Coordinates))
			}
			if lost {
				w.faulty.LoseNth(n, errBoom)
			} else {
				w.faulty.FailNth(n, errBoom)
			}
			err := w.do(t.Context(), work)
			if err != nil {
				if !errors.Is(err, errBoom) || len(w.completed) != 0 || len(w.failed) != 1 || len(w.failed[0].Damaged) != 0 {
					t.Fatal(n, err, w.completed, w.failed)
				}
				if lost {
					// The answer to StartUpload may be the one that was lost: only the sweep knows of that upload.
					_, _ = w.memory.AbortUploads(t.Context(), "")
				}
				wantNoOutputs(t, w)
				if n > 60 {
					t.Fatal("it never succeeds")
				}
			} else {
				succeeded = w.faulty.Failed() == 0
				for i, s := range w.completed[0].Segments {
					if !bytes.Equal(w.view(t, s.Coordinates), want[i]) {
						t.Fatal(n, "other bytes")
					}
				}
			}
			_ = w.jobs.Close()
		}
	}
}

func TestOutcomesOfCompleting(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []error
		known   rpc.ObjectState // what the coordinator says of the output then
		lost    error           // or that it says nothing
		kept    bool
		done    bool
		failed  bool // the coordinator is told why
	}{
		{name: "unknown, then done", answers: []error{kafka.ErrUnknownOutcome, kerr.NotCoordinator}, kept: true, done: true},
		{name: "refused", answers: []error{kerr.FencedInstanceID}, lost: errors.New("not asked")},
		{name: "the epoch is over", answers: []error{kerr.StaleBrokerEpoch}, lost: errors.New("not asked")},
		// It may have been completed and forgotten since: the outputs may be live.
		{name: "unknown, then refused, and completed before", answers: []error{kafka.ErrUnknownOutcome, kerr.FencedInstanceID}, known: rpc.ObjectReferenced, kept: true},
		{name: "unknown, then refused, and not known", answers: []error{kafka.ErrUnknownOutcome, kerr.FencedInstanceID}},
		{name: "unknown, then refused, and no answer", answers: []error{kafka.ErrUnknownOutcome, kerr.FencedInstanceID}, lost: kerr.NotCoordinator, kept: true},
		{name: "not believed", answers: []error{kerr.InvalidRequest}, lost: errors.New("not asked"), failed: true},
		{name: "unknown, then not believed", answers: []error{kafka.ErrUnknownOutcome, kerr.InvalidRequest}, failed: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(nil)
				defer func() { _ = w.jobs.Close() }()
				w.answers, w.known, w.lost = test.answers, test.known, test.lost
				err := w.do(t.Context(), mergeOf(small(t, w)...))
				if (err == nil) != test.done || (len(w.completed) == 1) != test.done || (len(w.failed) == 1) != test.failed {
					t.Fatal(err, w.completed, w.failed)
				}
				if test.failed && !strings.Contains(w.failed[0].Cause, "no such result") {
					t.Errorf("the cause is %q", w.failed[0].Cause)
				}
				if kept := len(w.keys(t, epoch)) == 1; kept != test.kept {
					t.Fatalf("kept %v", kept)
				}
			})
		})
	}
}

// slowReads makes every read take so long.
func slowReads(w *world, d time.Duration) {
	w.faulty.SetLatency(faulty.Get, faulty.Latency{Min: d})
}

func TestLostLeaseEndsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil)
		defer func() { _ = w.jobs.Close() }()
		runs := small(t, w)
		slowReads(w, time.Hour)
		w.renewal = kerr.FencedInstanceID
		start := time.Now()
		err := w.do(t.Context(), mergeOf(runs...))
		if !errors.Is(err, errLeaseLost) || len(w.failed) != 0 || len(w.completed) != 0 {
			t.Fatal(err, w.failed, w.completed)
		}
		if took := time.Since(start); took > time.Minute {
			t.Fatal(took)
		}
		wantNoOutputs(t, w)
	})
}

// A long job keeps its lease.
func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil)
		defer func() { _ = w.jobs.Close() }()
		runs := small(t, w)
		slowReads(w, time.Hour)
		if err := w.do(t.Context(), mergeOf(runs...)); err != nil || len(w.completed) != 1 {
			t.Fatal(err)
		}
	})
}

func TestBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(func(c *Config) {
			c.Settings.BytesPerSecond, c.Settings.RequestsPerSecond = 1000, 0
		})
		defer func() { _ = w.jobs.Close() }()
		runs := small(t, w)
		start := time.Now()
		if err := w.do(t.Context(), mergeOf(runs...)); err != nil {
			t.Fatal(err)
		}
		// About 20 KB are read and written; the last request need not wait for itself, and a tenth of a second's worth is free.
		if took := time.Since(start); took < 15*time.Second || took > 45*time.Second {
			t.Errorf("took %v", took)
		}
		b := newBudget(w.jobs.cfg.Clock, 10)
		start = time.Now()
		for range 50 {
			if err := b.wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 4700*time.Millisecond || took > 4900*time.Millisecond {
			t.Errorf("50 at 10 per second after a burst of 1 took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b.wait(ctx, 1000) == nil {
			t.Error("an ended ctx waits")
		}
	})
}

// The begin, each part, the end and each repetition of an upload is a PUT of the broker's budget; no other request is.
func TestPutsAreInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		puts := putbudget.New(clock.System, 1)
		w := newWorld(func(c *Config) {
			c.PartBytes, c.Puts = 1000, puts
			bucket, err := objectstorage.Retrying(c.Bucket, objectstorage.RetryConfig{BaseBackoff: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			c.Bucket = bucket
		})
		defer func() { _ = w.jobs.Close() }()
		runs := small(t, w)
		puts.Take(time.Now())        // flush goes on
		w.faulty.FailNth(4, errBoom) // two gets, the begin, a part
		start := time.Now()
		if err := w.do(t.Context(), mergeOf(runs...)); err != nil {
			t.Fatal(err)
		}
		parts := 0
		for _, o := range w.keys(t, epoch) {
			info, err := w.memory.Head(t.Context(), o.Key(cluster))
			if err != nil {
				t.Fatal(err)
			}
			parts += int(info.Bytes+999) / 1000
		}
		if parts < 5 {
			t.Fatalf("%d parts", parts)
		}
		// One is there. All that comes is the jobs', but for the one that flush has to get back.
		if took, want := time.Since(start), time.Duration(1+parts+1+1)*time.Second; took < want-100*time.Millisecond || took > want+100*time.Millisecond {
			t.Errorf("%d parts took %s, want %s", parts, took, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := (store{w.jobs, rpc.WorkMerge}).spend(ctx, "put", 0, 0); err == nil {
			t.Error("an ended ctx waits")
		}
	})
}

func TestSettingsAreValidated(t *testing.T) {
	s := DefaultSettings()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	s = Settings{BytesPerSecond: 5, RequestsPerSecond: -1, MaxConcurrentJobs: 0, MemoryBytes: 1, DedupeBufferBytes: 1}
	err := s.Validate()
	for _, name := range []string{"compaction.bytes.per.second is 5", "compaction.requests.per.second", "compaction.max.concurrent.jobs", "compaction.memory.bytes", "log.cleaner.dedupe.buffer.size"} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%v does not say %q", err, name)
		}
	}
}

func TestRequestsHaveAPurpose(t *testing.T) {
	if got := objectstorage.Purpose(objectstorage.WithPurpose(t.Context(), "merge")); got != "merge" || objectstorage.Purpose(t.Context()) != "" {
		t.Error(got)
	}
}
