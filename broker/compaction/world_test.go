package compaction

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

const (
	cluster    = kafka.ClusterID("c1")
	epoch      = 5
	inputEpoch = 3
)

// world is a bucket, a coordinator that hands out one lease at a time, and the jobs of a broker without loops: a test calls once.
type world struct {
	memory *memory.Bucket
	faulty *faulty.Bucket
	jobs   *Jobs
	image  seen

	objects int64 // inputs written
	next    map[kafka.TopicIDPartition]int64

	mu        sync.Mutex // guards what follows
	sequence  int64
	work      *rpc.RequestWorkResponse // the lease, nil for none
	completed []*rpc.CompleteWorkRequest
	failed    []*rpc.FailWorkRequest
	answers   []error         // of CompleteWork, before it succeeds
	known     rpc.ObjectState // of every object
	lost      error           // of DescribeObjects
	renewal   error
	released  func(coordinator int32, o kafka.ObjectID) bool
}

// seen is what a broker has seen of __metadata: every epoch that a test sweeps is over, but for one.
type seen struct {
	coordinators int32
	unseen       int64 // an epoch, 0 for none
}

func (s *seen) BatchCoordinators() int32   { return s.coordinators }
func (s *seen) EpochOver(epoch int64) bool { return epoch != s.unseen }

func newWorld(change func(*Config)) *world {
	w := &world{memory: memory.New(), next: map[kafka.TopicIDPartition]int64{}}
	w.faulty = faulty.New(w.memory, faulty.Config{})
	cfg := Config{
		Cluster: cluster, Broker: 1, BrokerEpoch: func() int64 { return epoch }, View: &w.image, Work: w, Objects: w, Bucket: w.faulty, Clock: clock.System,
		NextObject: func() kafka.ObjectID {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sequence++
			return kafka.ObjectID{Epoch: epoch, Sequence: w.sequence}
		},
		Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler), Settings: DefaultSettings(), PartBytes: 50_000,
	}
	cfg.Settings.BytesPerSecond, cfg.Settings.RequestsPerSecond = 0, 0
	if change != nil {
		change(&cfg)
	}
	w.jobs, _ = newJobs(cfg)
	return w
}

func (w *world) RequestWork(context.Context, *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.work == nil {
		return &rpc.RequestWorkResponse{}, nil
	}
	work := *w.work
	work.Lease, work.DeadlineMillis = 9, time.Now().Add(time.Minute).UnixMilli()
	return &work, nil
}

func (w *world) RenewWork(context.Context, *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &rpc.RenewWorkResponse{DeadlineMillis: time.Now().Add(time.Minute).UnixMilli()}, w.renewal
}

func (w *world) FailWork(_ context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = append(w.failed, req)
	return &rpc.FailWorkResponse{Attempts: int32(len(w.failed))}, nil
}

func (w *world) CompleteWork(_ context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.answers) > 0 {
		err := w.answers[0]
		w.answers = w.answers[1:]
		return nil, err
	}
	w.completed = append(w.completed, req)
	return &rpc.CompleteWorkResponse{Swapped: make([]bool, len(req.Segments))}, nil
}

func (w *world) DescribeObjects(_ context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	resp := &rpc.DescribeObjectsResponse{}
	for range req.Objects {
		resp.Objects = append(resp.Objects, rpc.ObjectDescription{State: w.known})
	}
	return resp, w.lost
}

func (w *world) DescribeCoordinates(context.Context, *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	return nil, errors.New("jobs do not ask for it")
}

func (w *world) CheckReleased(_ context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	resp := &rpc.CheckReleasedResponse{}
	for _, o := range req.Objects {
		resp.Released = append(resp.Released, w.released(req.Coordinator, o))
	}
	return resp, nil
}

func tp(topic byte, partition int32) kafka.TopicIDPartition {
	return kafka.TopicIDPartition{ID: kafka.TopicID{topic}, Partition: partition}
}

// inputSegment is one partition's part of an input object.
type inputSegment struct {
	partition  kafka.TopicIDPartition
	batches    []recordbatch.Batch
	appendTime int64 // -1 for none
}

// commit writes an object as the Batch Processor does and gives offsets as the coordinator does.
func (w *world) commit(t tester, segments ...inputSegment) []rpc.Coordinate {
	t.Helper()
	object := kafka.ObjectID{Epoch: inputEpoch, Sequence: w.objects}
	w.objects++
	out := objectformat.NewWriter(cluster, object, 0)
	var coordinates []rpc.Coordinate
	for _, s := range segments {
		out.Begin(s.partition)
		c := rpc.Coordinate{Object: object, BaseOffset: w.next[s.partition], MaxTimestamp: -1, AppendTimestamp: s.appendTime, Batches: int32(len(s.batches))}
		for i, b := range s.batches {
			at := out.Add(b)
			if i == 0 {
				c.Position = at
			}
			c.Bytes += int32(len(b))
			c.MaxTimestamp = max(c.MaxTimestamp, b.MaxTimestamp())
			w.next[s.partition] += int64(b.LastOffsetDelta()) + 1
		}
		if s.appendTime >= 0 {
			c.MaxTimestamp = s.appendTime
		}
		c.LastOffset = w.next[s.partition] - 1
		coordinates = append(coordinates, c)
	}
	body, _, _ := out.Finish()
	if err := w.memory.PutIfAbsent(context.Background(), object.Key(cluster), body); err != nil {
		t.Fatal(err)
	}
	return coordinates
}

