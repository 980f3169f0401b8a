package batchprocessor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/broker/putbudget"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/logtest"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// testBucket keeps objects in memory and does to each call what the test says.
type testBucket struct {
	objectstorage.Bucket
	// onPut runs before and after the object is stored; an error ends the call there.
	onPut func(ctx context.Context, n int, body [][]byte, stored bool) error
	delay time.Duration

	mu      sync.Mutex
	objects map[string][]byte
	puts    []time.Time
	now     func() time.Time
}

func (b *testBucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	b.mu.Lock()
	n := len(b.puts)
	b.puts = append(b.puts, b.now())
	b.mu.Unlock()
	if b.delay > 0 {
		if err := clock.Sleep(ctx, clock.System, b.delay); err != nil {
			return err
		}
	}
	if b.onPut != nil {
		if err := b.onPut(ctx, n, body, false); err != nil {
			return err
		}
	}
	b.mu.Lock()
	_, exists := b.objects[key]
	if !exists {
		b.objects[key] = bytes.Join(body, nil)
	}
	b.mu.Unlock()
	if exists {
		return objectstorage.ErrExists
	}
	if b.onPut != nil {
		return b.onPut(ctx, n, body, true)
	}
	return nil
}

func (b *testBucket) GetRange(_ context.Context, key string, offset int64, dst []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	switch {
	case !ok:
		return objectstorage.ErrNotFound
	case offset < 0 || offset+int64(len(dst)) > int64(len(o)):
		return objectstorage.ErrShortRead
	}
	copy(dst, o[offset:])
	return nil
}

func (b *testBucket) putCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.puts)
}

// testCoordinator gives offsets as a Batch Coordinator does, idempotent by object id.
type testCoordinator struct {
	t      testing.TB
	bucket *testBucket
	// before and after run around the commit; an error ends the call there.
	before, after func(ctx context.Context, n int, req *rpc.CommitObjectsRequest) error

	mu       sync.Mutex
	calls    int
	inFlight map[int32]bool
	next     map[kafka.TopicIDPartition]int64
	results  map[string]rpc.ObjectResult
	log      []string // "object segment batch-offsets" in commit order
	order    map[kafka.TopicIDPartition][]int64
	refuse   func(b rpc.BatchCommit) rpc.BatchResult
}

func (c *testCoordinator) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	c.mu.Lock()
	n := c.calls
	c.calls++
	if c.inFlight[req.Coordinator] {
		c.t.Errorf("two calls at a time for coordinator %d", req.Coordinator)
	}
	c.inFlight[req.Coordinator] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.inFlight[req.Coordinator] = false
		c.mu.Unlock()
	}()
	if c.before != nil {
		if err := c.before(ctx, n, req); err != nil {
			return nil, err
		}
	}
	resp := &rpc.CommitObjectsResponse{}
	c.mu.Lock()
	for i := range req.Objects {
		o := &req.Objects[i]
		if o.Object.Sequence < req.AcknowledgedBelow {
			c.t.Errorf("object %v is below %d", o.Object, req.AcknowledgedBelow)
		}
		key := fmt.Sprint(req.Coordinator, "/", o.Object)
		r, known := c.results[key]
		if !known {
			r = c.apply(o)
			c.results[key] = r
		}
		resp.Objects = append(resp.Objects, r)
	}
	c.mu.Unlock()
	if c.after != nil {
		if err := c.after(ctx, n, req); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

func (c *testCoordinator) apply(o *rpc.ObjectCommit) (r rpc.ObjectResult) {
	c.bucket.mu.Lock()
	stored := c.bucket.objects[o.Object.Key("c")]
	c.bucket.mu.Unlock()
	if int64(len(stored)) != o.ObjectBytes {
		c.t.Errorf("object %v is committed with %d bytes and has %d", o.Object, o.ObjectBytes, len(stored))
		return r
	}
	footer, err := objectformat.ParseTail(stored, int64(len(stored)))
	if err != nil || footer.Object != o.Object {
		c.t.Error(o.Object, err)
		return r
	}
	for _, s := range o.Segments {
		entry, ok := footer.Find(s.Partition)
		if !ok || entry.Position != s.Position || entry.Verify(stored[entry.Position:entry.Position+entry.Bytes]) != nil {
			c.t.Errorf("object %v has no good segment %v at %d", o.Object, s.Partition, s.Position)
		}
		result := rpc.SegmentResult{}
		position := s.Position
		for _, b := range s.Batches {
			if batch, _, err := recordbatch.Next(stored[position:]); err != nil || len(batch) != int(b.Bytes) || batch.LastOffsetDelta()+1 != b.Records {
				c.t.Errorf("object %v: no batch of %d bytes at %d", o.Object, b.Bytes, position)
			}
			position += int64(b.Bytes)
			br := rpc.BatchResult{BaseOffset: -1, AppendTimestamp: -1}
			if c.refuse != nil {
				br = c.refuse(b)
			}
			if br.Error == 0 && !br.Duplicate {
				br.BaseOffset = c.next[s.Partition]
				c.next[s.Partition] += int64(b.Records)
				c.order[s.Partition] = append(c.order[s.Partition], b.MaxTimestamp)
			}
			c.log = append(c.log, fmt.Sprintf("%d/%d@%d", o.Object.Sequence, s.Partition.Partition, br.BaseOffset))
			result.Batches = append(result.Batches, br)
		}
		r.Segments = append(r.Segments, result)
	}
	return r
}

// world is a Processor and what is around it.
type world struct {
	t      testing.TB
	pool   slab.Pool
	bucket *testBucket
	coord  *testCoordinator
	p      *Processor
	budget *putbudget.Budget
	logged logtest.Buffer
	fenced int
	sunk   []*CommittedObject
	sinkMu sync.Mutex

	mu      sync.Mutex
	answers map[string][]AppendResult // by name; each name must get one
	at      map[string]time.Time
}

func newWorld(t testing.TB, edit func(*Config)) *world { return newBudgetWorld(t, 0, edit) }

func newBudgetWorld(t testing.TB, putsPerSecond float64, edit func(*Config)) *world {
	w := &world{t: t, answers: map[string][]AppendResult{}, at: map[string]time.Time{}}
	w.bucket = &testBucket{objects: map[string][]byte{}, now: time.Now}
	w.coord = &testCoordinator{t: t, bucket: w.bucket, inFlight: map[int32]bool{}, next: map[kafka.TopicIDPartition]int64{}, results: map[string]rpc.ObjectResult{}, order: map[kafka.TopicIDPartition][]int64{}}
	cfg := Config{Cluster: "c", Broker: 1, BrokerEpoch: 7}
	if edit != nil {
		edit(&cfg)
	}
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	deps := Deps{
		Bucket: w.bucket, Committer: w.coord, Clock: clock.System, Rand: rand.New(rand.NewPCG(1, 2)), Sink: w,
		Fenced: func(error) { w.fenced++ }, Logger: slog.New(slog.NewTextHandler(&w.logged, nil)),
	}
	if putsPerSecond > 0 {
		w.budget = putbudget.New(clock.System, putsPerSecond)
		deps.Budget = w.budget
	}
	w.p = New(cfg, deps)
	return w
}

func (w *world) ObjectCommitted(o *CommittedObject) {
	w.sinkMu.Lock()
	defer w.sinkMu.Unlock()
	w.sunk = append(w.sunk, o)
	for _, s := range o.Segments {
		for _, r := range s.Runs {
			n := int32(0)
			for _, b := range r.Batches {
				n += int32(len(b.B))
				recordbatch.Batch(b.B).SetBaseOffset(123) // allowed from here on: nobody else may look
			}
			if n != r.Coordinate.Bytes || len(r.Batches) != int(r.Coordinate.Batches) {
				w.t.Errorf("run %+v has %d bytes", r.Coordinate, n)
			}
		}
	}
}

func tp(partition int) kafka.TopicIDPartition {
	return kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: int32(partition)}
}

