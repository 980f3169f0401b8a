package state

import (
	"fmt"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// load is a steady workload of small commits, with one broker that does what work there is.
type load struct {
	partitions, segments int // of all, and in each object
	objects              int // four a second
	batchBytes           int32
	policy               WorkPolicy
	deleteEvery          int   // objects between two rounds of work
	everyMillis          int64 // an object, 250 by default
}

var dayPolicy = WorkPolicy{LeaseMillis: 60_000, DeleteDelayMillis: 60_000, MaxLeases: 64, MaxLeasesPerBroker: 64, MaxAttempts: 5, BackoffMillis: 30_000,
	MaxBackoffMillis: 3_600_000, ParkedMillis: 86_400_000, MergeObjects: 1024, MergeBytes: 64 << 20, MergeCoordinates: 16 << 10, MergeAgeMillis: 600_000,
	RunBytes: 32 << 20, RunCoordinates: 1024, RunMaxBytes: 256 << 20, FinalBytes: 8 << 20, SweepMillis: []int64{60_000}}

// TestMergedCoordinates: half an hour of a small cluster. A day of a large one is TestDayOfMerges.
func TestMergedCoordinates(t *testing.T) {
	policy := dayPolicy
	policy.MergeObjects, policy.MergeBytes, policy.RunBytes, policy.RunMaxBytes, policy.FinalBytes, policy.RunCoordinates = 128, 2<<20, 1<<20, 8<<20, 256<<10, 32
	w := runLoad(t, load{partitions: 50, segments: 10, objects: 7200, batchBytes: 1000, policy: policy, deleteEvery: 16})
	w.report(t)
	w.want(t, 25, 2.2, 300)
}

// TestWeekOfASlowPartition: a write every five minutes, whose bytes never fill a merge. What is left is a piece for each day, and today's.
func TestWeekOfASlowPartition(t *testing.T) {
	policy := dayPolicy
	policy.RunAgeMillis = 86_400_000
	w := runLoad(t, load{partitions: 1, segments: 1, objects: 7 * 24 * 12, batchBytes: 1000, policy: policy, deleteEvery: 2, everyMillis: 300_000})
	w.report(t)
	w.want(t, 20, 2.2, 400)
}

// TestDayOfMerges is 24 h of four objects a second over 1,000 partitions: with INKWELL_DAY_OF_MERGES=sparse each has a batch of 100 of them; with
// "dense", of all. It takes minutes.
func TestDayOfMerges(t *testing.T) {
	l := load{partitions: 1000, segments: 100, objects: 24 * 3600 * 4, batchBytes: 1000, policy: dayPolicy, deleteEvery: 64}
	switch os.Getenv("INKWELL_DAY_OF_MERGES") {
	case "sparse":
	case "dense":
		l.segments, l.objects = 1000, l.objects/12
	case "large": // 32 MB/s
		l.batchBytes, l.objects = 80_000, l.objects/4
	default:
		t.Skip("INKWELL_DAY_OF_MERGES is not set")
	}
	w := runLoad(t, l)
	w.report(t)
	w.want(t, 50, 2.2, 200)
}

type world struct {
	t       *testing.T
	store   *pebblestore.Store
	machine *Machine
	index   uint64
	now     int64
	load

	batches, produced, rewritten int64
	merges                       int64
	sequence                     int64
}

func runLoad(t *testing.T, l load) *world {
	store, err := pebblestore.Open(pebblestore.Config{FS: vfs.NewMem(), Dir: "state", CacheBytes: 64 << 20, MemTableBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &world{t: t, store: store, machine: New(), now: 1_700_000_000_000, load: l}
	w.apply(&EnableWork{Level: 1})
	for i := range l.objects {
		w.now += max(l.everyMillis, 250)
		w.commit(i)
		if i%l.deleteEvery == l.deleteEvery-1 {
			w.work()
		}
	}
	w.now += 1
	w.work()
	return w
}

func (w *world) apply(c Command) any {
	batch := w.store.NewBatch()
	w.index++
	result, _, err := w.machine.Apply(batch.Tx(worldSpace), w.index, Encode(w.now, c))
	if err != nil {
		w.t.Fatal(err)
	}
	batch.Commit()
	return result
}

var worldSpace = pebblestore.Space{Group: 1, Kind: 's'}

// read shows what was committed.
func (w *world) read(fn func(statestore.Reader)) {
	w.store.View(func(v *pebblestore.View) { fn(v.Reader(worldSpace)) })
}

func (w *world) nextObject() kafka.ObjectID {
	w.sequence++
	return kafka.ObjectID{Epoch: 7, Sequence: w.sequence}
}

func (w *world) commit(i int) {
	o := rpc.ObjectCommit{Object: w.nextObject(), ObjectBytes: int64(w.segments) * int64(w.batchBytes), Coordinators: []int32{0}}
	// Every partition equally often, in an order that changes.
	stride := w.partitions / w.segments
	for s := range w.segments {
		p := (s*stride + (i*7+s)%stride) % w.partitions
		tp := kafka.TopicIDPartition{ID: kafka.TopicID{byte(p / 100), 1}, Partition: int32(p % 100)}
		o.Segments = append(o.Segments, rpc.SegmentCommit{Partition: tp, Position: int64(s) * int64(w.batchBytes), Batches: []rpc.BatchCommit{
			{Bytes: w.batchBytes, Records: 10, MaxTimestamp: w.now, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}}})
		w.batches++
		w.produced += int64(w.batchBytes)
	}
	if r := w.apply(&CommitObjects{Broker: 1, BrokerEpoch: 7, AcknowledgedBelow: o.Object.Sequence, Objects: []rpc.ObjectCommit{o}}).(CommitResult); r.Err != nil {
		w.t.Fatal(r.Err)
	}
}

// work does everything that there is, at once.
func (w *world) work() {
	kinds := []rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep}
	for {
		grant := &GrantWork{Broker: 1, BrokerEpoch: 7, Kinds: kinds, MaxObjects: 1000, Policy: w.policy}
		r := w.apply(grant).(GrantResult)
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
		if r.Lease == 0 {
			return
		}
		var work *rpc.RequestWorkResponse
		var ok bool
		w.read(func(reader statestore.Reader) { work, ok = ReadWork(reader, r.Lease, w.now, &w.policy) })
		if !ok {
			w.t.Fatal("the lease is gone")
		}
		finish := &FinishWork{Holder: Holder{1, 7, r.Lease}, Policy: w.policy}
		if work.Kind == rpc.WorkDelete {
			for _, o := range work.Objects {
				finish.Deleted = append(finish.Deleted, o.Object)
			}
		} else {
			w.merge(work.Merge, finish)
		}
		done := w.apply(finish).(FinishResult)
		if done.Err != nil {
			w.t.Fatal(done.Err)
		}
		for i, swapped := range done.Swapped {
			if !swapped {
				w.t.Fatalf("segment %+v was not swapped", finish.Segments[i])
			}
		}
	}
}

// merge is what a job would write.
func (w *world) merge(m *rpc.MergeWork, finish *FinishWork) {
	id := w.nextObject()
	position := int64(0)
	for _, run := range m.Partitions {
		s, bytes := mergedSegment(id, position, &run)
		finish.Segments = append(finish.Segments, s)
		position += bytes
	}
	if position > m.TargetBytes {
		w.t.Fatalf("a merge of %d bytes, at most %d", position, m.TargetBytes)
	}
	finish.Outputs = []rpc.OutputObject{{Object: id, ObjectBytes: position}}
	w.rewritten += position
	w.merges++
}

// mergedSegment is the output of one run.
func mergedSegment(id kafka.ObjectID, position int64, run *rpc.PartitionRun) (s rpc.ReplacedSegment, bytes int64) {
	first, last := &run.Coordinates[0], &run.Coordinates[len(run.Coordinates)-1]
	out := rpc.Coordinate{Object: id, Position: position, BaseOffset: first.BaseOffset, LastOffset: last.LastOffset, MaxTimestamp: -1, AppendTimestamp: -1, Stamped: true}
	for i := range run.Coordinates {
		c := &run.Coordinates[i]
		out.Bytes += c.Bytes
		out.Batches += c.Batches
		out.MaxTimestamp = max(out.MaxTimestamp, c.MaxTimestamp)
	}
	return rpc.ReplacedSegment{Partition: run.Partition, BaseOffset: out.BaseOffset, LastOffset: out.LastOffset, Inputs: int32(len(run.Coordinates)),
		Coordinates: []rpc.Coordinate{out}}, int64(out.Bytes)
}

type dayFigures struct {
	coordinates, stateBytes, queued, objects int64
}

func (w *world) figures() (f dayFigures) {
	w.read(func(r statestore.Reader) {
		r.Scan(nil, nil, func(k, v []byte) bool {
			f.stateBytes += int64(len(k) + len(v))
			switch k[0] {
			case prefixCoordinate:
				f.coordinates++
				if c := readCoordinate(k, v); c.level == levelCommitted {
					f.queued++
				}
			case prefixObject:
				f.objects++
			}
			return true
		})
	})
	return f
}

func (w *world) report(t *testing.T) {
	f := w.figures()
	t.Logf("%d batches, %d MB produced, %d merges; live coordinates %d (%d not merged yet), 1/%.0f of batches; %d objects; state %.0f B per coordinate; rewritten %.2f",
		w.batches, w.produced>>20, w.merges, f.coordinates, f.queued, float64(w.batches)/float64(f.coordinates), f.objects,
		float64(f.stateBytes)/float64(f.coordinates), float64(w.rewritten)/float64(w.produced))
}

func (w *world) want(t *testing.T, batchesPerCoordinate int64, rewritten float64, bytesPerCoordinate int64) {
	f := w.figures()
	if f.coordinates*batchesPerCoordinate > w.batches {
		t.Errorf("%d coordinates for %d batches, want 1/%d", f.coordinates, w.batches, batchesPerCoordinate)
	}
	if got := float64(w.rewritten) / float64(w.produced); got > rewritten {
		t.Errorf("each byte was written again %.2f times, want %.2f", got, rewritten)
	}
	if f.stateBytes > f.coordinates*bytesPerCoordinate {
		t.Errorf("%d bytes of state for %d coordinates, want %d each", f.stateBytes, f.coordinates, bytesPerCoordinate)
	}
	w.read(func(r statestore.Reader) {
		for p := range w.partitions {
			tp := kafka.TopicIDPartition{ID: kafka.TopicID{byte(p / 100), 1}, Partition: int32(p % 100)}
			if err := checkPartition(r, tp); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// checkPartition: coordinates cover the log without a gap, and the partition's counters are their sums.
func checkPartition(r statestore.Reader, tp kafka.TopicIDPartition) error {
	p, _ := ReadPartition(r, tp)
	next, bytes, count := p.LogStartOffset, int64(0), int64(0)
	var err error
	scanCoordinates(r, tp, p.LogStartOffset, func(c coordinate) bool {
		if c.BaseOffset != next {
			err = fmt.Errorf("%s: a coordinate begins at %d, want %d", tp, c.BaseOffset, next)
			return false
		}
		next, bytes, count = c.LastOffset+1, bytes+int64(c.Bytes), count+1
		return true
	})
	if err == nil && (next != p.HighWatermark || bytes != p.Bytes || count != p.Coordinates) {
		err = fmt.Errorf("%s: %d bytes in %d coordinates up to %d, but %+v", tp, bytes, count, next, p)
	}
	return err
}
