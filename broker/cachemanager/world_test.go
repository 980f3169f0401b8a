package cachemanager

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cluster kafka.ClusterID = "c1"

func tp(partition int32) kafka.TopicIDPartition {
	return kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: partition}
}

// bucket is a memory bucket that counts, waits and fails on demand.
type bucket struct {
	*memory.Bucket
	gets  atomic.Int64
	delay time.Duration
	mu    sync.Mutex
	hold  chan struct{}                 // GETs wait until it is closed
	spoil map[string]func([]byte) error // by key
}

func (b *bucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	b.gets.Add(1)
	b.mu.Lock()
	hold, spoil := b.hold, b.spoil[key]
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b.delay > 0 {
		time.Sleep(b.delay)
	}
	if err := b.Bucket.GetRange(ctx, key, offset, dst); err != nil {
		return err
	}
	if spoil != nil {
		return spoil(dst)
	}
	return nil
}

// coordinator is a Batch Coordinator as plain as can be: slices under a lock.
type coordinator struct {
	finds, follows, lists atomic.Int64

	mu      sync.Mutex
	logs    map[kafka.TopicIDPartition]*plainLog
	gone    map[kafka.TopicID]bool
	start   int64 // of the topic's records
	records []rpc.TopicRecord
	more    chan struct{} // closed at the next record
	paused  bool          // the topic shows no new record
	failing error         // of FindSegments
	onFind  func()        // after an answer was made, before it is returned
}

type plainLog struct {
	logStart, highWatermark int64
	coordinates             []rpc.Coordinate
	batches                 []recordbatch.Batch // as clients must see them
	compacted               map[int64]bool      // base offsets of batches that key compaction took out: who has them in memory may still show them
}

func newCoordinator() *coordinator {
	return &coordinator{logs: map[kafka.TopicIDPartition]*plainLog{}, gone: map[kafka.TopicID]bool{}, more: make(chan struct{})}
}

func (c *coordinator) log(p kafka.TopicIDPartition) *plainLog {
	l := c.logs[p]
	if l == nil {
		l = &plainLog{}
		c.logs[p] = l
	}
	return l
}

func (c *coordinator) record(r topics.BatchCoordinateRecord) {
	c.records = append(c.records, rpc.TopicRecord{Offset: c.start + int64(len(c.records)), Key: r.BatchCoordinateKey(), Value: topics.AppendBatchCoordinate(nil, r)})
	if !c.paused {
		close(c.more)
		c.more = make(chan struct{})
	}
}

func (c *coordinator) pause(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused = paused; !paused {
		close(c.more)
		c.more = make(chan struct{})
	}
}

// trim removes all records of the topic.
func (c *coordinator) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start += int64(len(c.records))
	c.records = nil
	close(c.more)
	c.more = make(chan struct{})
}

func (c *coordinator) FindSegments(_ context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	c.finds.Add(1)
	c.mu.Lock()
	if c.failing != nil {
		defer c.mu.Unlock()
		return nil, c.failing
	}
	out := &rpc.FindSegmentsResponse{}
	for _, q := range req.Partitions {
		l := c.log(q.Partition)
		r := rpc.FindSegmentResult{LogStartOffset: l.logStart, HighWatermark: l.highWatermark, LastStableOffset: l.highWatermark}
		switch {
		case c.gone[q.Partition.ID]:
			r = rpc.FindSegmentResult{Error: kerr.UnknownTopicID.Code, LogStartOffset: -1, HighWatermark: -1, LastStableOffset: -1}
		case q.Offset < l.logStart || q.Offset > l.highWatermark:
			r.Error = kerr.OffsetOutOfRange.Code
		default:
			for _, x := range l.coordinates { // the first may begin behind the offset
				if x.LastOffset >= q.Offset && len(r.Coordinates) < int(q.MaxCoordinates) {
					r.Coordinates = append(r.Coordinates, x)
				}
			}
		}
		out.Partitions = append(out.Partitions, r)
	}
	hook := c.onFind
	c.mu.Unlock()
	if hook != nil {
		hook()
	}
	return out, nil
}

func (c *coordinator) ListOffsets(_ context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	c.lists.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &rpc.ListOffsetsResponse{}
	for _, q := range req.Partitions {
		l := c.log(q.Partition)
		r := rpc.ListOffsetResult{LogStartOffset: l.logStart, HighWatermark: l.highWatermark, LastStableOffset: l.highWatermark}
		for _, x := range l.coordinates {
			if q.Timestamp >= 0 && !r.Found && x.MaxTimestamp >= q.Timestamp || q.Timestamp == rpc.MaxTimestamp && (!r.Found || x.MaxTimestamp > r.Coordinate.MaxTimestamp) {
				r.Found, r.Coordinate = true, x
			}
		}
		out.Partitions = append(out.Partitions, r)
	}
	return out, nil
}