// request puts one batch for each partition into a frame of its own. mark is the batches' timestamp, by which the test knows them again.
func (w *world) request(mark int64, valueBytes int, partitions ...int) *AppendRequest {
	var all []byte
	var ends []int
	for range partitions {
		all = append(all, recordbatchtest.Simple(2, valueBytes, mark)...)
		ends = append(ends, len(all))
	}
	frame := w.pool.Get(len(all))
	copy(frame.Bytes(), all)
	req := &AppendRequest{Frame: frame}
	from := 0
	for i, partition := range partitions {
		req.Partitions = append(req.Partitions, PartitionBatch{Partition: tp(partition), Coordinator: int32(partition / 10), Batch: recordbatch.Batch(frame.Bytes()[from:ends[i]])})
		from = ends[i]
	}
	return req
}

// produced is a request with one batch of an idempotent producer.
func (w *world) produced(partition int, producerID int64, sequence int32) *AppendRequest {
	batch := recordbatchtest.Build(recordbatchtest.Spec{Producer: &recordbatchtest.Producer{ID: producerID, Sequence: sequence}, Records: recordbatchtest.Records(2, 10, 1)})
	frame := w.pool.Get(len(batch))
	copy(frame.Bytes(), batch)
	return &AppendRequest{Frame: frame, Partitions: []PartitionBatch{{Partition: tp(partition), Coordinator: int32(partition / 10), Batch: recordbatch.Batch(frame.Bytes())}}}
}

// append calls Append and lets the frame go, as a listener does once the request is answered or handed on.
func (w *world) append(name string, req *AppendRequest) {
	w.p.Append(context.Background(), req, func(r AppendResult) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.answers[name] = append(w.answers[name], r)
		w.at[name] = time.Now()
	})
	req.Frame.Release()
}

func (w *world) close() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.p.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		w.t.Error(err)
	}
	if err := w.p.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		w.t.Error(err)
	}
	if n := w.pool.InUse(); n != 0 {
		w.t.Errorf("%d bytes of frames are still held", n)
	}
	if !w.p.credits.TryAcquire(w.p.cfg.MaxBufferedBytes) {
		w.t.Error("credits were lost")
	} else {
		w.p.credits.Release(w.p.cfg.MaxBufferedBytes)
	}
	for name, answers := range w.answers {
		if len(answers) != 1 {
			w.t.Errorf("%s was answered %d times", name, len(answers))
		}
	}
}

// codes are the errors that a request was answered with; nil if it has not been answered.
func (w *world) codes(name string) (codes []int16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.answers[name]) == 0 {
		return nil
	}
	for _, r := range w.answers[name][0].Partitions {
		codes = append(codes, r.Error)
	}
	return codes
}

func (w *world) wantCodes(name string, want ...int16) {
	w.t.Helper()
	if got := w.codes(name); !slices.Equal(got, want) {
		w.t.Errorf("%s: answered %v, want %v", name, got, want)
	}
}

func (w *world) wantPuts(n int) {
	w.t.Helper()
	if got := w.bucket.putCount(); got != n {
		w.t.Errorf("%d PUTs, want %d", got, n)
	}
}

func (w *world) wantLog(want ...string) {
	w.t.Helper()
	w.coord.mu.Lock()
	defer w.coord.mu.Unlock()
	if !slices.Equal(w.coord.log, want) {
		w.t.Errorf("commits %v, want %v", w.coord.log, want)
	}
}
