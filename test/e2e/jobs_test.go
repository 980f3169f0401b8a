package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/objectverify"
	"github.com/inkwell-project/inkwell/rpc"
)

// jobsWorld is a Metadata cluster and a bucket that outlive brokers.
type jobsWorld struct {
	cluster
	seed   *seed
	logger *slog.Logger
	bucket *memory.Bucket
	direct rpc.MetadataCluster
	broken *mortal  // the running broker
	watch  *witness // of the brokers that start, if not nil

	plain []string // acknowledged values, in order
	keyed map[string]string
	maybe map[string]bool // keys whose last write has no known outcome
}

const batchCoordinators = 2

func newJobsWorld(t *testing.T) *jobsWorld {
	w := &jobsWorld{seed: newSeed(), logger: slog.New(slog.DiscardHandler), bucket: memory.New(), keyed: map[string]string{}, maybe: map[string]bool{}}
	var err error
	if w.node, err = metadata.Open(t.Context(), metadata.Config{ID: 1, FS: vfs.NewMem(), Dir: "metadata", NewRand: w.seed.rand, NewUUID: w.seed.uuid, Logger: w.logger}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, w.node.Close) })
	if err := w.node.EnsureCluster(t.Context(), clustercontroller.Spec{Name: clusterName, BatchCoordinators: batchCoordinators, GroupCoordinators: 1}); err != nil {
		t.Fatal(err)
	}
	if w.direct, err = w.node.Cluster(clusterName); err != nil {
		t.Fatal(err)
	}
	w.direct = asItIs{w.direct, w.node}
	w.start(t)
	return w
}

// start starts a broker, after another one's death.
func (w *jobsWorld) start(t *testing.T) { w.startAs(t, 1) }

func (w *jobsWorld) startAs(t *testing.T, id int32) {
	pipes, life := newPipes(), &mortal{}
	var store objectstorage.Bucket = mortalBucket{w.bucket, life}
	var coordinators rpc.MetadataCluster = mortalMetadata{w.direct, life}
	if w.watch != nil {
		store, coordinators = watchedBucket{store, w.watch}, watchedMetadata{coordinators, w.watch}
	}
	bucket, err := objectstorage.Retrying(store, objectstorage.RetryConfig{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.broken, w.dial = life, pipes.dial
	w.broker, err = broker.New(t.Context(), broker.Config{
		ID: id, Listener: pipes, Advertised: broker.HostPort{Host: "inkwell.test", Port: 9092}, LocalStore: true, Metadata: coordinators, Bucket: bucket,
		NewRand: w.seed.rand, NewUUID: w.seed.uuid, Logger: w.logger, DrainTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	died := w.broker
	t.Cleanup(func() { _ = died.Close() })
}

// write produces values to the plain topic and keys to the compacted one. What is not acknowledged may be there or not.
func (w *jobsWorld) write(t *testing.T, round int) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := w.client(t, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0), kgo.MaxProduceRequestsInflightPerBroker(1))
	defer client.Close()
	for i := range 3 {
		value := fmt.Sprintf("%d/%d", round, i)
		key := fmt.Sprintf("key-%d", (round+i)%4)
		plain := &kgo.Record{Topic: "plain", Value: []byte(value)}
		keyed := &kgo.Record{Topic: "keyed", Key: []byte(key), Value: []byte(value)}
		tombstone := (round+i)%5 == 4
		if tombstone {
			keyed.Value = nil
		}
		gone := &kgo.Record{Topic: "gone", Value: []byte(value)}
		for _, result := range client.ProduceSync(ctx, plain, keyed, gone) {
			switch {
			case result.Record == plain && result.Err == nil:
				w.plain = append(w.plain, value)
			case result.Record == keyed && result.Err != nil:
				w.maybe[key] = true
			case result.Record == keyed && tombstone:
				delete(w.keyed, key)
			case result.Record == keyed:
				w.keyed[key] = value
			}
		}
	}
}

// read is the topic from its start to its end.
func (w *jobsWorld) read(t *testing.T, topic string) (records []*kgo.Record) {
	t.Helper()
	ends, err := w.admin(t).ListEndOffsets(t.Context(), topic)
	if err != nil || ends.Error() != nil {
		t.Fatal(err, ends.Error())
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) { left[o.Partition] = o.Offset })
	client := w.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond), kgo.KeepControlRecords())
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for idle := 0; idle < 10; idle++ { // a compacted log may end without a record
		poll, done := context.WithTimeout(ctx, 300*time.Millisecond)
		fetches := client.PollFetches(poll)
		done()
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("reading %s: %v", topic, err)
		}
		for _, r := range fetches.Records() {
			records = append(records, r)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			idle = 0
		}
		if len(left) == 0 {
			break
		}
	}
	return records
}

