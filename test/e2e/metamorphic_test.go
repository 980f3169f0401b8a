package e2e

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
)

// form is what clients cannot see of a cluster.
type form struct {
	name         string
	brokers      int
	coordinators int32
	objectBytes  int64 // of what producers' batches are collected in
	cacheBytes   int64
	memoryBytes  int64 // of a job
	work         batchcoordinator.WorkConfig
	idle         bool // no job has anything to do
}

var forms = []form{
	{name: "no jobs", brokers: 1, coordinators: 1, work: batchcoordinator.WorkConfig{MergeAge: 1000 * time.Hour}, idle: true},
	{name: "small objects, merged at once", brokers: 1, coordinators: 2, objectBytes: 2000, cacheBytes: 256 << 10,
		work: batchcoordinator.WorkConfig{MergeAge: time.Second, MergeObjects: 2, PartitionCoordinates: 2, PartitionBytes: 20_000}},
	{name: "three brokers, tiny cache, many levels", brokers: 3, coordinators: 2, objectBytes: 1024, cacheBytes: 64 << 10, memoryBytes: 1 << 20,
		work: batchcoordinator.WorkConfig{MergeAge: time.Minute, MergeObjects: 7, MergeBytes: 4000, PartitionCoordinates: 3, PartitionBytes: 8000, FinalBytes: 3000, ObjectBytes: 9000}},
	{name: "two brokers, seldom merged", brokers: 2, coordinators: 3, work: batchcoordinator.WorkConfig{MergeAge: 9 * time.Minute, PartitionCoordinates: 2}},
}

// One history reads back the same whatever the sizes of objects and caches, the schedule of merges and the number of brokers: each record with its offset, timestamp, key, value and
// headers, where the log begins and ends, what is found by time, and what a compacted topic comes to.
func TestFormsOfOneHistory(t *testing.T) {
	var first []string
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for i, seen := range f.play(t) {
					if first == nil {
						first = seen
					}
					if at := difference(seen, first); at >= 0 {
						t.Errorf("broker %d, line %d of %d:\n%s\nwith %s, of %d:\n%s", i+1, at, len(seen), line(seen, at), forms[0].name, len(first), line(first, at))
					}
				}
			})
		})
	}
}

func difference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if line(a, i) != line(b, i) {
			return i
		}
	}
	return -1
}

func line(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i]
}

// play has a cluster of the form live through the history, and returns what each broker shows then.
func (f *form) play(t *testing.T) (seen [][]string) {
	w := &jobsWorld{seed: newSeed(), logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), bucket: memory.New()}
	var err error
	if w.node, err = metadata.Open(t.Context(), metadata.Config{ID: 1, FS: vfs.NewMem(), Dir: "metadata", NewRand: w.seed.rand, NewUUID: w.seed.uuid, Logger: w.logger, Work: f.work}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, w.node.Close) })
	if err := w.node.EnsureCluster(t.Context(), clustercontroller.Spec{Name: clusterName, BatchCoordinators: f.coordinators, GroupCoordinators: 1}); err != nil {
		t.Fatal(err)
	}
	if w.direct, err = w.node.Cluster(clusterName); err != nil {
		t.Fatal(err)
	}
	var brokers []cluster
	for id := range f.brokers {
		brokers = append(brokers, f.broker(t, w, int32(id+1)))
	}
	w.cluster = brokers[0]
	createTopic(t, &w.cluster, "plain", 3, nil)
	createTopic(t, &w.cluster, "keyed", 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.01")})
	random := rand.New(rand.NewPCG(1, 2)) // of the same seed for each form
	for round := range 12 {
		w.cluster = brokers[round%len(brokers)]
		writeRound(t, &w.cluster, random, round)
		time.Sleep(2 * time.Minute)
	}
	time.Sleep(20 * time.Minute)
	merged := 0
	for _, c := range w.coordinates(t) {
		if c.Stamped {
			merged++
		}
	}
	if (merged == 0) != f.idle {
		t.Errorf("%d coordinates were written by jobs", merged)
	}
	for i := range brokers {
		w.cluster = brokers[i]
		seen = append(seen, w.shown(t))
	}
	return seen
}