func (c *coordinator) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	c.follows.Add(1)
	deadline := time.NewTimer(time.Duration(req.MaxWaitMillis) * time.Millisecond)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		end := c.start + int64(len(c.records))
		out := &rpc.FollowTopicResponse{StartOffset: c.start, HighWatermark: end, NextOffset: req.Offset}
		more := c.more
		if req.Offset < c.start {
			c.mu.Unlock()
			return out, fmt.Errorf("follow: %w", kerr.OffsetOutOfRange)
		}
		if !c.paused || req.MaxWaitMillis == 0 {
			out.Records = append(out.Records, c.records[req.Offset-c.start:]...)
			out.NextOffset = end
		}
		c.mu.Unlock()
		if len(out.Records) > 0 || req.MaxWaitMillis == 0 {
			return out, nil
		}
		select {
		case <-more:
		case <-deadline.C:
			return out, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// part is one partition's batches of an object.
type part struct {
	partition     int32
	logAppendTime int64 // 0 for none
	batches       []recordbatch.Batch
}

func batches(n, records, valueBytes int) (out []recordbatch.Batch) {
	for range n {
		out = append(out, recordbatchtest.Simple(records, valueBytes, 1000))
	}
	return out
}

type world struct {
	t       testing.TB
	bucket  *bucket
	coord   *coordinator
	buffers *slab.Pool
	m       *Manager
	next    int64
}

func newWorld(t testing.TB, cfg Config) *world {
	w := &world{t: t, bucket: &bucket{Bucket: memory.New(), spoil: map[string]func([]byte) error{}}, coord: newCoordinator(), buffers: &slab.Pool{}}
	w.m = w.manager(cfg)
	return w
}

func (w *world) manager(cfg Config) *Manager {
	cfg.Cluster = cluster
	m, err := New(cfg, Deps{Bucket: w.bucket, Coordinator: w.coord, Buffers: w.buffers})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// close closes the Manager and sees that no buffer is left.
func (w *world) close() {
	if err := w.m.Close(); err != nil {
		w.t.Error(err)
	}
	_ = w.m.Close()
	if n := w.buffers.InUse(); n != 0 {
		w.t.Errorf("%d bytes of buffers are in use after Close", n)
	}
}

// put uploads an object.
func (w *world) put(parts ...part) kafka.ObjectID {
	id := kafka.ObjectID{Epoch: 7, Sequence: w.next}
	w.next++
	body := [][]byte{make([]byte, 8)}
	for _, p := range parts {
		for _, b := range p.batches {
			body = append(body, b)
		}
	}
	if err := w.bucket.PutIfAbsent(context.Background(), id.Key(cluster), append(body, []byte("footer"))); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// commit gives offsets to an uploaded object's batches, and returns what the uploader would hand to its Cache Manager, in one frame; the
// caller releases it.
func (w *world) commit(id kafka.ObjectID, parts ...part) (*CommittedObject, *slab.Buffer) {
	size := 0
	for _, p := range parts {
		for _, b := range p.batches {
			size += len(b)
		}
	}
	frame := w.buffers.Get(size)
	at := 0
	c := w.coord
	c.mu.Lock()
	defer c.mu.Unlock()
	own := &CommittedObject{Object: id}
	rec := &topics.ObjectCommitted{Object: id, ObjectBytes: int64(size)}
	for _, p := range parts {
		l := c.log(tp(p.partition))
		x := rpc.Coordinate{Object: id, Position: int64(8 + at), BaseOffset: l.highWatermark, MaxTimestamp: -1, AppendTimestamp: -1, Batches: int32(len(p.batches))}
		if p.logAppendTime > 0 {
			x.AppendTimestamp = p.logAppendTime
		}
		run := CommittedRun{}
		for _, b := range p.batches {
			n := copy(frame.Bytes()[at:], b)
			run.Batches = append(run.Batches, slab.Ref{Buf: frame, B: frame.Bytes()[at : at+n]})
			at += n
			x.Bytes += int32(len(b))
			seen := recordbatch.Batch(bytes.Clone(b))
			seen.SetBaseOffset(l.highWatermark)
			seen.SetPartitionLeaderEpoch(kafka.LeaderEpoch)
			if p.logAppendTime > 0 {
				seen.SetLogAppendTime(p.logAppendTime)
			}
			x.MaxTimestamp = max(x.MaxTimestamp, seen.MaxTimestamp())
			l.batches = append(l.batches, seen)
			l.highWatermark += int64(b.LastOffsetDelta()) + 1
		}
		x.LastOffset = l.highWatermark - 1
		l.coordinates = append(l.coordinates, x)
		run.Coordinate = x
		own.Segments = append(own.Segments, CommittedSegment{Partition: tp(p.partition), Runs: []CommittedRun{run}})
		rec.Segments = append(rec.Segments, topics.CommittedSegment{Partition: tp(p.partition), Coordinates: []topics.CommittedCoordinate{{
			Position: x.Position, Bytes: x.Bytes, BaseOffset: x.BaseOffset, LastOffset: x.LastOffset,
			MaxTimestamp: x.MaxTimestamp, AppendTimestamp: x.AppendTimestamp, Batches: x.Batches,
		}}})
	}
	c.record(rec)
	return own, frame
}

// write is an object of another broker.
func (w *world) write(parts ...part) kafka.ObjectID {
	id := w.put(parts...)
	_, frame := w.commit(id, parts...)
	frame.Release()
	return id
}

// writeOwn is an object of this broker.
func (w *world) writeOwn(parts ...part) {
	own, frame := w.commit(w.put(parts...), parts...)
	w.m.ObjectCommitted(own)
	frame.Release()
}

func (w *world) ask(partition int32, offset int64, maxBytes int) FetchPartition {
	return FetchPartition{Partition: Partition{TopicIDPartition: tp(partition)}, Offset: offset, MaxBytes: maxBytes}
}

// fetch copies the answer and releases it.
func (w *world) fetch(req *FetchRequest) []FetchResult {
	results := w.m.Fetch(context.Background(), req)
	for i := range results {
		if r := &results[i]; r.Release != nil {
			r.Records = [][]byte{bytes.Join(r.Records, nil)}
			r.Release()
		}
	}
	return results
}

// fetchOne asks one partition without a wait.
func (w *world) fetchOne(partition int32, offset int64, maxBytes int) FetchResult {
	return w.fetch(&FetchRequest{Partitions: []FetchPartition{w.ask(partition, offset, maxBytes)}, MinBytes: 1, MaxBytes: 50 << 20})[0]
}

// check compares an answer with the plain log and returns the offset after it.
func (w *world) check(partition int32, offset int64, r *FetchResult) int64 {
	w.t.Helper()
	if r.Err != nil {
		w.t.Fatalf("partition %d offset %d: %v", partition, offset, r.Err)
	}
	w.coord.mu.Lock()
	l := *w.coord.log(tp(partition))
	w.coord.mu.Unlock()
	data := bytes.Join(r.Records, nil)
	for _, want := range l.batches {
		if want.LastOffset() < offset || len(data) == 0 {
			continue
		}
		if !bytes.HasPrefix(data, want) && l.compacted[want.BaseOffset()] {
			continue
		}
		if !bytes.HasPrefix(data, want) {
			w.t.Fatalf("partition %d offset %d: the batch at %d differs", partition, offset, want.BaseOffset())
		}
		data = data[len(want):]
		offset = want.LastOffset() + 1
	}
	if len(data) > 0 {
		w.t.Fatalf("partition %d: %d bytes too many", partition, len(data))
	}
	return offset
}

// readAll reads a partition to its end.
func (w *world) readAll(partition int32, maxBytes int) int64 {
	w.t.Helper()
	offset, end := w.bounds(partition)
	for offset < end {
		r := w.fetch(&FetchRequest{Partitions: []FetchPartition{w.ask(partition, offset, maxBytes)}, MinBytes: 1, MaxBytes: 50 << 20, MaxWait: time.Minute})[0]
		next := w.check(partition, offset, &r)
		if next == offset {
			w.t.Fatalf("partition %d: nothing at offset %d of %d", partition, offset, end)
		}
		offset = next
	}
	return offset
}

// bounds is where a partition's log begins and ends.
func (w *world) bounds(partition int32) (start, end int64) {
	w.coord.mu.Lock()
	defer w.coord.mu.Unlock()
	l := w.coord.log(tp(partition))
	return l.logStart, l.highWatermark
}

func (w *world) spoil(id kafka.ObjectID, f func([]byte) error) {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	spoil := maps.Clone(w.bucket.spoil)
	spoil[id.Key(cluster)] = f
	w.bucket.spoil = spoil
}

var _ Bucket = objectstorage.Bucket(nil)
