package batchcoordinator

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

var everyKind = []rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep}

func (f *fixture) requestKinds(wait time.Duration, kinds ...rpc.WorkKind) *rpc.RequestWorkResponse {
	f.t.Helper()
	r, err := f.RequestWork(f.t.Context(), &rpc.RequestWorkRequest{Coordinator: f.cfg.Partition, Broker: 1, BrokerEpoch: 1, MaxObjects: 10, WaitMillis: wait.Milliseconds(), Kinds: kinds})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// merged is what a job reports for a merge.
func (f *fixture) merged(w *rpc.RequestWorkResponse) *rpc.CompleteWorkRequest {
	id := kafka.ObjectID{Epoch: 1, Sequence: 1000 + w.Lease}
	c := &rpc.CompleteWorkRequest{Coordinator: f.cfg.Partition, Broker: 1, BrokerEpoch: 1, Lease: w.Lease, Outputs: []rpc.OutputObject{{Object: id, ObjectBytes: 1000}}}
	runs := []rpc.PartitionRun{}
	if w.Merge != nil {
		runs = w.Merge.Partitions
	} else {
		runs = append(runs, rpc.PartitionRun{Partition: w.CompactKeys.Partition, Coordinates: w.CompactKeys.Coordinates})
	}
	for _, run := range runs {
		first, last := run.Coordinates[0], run.Coordinates[len(run.Coordinates)-1]
		out := rpc.Coordinate{Object: id, BaseOffset: first.BaseOffset, LastOffset: last.LastOffset, MaxTimestamp: -1, AppendTimestamp: -1, Stamped: true}
		for _, in := range run.Coordinates {
			out.Bytes, out.Batches, out.MaxTimestamp = out.Bytes+in.Bytes, out.Batches+in.Batches, max(out.MaxTimestamp, in.MaxTimestamp)
		}
		c.Segments = append(c.Segments, rpc.ReplacedSegment{Partition: run.Partition, BaseOffset: first.BaseOffset, LastOffset: last.LastOffset,
			Inputs: int32(len(run.Coordinates)), Coordinates: []rpc.Coordinate{out}})
	}
	return c
}

func (f *fixture) complete(c *rpc.CompleteWorkRequest) *rpc.CompleteWorkResponse {
	f.t.Helper()
	r, err := f.CompleteWork(f.t.Context(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func smallGroups(c *Config) {
	c.MaxWorkWait = time.Hour
	c.Work.MergeObjects = 3
	c.Work.MergeAge = 10 * time.Minute
}

// A parked request is woken by the commit that fills a group, and the swap is what Find Segment answers from then on.
func TestMergeOfCommits(t *testing.T) {
	inBubble(t, smallGroups, func(t *testing.T, f *fixture) {
		synctest.Wait()
		done := make(chan *rpc.RequestWorkResponse, 1)
		go func() { done <- f.requestKinds(time.Hour, everyKind...) }()
		f.commit(orders, payments)
		f.commit(orders)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("two objects are no group")
		}
		began := time.Now()
		f.commit(orders, payments)
		w := <-done
		if time.Since(began) != 0 || w.Kind != rpc.WorkMerge || w.Attempt != 1 || len(w.Merge.Partitions) != 2 || w.Merge.TargetBytes != 256<<20 {
			t.Fatalf("%+v after %v", w, time.Since(began))
		}
		c := f.merged(w)
		f.log.Inject(raftlogtest.Fault{Err: kafka.ErrUnknownOutcome, Applied: true})
		if _, err := f.CompleteWork(t.Context(), c); !errors.Is(err, kafka.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		if r := f.complete(c); len(r.Swapped) != 2 || !r.Swapped[0] || !r.Swapped[1] {
			t.Fatalf("asked again: %+v", r)
		}
		if r := f.find(orders, 15); len(r.Coordinates) != 1 || r.Coordinates[0].BaseOffset != 0 || r.Coordinates[0].LastOffset != 29 || !r.Coordinates[0].Stamped {
			t.Fatalf("found %+v", r)
		}
	})
}

// A quiet cluster finishes, too: the group is made when the oldest commit is old enough.
func TestMergeOfOldCommits(t *testing.T) {
	inBubble(t, smallGroups, func(t *testing.T, f *fixture) {
		synctest.Wait()
		done := make(chan *rpc.RequestWorkResponse, 1)
		go func() { done <- f.requestKinds(time.Hour, everyKind...) }()
		synctest.Wait()
		began := time.Now()
		f.commit(orders)
		f.commit(orders)
		if w := <-done; time.Since(began) != 10*time.Minute || w.Kind != rpc.WorkMerge {
			t.Fatalf("%+v after %v", w, time.Since(began))
		}
	})
}

// What the work was about is gone: nobody is bothered with it.
func TestWorkOfNothingIsNotGiven(t *testing.T) {
	inBubble(t, smallGroups, func(t *testing.T, f *fixture) {
		synctest.Wait()
		for range 3 {
			f.commit(orders)
		}
		if _, err := f.DeleteRecords(t.Context(), &rpc.DeleteRecordsRequest{Coordinator: 2, Partitions: []rpc.DeleteRecords{{Partition: orders, Before: -1}}}); err != nil {
			t.Fatal(err)
		}
		if w := f.requestKinds(time.Second, rpc.WorkMerge); w.Kind != 0 {
			t.Fatalf("%+v", w)
		}
		if d := f.described(10); len(d.Items) != 0 {
			t.Fatalf("%+v", d.Items)
		}
	})
}

func (f *fixture) described(items int32) *rpc.DescribeWorkResponse {
	f.t.Helper()
	d, err := f.DescribeWork(f.t.Context(), &rpc.DescribeWorkRequest{Coordinator: f.cfg.Partition, MaxItems: items})
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func TestFailedWorkRestsAndIsParked(t *testing.T) {
	inBubble(t, func(c *Config) { smallGroups(c); c.Work.MaxAttempts = 2 }, func(t *testing.T, f *fixture) {
		synctest.Wait()
		for range 3 {
			f.commit(orders)
		}
		fail := func(w *rpc.RequestWorkResponse) *rpc.FailWorkResponse {
			r, err := f.FailWork(t.Context(), &rpc.FailWorkRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, Lease: w.Lease,
				Cause: strings.Repeat("x", 5000), Damaged: []kafka.ObjectID{{Epoch: 1, Sequence: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if r := fail(f.requestKinds(0, everyKind...)); r.Parked || r.Attempts != 1 {
			t.Fatalf("%+v", r)
		}
		began := time.Now()
		w := f.requestKinds(time.Hour, everyKind...)
		if time.Since(began) != 30*time.Second || w.Attempt != 2 {
			t.Fatalf("%+v after %v", w, time.Since(began))
		}
		if r := fail(w); !r.Parked {
			t.Fatalf("%+v", r)
		}
		d := f.described(10)
		if len(d.Items) != 1 || d.Items[0].State != rpc.WorkParked || len(d.Items[0].Cause) != rpc.MaxWorkCause || len(d.Items[0].Damaged) != 1 {
			t.Fatalf("%+v", d.Items)
		}
		if w := f.requestKinds(time.Hour, everyKind...); w.Kind != 0 {
			t.Fatalf("parked work was given out: %+v", w)
		}
		if r, err := f.RetryWork(t.Context(), &rpc.RetryWorkRequest{Coordinator: 2, Kind: rpc.WorkMerge}); err != nil || r.Items != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		w = f.requestKinds(0, everyKind...)
		if w.Kind != rpc.WorkMerge {
			t.Fatalf("%+v", w)
		}
		time.Sleep(50 * time.Second)
		r, err := f.RenewWork(t.Context(), &rpc.RenewWorkRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, Lease: w.Lease})
		if err != nil || r.DeadlineMillis != time.Now().Add(time.Minute).UnixMilli() {
			t.Fatalf("%+v, %v", r, err)
		}
		time.Sleep(61 * time.Second)
		if _, err := f.RenewWork(t.Context(), &rpc.RenewWorkRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, Lease: w.Lease}); !errors.Is(err, kerr.FencedInstanceID) {
			t.Fatal(err)
		}
		if _, err := f.CompleteWork(t.Context(), f.merged(w)); !errors.Is(err, kerr.FencedInstanceID) {
			t.Fatal(err)
		}
	})
}

// Key compaction comes up by itself where the topic's settings ask for it.
func TestKeyCompactionIsPlanned(t *testing.T) {
	inBubble(t, smallGroups, func(t *testing.T, f *fixture) {
		f.image.create(orders, PartitionInfo{Coordinator: 2, RetentionMs: -1, RetentionBytes: -1, Compact: true,
			Compaction: state.CompactionSettings{MaxLagMillis: 1 << 40, DirtyRatio: .5, DeleteRetentionMillis: 5000}})
		synctest.Wait()
		for range 3 {
			f.commit(orders, payments)
		}
		if r := f.complete(f.merged(f.requestKinds(time.Minute, rpc.WorkMerge))); !r.Swapped[0] {
			t.Fatalf("%+v", r)
		}
		w := f.requestKinds(time.Minute, rpc.WorkCompactKeys)
		if w.CompactKeys == nil || w.CompactKeys.Partition != orders || w.CompactKeys.DeleteRetentionMillis != 5000 || w.CompactKeys.NowMillis != time.Now().UnixMilli() || w.CompactKeys.HighWatermark != 30 {
			t.Fatalf("%+v", w.CompactKeys)
		}
		if r := f.complete(f.merged(w)); !r.Swapped[0] {
			t.Fatalf("%+v", r)
		}
		if w := f.requestKinds(time.Minute, rpc.WorkCompactKeys); w.Kind != 0 {
			t.Fatalf("compacted again: %+v", w)
		}
	})
}

// Partition 0 hands out the sweeps of epochs that ended, until they are settled.
func TestSweepsOfEndedEpochs(t *testing.T) {
	inBubble(t, func(c *Config) {
		c.Partition, c.MaxWorkWait = 0, time.Hour
		c.Work.SweepDelays = []time.Duration{time.Minute, 10 * time.Minute}
	}, func(t *testing.T, f *fixture) {
		time.Sleep(time.Second)
		f.image.update(func() { f.image.live = []state.BrokerEpoch{{Broker: 1, Epoch: 1}, {Broker: 2, Epoch: f.image.offset}} })
		time.Sleep(time.Second)
		f.image.update(func() { f.image.live = f.image.live[:1] })
		synctest.Wait()
		began := time.Now()
		w := f.requestKinds(time.Hour, everyKind...)
		if w.Sweep == nil || w.Sweep.Broker != 2 || w.Sweep.Round != 1 || time.Since(began) < 59*time.Second || time.Since(began) > 61*time.Second {
			t.Fatalf("%+v after %v", w, time.Since(began))
		}
		f.complete(&rpc.CompleteWorkRequest{Broker: 1, BrokerEpoch: 1, Lease: w.Lease, SweptObjects: 2})
		began = time.Now()
		w = f.requestKinds(time.Hour, everyKind...)
		if w.Sweep == nil || w.Sweep.Round != 2 || time.Since(began) != 10*time.Minute {
			t.Fatalf("%+v after %v", w, time.Since(began))
		}
		f.complete(&rpc.CompleteWorkRequest{Broker: 1, BrokerEpoch: 1, Lease: w.Lease})
		if w := f.requestKinds(time.Hour, everyKind...); w.Kind != 0 {
			t.Fatalf("%+v", w)
		}
	})
}

// While a node of the release before is there, work is what it was in that release, and begins when the level may be raised.
func TestWorkBeginsWithItsFeatureLevel(t *testing.T) {
	var allowed atomic.Bool
	inBubble(t, func(c *Config) {
		smallGroups(c)
		c.Allow = func(kind int) bool { return allowed.Load() }
	}, func(t *testing.T, f *fixture) {
		time.Sleep(time.Second)
		for range 3 {
			f.commit(orders)
		}
		if w := f.requestKinds(time.Minute, rpc.WorkMerge); w.Kind != 0 {
			t.Fatalf("%+v", w)
		}
		if _, err := f.RenewWork(t.Context(), &rpc.RenewWorkRequest{Coordinator: 2, Lease: 1}); !errors.Is(err, kerr.UnsupportedVersion) {
			t.Fatal(err)
		}
		if _, err := f.DeleteRecords(t.Context(), &rpc.DeleteRecordsRequest{Coordinator: 2, Partitions: []rpc.DeleteRecords{{Partition: orders, Before: 10}}}); err != nil {
			t.Fatal(err)
		}
		w := f.requestKinds(2*time.Minute, everyKind...)
		if w.Kind != rpc.WorkDelete || len(w.Objects) != 1 {
			t.Fatalf("%+v", w)
		}
		f.complete(&rpc.CompleteWorkRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, Lease: w.Lease, Deleted: []kafka.ObjectID{w.Objects[0].Object}})
		f.log.View(func(r statestore.Reader) {
			if state.WorkLevel(r) != 0 {
				t.Error("the level was raised")
			}
		})
		allowed.Store(true)
		time.Sleep(2 * time.Second)
		f.log.View(func(r statestore.Reader) { // what was there has joined
			if r, ok := state.ReadPartition(r, orders); !ok || r.Coordinates != 2 {
				t.Errorf("%+v", r)
			}
		})
		for range 3 {
			f.commit(orders)
		}
		if w := f.requestKinds(0, everyKind...); w.Kind != rpc.WorkMerge || len(w.Merge.Partitions[0].Coordinates) != 3 {
			t.Fatalf("%+v", w)
		}
	})
}

func TestWorkConfigNamesItsMistakes(t *testing.T) {
	c := WorkConfig{MaxLeases: -1, MergeObjects: 1, PartitionBytes: 2 << 20, ObjectBytes: 1 << 20, MergeAge: -1}
	c.SetDefaults()
	err := c.Validate()
	for _, want := range []string{"compaction.max.leases is -1", "compaction.merge.objects is 1", "compaction.partition.bytes is 2097152, want at most compaction.object.bytes", "-1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