func (f *form) broker(t *testing.T, w *jobsWorld, id int32) cluster {
	t.Helper()
	bucket, err := objectstorage.Retrying(mortalBucket{w.bucket, &mortal{}}, objectstorage.RetryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	pipes := newPipes()
	cfg := broker.Config{ID: id, Listener: pipes, Advertised: broker.HostPort{Host: "inkwell.test", Port: 9092}, LocalStore: true, Metadata: w.direct, Bucket: bucket,
		NewRand: w.seed.rand, NewUUID: w.seed.uuid, Logger: w.logger, DrainTimeout: time.Second}
	cfg.Batches.MaxObjectBytes, cfg.Cache.CacheBytes = f.objectBytes, f.cacheBytes
	if f.memoryBytes > 0 {
		cfg.Jobs.MemoryBytes, cfg.Jobs.DedupeBufferBytes, cfg.Jobs.MaxConcurrentJobs = f.memoryBytes, 1<<10, 2
	}
	b, err := broker.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, b.Close) })
	return cluster{node: w.node, broker: b, dial: pipes.dial} // all its clients' connections lead to this broker
}

// writeRound is one step of the history.
func writeRound(t *testing.T, c *cluster, random *rand.Rand, round int) {
	t.Helper()
	client := c.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer client.Close()
	at := func() time.Time { return time.Unix(int64(946_684_800+round*300+random.IntN(600)), 0) } // not in order
	for range 8 {
		var records []*kgo.Record
		for range 1 + random.IntN(6) {
			r := &kgo.Record{Topic: "plain", Partition: random.Int32N(3), Timestamp: at(), Value: []byte(strings.Repeat(fmt.Sprint(round), random.IntN(400)))}
			if random.IntN(3) == 0 {
				r.Headers = []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, random.IntN(10))}}
			}
			records = append(records, r)
		}
		for range random.IntN(4) {
			r := &kgo.Record{Topic: "keyed", Timestamp: at(), Key: fmt.Append(nil, "key-", random.IntN(12)), Value: fmt.Append(nil, round, "/", random.IntN(1000))}
			if random.IntN(5) == 0 {
				r.Value = nil
			}
			records = append(records, r)
		}
		if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if round == 4 || round == 9 {
		var delete kadm.Offsets
		delete.Add(kadm.Offset{Topic: "plain", Partition: 1, At: int64(7 * round)})
		if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), delete); err != nil {
			t.Fatal(err)
		}
	}
}

// shown is everything that a client sees, a line for each thing.
func (w *jobsWorld) shown(t *testing.T) (lines []string) {
	t.Helper()
	records := w.read(t, "plain")
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	for _, r := range records {
		lines = append(lines, fmt.Sprintf("plain-%d offset %d at %d: %q=%q %v", r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, r.Headers))
	}
	if len(records) < 200 {
		t.Errorf("%d records are little to tell anything by", len(records))
	}
	latest := map[string]string{}
	for _, r := range w.read(t, "keyed") {
		if delete(latest, string(r.Key)); r.Value != nil {
			latest[string(r.Key)] = fmt.Sprintf("keyed offset %d at %d: %q=%q", r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value)
		}
	}
	var view []string
	for _, l := range latest {
		view = append(view, l)
	}
	slices.Sort(view)
	lines = append(lines, view...)
	admin := w.admin(t)
	tell := func(what string, listed kadm.ListedOffsets, err error) {
		if err != nil || listed.Error() != nil {
			t.Fatal(what, err, listed.Error())
		}
		var told []string
		listed.Each(func(o kadm.ListedOffset) {
			told = append(told, fmt.Sprintf("%s of %s-%d: offset %d at %d", what, o.Topic, o.Partition, o.Offset, o.Timestamp))
		})
		slices.Sort(told)
		lines = append(lines, told...)
	}
	starts, err := admin.ListStartOffsets(t.Context(), "plain")
	tell("start", starts, err)
	ends, err := admin.ListEndOffsets(t.Context(), "plain", "keyed")
	tell("end", ends, err)
	for second := int64(946_684_800); second < 946_684_800+4500; second += 250 {
		found, err := admin.ListOffsetsAfterMilli(t.Context(), second*1000, "plain")
		tell(fmt.Sprint("after ", second), found, err)
	}
	return lines
}