// view is what a reader sees of coordinates: all their batches with offsets and append times.
func (w *world) view(t tester, coordinates []rpc.Coordinate) []byte {
	t.Helper()
	var out []byte
	for _, c := range coordinates {
		b := make([]byte, c.Bytes)
		if err := w.memory.GetRange(context.Background(), c.Object.Key(cluster), c.Position, b); err != nil {
			t.Fatal(err)
		}
		next, count := c.BaseOffset, int32(0)
		for batch, err := range recordbatch.All(b) {
			if err != nil {
				t.Fatal(err)
			}
			if !c.Stamped {
				batch.SetBaseOffset(next)
				batch.SetPartitionLeaderEpoch(kafka.LeaderEpoch)
				if c.AppendTimestamp >= 0 {
					batch.SetLogAppendTime(c.AppendTimestamp)
				}
			}
			if batch.BaseOffset() < next || batch.LastOffset() > c.LastOffset || batch.CRC() != batch.ComputeCRC() {
				t.Fatalf("coordinate %+v: a batch with offsets %d to %d after %d", c, batch.BaseOffset(), batch.LastOffset(), next-1)
			}
			next = batch.LastOffset() + 1
			count++
		}
		if count != c.Batches || c.Stamped && c.AppendTimestamp != -1 {
			t.Fatalf("coordinate %+v has %d batches", c, count)
		}
		out = append(out, b...)
	}
	return out
}

// keys are the objects of an epoch.
func (w *world) keys(t tester, epoch int64) (ids []kafka.ObjectID) {
	t.Helper()
	infos, err := w.memory.List(context.Background(), "", "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		id, ok := kafka.ParseObjectKey(cluster, info.Key)
		if !ok {
			t.Fatal(info.Key)
		}
		if id.Epoch == epoch {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b kafka.ObjectID) int { return int(a.Sequence - b.Sequence) })
	return ids
}

// do runs the lease once.
func (w *world) do(ctx context.Context, work rpc.RequestWorkResponse) error {
	w.mu.Lock()
	w.work = &work
	w.mu.Unlock()
	kinds := rewriting
	if work.Kind == rpc.WorkDelete || work.Kind == rpc.WorkSweep {
		kinds = deleting
	}
	err := w.jobs.once(ctx, 0, kinds)
	w.mu.Lock()
	w.work = nil
	w.mu.Unlock()
	return err
}

// footers checks every output against what was reported of it.
func (w *world) footers(t tester, done *rpc.CompleteWorkRequest) {
	t.Helper()
	for _, o := range done.Outputs {
		key := o.Object.Key(cluster)
		info, err := w.memory.Head(context.Background(), key)
		if err != nil || info.Bytes != o.ObjectBytes {
			t.Fatal(info, err, o)
		}
		all := make([]byte, info.Bytes)
		if err := w.memory.GetRange(context.Background(), key, 0, all); err != nil {
			t.Fatal(err)
		}
		footer, err := objectformat.ParseTail(all, info.Bytes)
		if err != nil || footer.Object != o.Object || footer.Cluster != cluster || footer.Version != 2 {
			t.Fatal(err, footer)
		}
		for _, s := range footer.Segments {
			if err := s.Verify(all[s.Position : s.Position+s.Bytes]); err != nil {
				t.Fatal(err)
			}
			named := slices.ContainsFunc(done.Segments, func(r rpc.ReplacedSegment) bool {
				return r.Partition == s.Partition && slices.ContainsFunc(r.Coordinates, func(c rpc.Coordinate) bool {
					return c.Object == o.Object && c.Position == s.Position && int64(c.Bytes) == s.Bytes && c.Batches == s.Batches && c.MaxTimestamp == s.MaxTimestamp &&
						c.IndexPosition == s.IndexPosition && c.IndexBytes == s.IndexBytes && c.BaseOffset <= s.BaseOffset && c.LastOffset >= s.LastOffset
				})
			})
			if !named {
				t.Fatalf("segment %+v of %v is in no coordinate", s, o)
			}
			if s.IndexBytes > 0 {
				if _, err := objectformat.ParseIndex(all[s.IndexPosition : s.IndexPosition+int64(s.IndexBytes)]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func wantNoOutputs(t testing.TB, w *world) {
	t.Helper()
	if left := w.keys(t, epoch); len(left) != 0 {
		t.Fatalf("outputs are left: %v", left)
	}
	if n, err := w.memory.AbortUploads(context.Background(), ""); n != 0 || err != nil {
		t.Fatalf("%d uploads are left, %v", n, err)
	}
	if in := w.jobs.cfg.Buffers.InUse(); in != 0 {
		t.Fatalf("%d bytes of buffers are still held", in)
	}
}

// codecs has each once, and none most often: compressing small batches is what such a test would spend its time with.
var codecs = append(make([]recordbatch.Codec, 60), recordbatch.Gzip, recordbatch.Snappy, recordbatch.LZ4, recordbatch.Zstd)

var errBoom = errors.New("boom")