// check compares what is read with what was acknowledged.
func (w *jobsWorld) check(t *testing.T) {
	t.Helper()
	seen := map[string]int{}
	var order []string
	last := map[int32]int64{0: -1, 1: -1}
	for _, r := range w.read(t, "plain") {
		if r.Offset != last[r.Partition]+1 {
			t.Errorf("partition %d: offset %d after %d", r.Partition, r.Offset, last[r.Partition])
		}
		last[r.Partition] = r.Offset
		seen[string(r.Value)]++
		order = append(order, string(r.Value))
	}
	for _, value := range w.plain {
		if seen[value] != 1 {
			t.Errorf("the acknowledged %s was read %d times, of %d records", value, seen[value], len(order))
		}
	}
	got := map[string]string{}
	for _, r := range w.read(t, "keyed") {
		if r.Value == nil {
			delete(got, string(r.Key))
		} else {
			got[string(r.Key)] = string(r.Value)
		}
	}
	want := maps.Clone(w.keyed)
	for key := range w.maybe {
		delete(got, key)
		delete(want, key)
	}
	if !maps.Equal(got, want) {
		t.Errorf("the compacted view is %v, want %v", got, want)
	}
}

// coordinates are those of all partitions of the topics, by a look at every coordinator.
func (w *jobsWorld) coordinates(t *testing.T) (all []rpc.Coordinate) {
	t.Helper()
	listed, err := w.admin(t).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	described, err := w.direct.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range listed {
		for _, p := range topic.Partitions {
			for c := range described.BatchCoordinators {
				tp := kafka.TopicIDPartition{ID: kafka.TopicID(topic.ID), Partition: p.Partition}
				resp, err := w.direct.FindSegments(t.Context(), &rpc.FindSegmentsRequest{Coordinator: c, Partitions: []rpc.FindSegment{{Partition: tp, MaxBytes: 1 << 40, MaxCoordinates: 1 << 20}}})
				if err != nil {
					continue // not its owner
				}
				all = append(all, resp.Partitions[0].Coordinates...)
			}
		}
	}
	return all
}

// checkObjects: the bucket has what coordinates refer to, and nothing else.
func (w *jobsWorld) checkObjects(t *testing.T) {
	t.Helper()
	var want []string
	for _, c := range w.coordinates(t) {
		want = append(want, c.Object.Key(clusterName))
	}
	slices.Sort(want)
	want = slices.Compact(want)
	infos, err := w.bucket.List(t.Context(), clusterName, "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range infos {
		got = append(got, info.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the bucket holds %d objects %v, coordinates refer to %d %v", len(got), got, len(want), want)
	}
	if n, err := w.bucket.AbortUploads(t.Context(), ""); n != 0 || err != nil {
		t.Errorf("%d unfinished uploads are left, %v", n, err)
	}
}

// verify is `inkwell object verify` at any moment of the story. At rest nothing waits for anything any more.
func (w *jobsWorld) verify(t *testing.T, rest bool) {
	t.Helper()
	r, err := objectverify.New(objectverify.Config{Cluster: clusterName, Metadata: w.direct, Bucket: w.bucket, Page: 3}).Run(t.Context())
	if err != nil || !r.Clean() {
		t.Errorf("object verify: %v, %+v", err, r)
	}
	if rest && (r.Objects != r.Referenced || r.UncountedReferences != 0 || r.Unsettled != 0 || r.Replaced != 0 || r.Coordinates == 0) {
		t.Errorf("object verify at rest: %+v", r)
	}
}

// checkJobsRan: the story is about jobs, so that they must have had something to do.
func (w *jobsWorld) checkJobsRan(t *testing.T) {
	t.Helper()
	for _, c := range w.coordinates(t) {
		if !c.Stamped {
			t.Errorf("%+v was not written by a job", c)
		}
	}
	if n := len(w.read(t, "keyed")); n == 0 || n > len(w.plain)/2 {
		t.Errorf("%d of %d keyed records are left", n, len(w.plain))
	}
}

// story is what a cluster goes through: topics of all kinds are written, merged, compacted and deleted. At one of its calls the broker meets a fault;
// if it dies of it, another one takes over.
func story(t *testing.T, f fault) (calls int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newJobsWorld(t)
		createTopic(t, &w.cluster, "plain", 2, nil)
		createTopic(t, &w.cluster, "gone", 1, nil)
		createTopic(t, &w.cluster, "keyed", 1, map[string]*string{
			"cleanup.policy": kadm.StringPtr("compact"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.01"), "delete.retention.ms": kadm.StringPtr("60000"),
		})
		w.write(t, 0)
		w.broken.arm(f)
		deleted, died := false, false
		for round := range 5 {
			if w.broken.died() {
				died = true
				_ = w.broker.Close()
				w.start(t)
			}
			if round >= 3 && !deleted {
				_, err := w.admin(t).DeleteTopics(t.Context(), "gone")
				deleted = err == nil || w.broken.died()
			}
			if round < 3 {
				w.write(t, round+1)
			}
			w.verify(t, false)
			time.Sleep(12 * time.Minute)
		}
		if w.broken.died() {
			died = true
			_ = w.broker.Close()
			w.start(t)
			time.Sleep(20 * time.Minute)
		}
		calls = w.broken.counted()
		if f == (fault{}) {
			w.checkJobsRan(t)
		}
		if f.point != "" && !died {
			t.Errorf("there was no %q to die at", f.point)
		}
		w.check(t)
		w.checkObjects(t)
		w.verify(t, true)
	})
	return calls
}

// Wherever the broker dies between upload, commit, merge, swap and delete: nothing acknowledged is lost, every coordinate can be read, and after the sweep no object is
// left that nothing refers to. JOBS_FAULTS=all tries every call.
func TestBrokerDiesAnywhere(t *testing.T) { everywhere(t, true, 1) }

// The windows between upload, commit, swap and delete, by name: whatever the number of a call, the broker dies in each of them.
func TestBrokerDiesInEveryWindow(t *testing.T) {
	for name, f := range map[string]fault{
		"before the upload":               {point: "put"},
		"uploaded, not committed":         {point: "put", after: true},
		"committed, not heard of":         {point: "commit", after: true},
		"merged, not swapped":             {point: "merge put", after: true},
		"swapped, not heard of":           {point: "complete merge", after: true},
		"compacted, not swapped":          {point: "compact put", after: true},
		"swapped compacted, not heard of": {point: "complete compact", after: true},
		"released, not deleted":           {point: "delete delete"},
		"deleted, not reported":           {point: "delete delete", after: true},
		"deletion reported, not heard of": {point: "complete delete", after: true},
	} {
		f.dies = true
		t.Run(name, func(t *testing.T) { story(t, f) })
	}
}

// The same when a call fails once, through all its repetitions.
func TestEveryCallFailsOnce(t *testing.T) { everywhere(t, false, 2) }

func everywhere(t *testing.T, dies bool, samples int) {
	calls := 100 // about
	all := os.Getenv("JOBS_FAULTS") == "all"
	if dies || all {
		if calls = story(t, fault{}); t.Failed() || calls < 20 {
			t.Fatalf("without a fault: %d calls", calls)
		}
	}
	for i := range samples {
		f := fault{call: 1 + (2*i+1)*calls/(2*samples), after: i%2 == 1, dies: dies}
		if !all {
			t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) { story(t, f) })
		}
	}
	for call := 1; all && call <= calls; call++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call=%d/after=%v", call, after), func(t *testing.T) { story(t, fault{call: call, after: after, dies: dies}) })
		}
	}
}
