package objectverify

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
)

const clusterName = "orders-eu"

var (
	first  = kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: 0}
	second = kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: 1}
	third  = kafka.TopicIDPartition{ID: kafka.TopicID{2}, Partition: 0} // at the second coordinator
)

// Epochs of the world's brokers.
const (
	fencedEpoch   int64 = 3
	sweepingEpoch int64 = 4
	endingEpoch   int64 = 5
	liveEpoch     int64 = 6
	metadataEnd   int64 = 10 // epochs from here on are nobody's
)

// world is a cluster as two coordinators and a bucket see it. What the fake coordinators answer is written by hand, so that it can be wrong.
type world struct {
	t            *testing.T
	bucket       *memory.Bucket
	coordinators [2]*coordinator
	ends         [2]int64 // of their topics

	// Hooks that tests set.
	beforeGet      func(key string) error
	beforeHead     func(key string) error
	beforeDescribe func()
	keeps          bool  // CheckReleased says no
	grown          int32 // coordinators that came since the run began
	described      int
}

type coordinator struct {
	partitions []rpc.PartitionCoordinates
	objects    map[kafka.ObjectID]*rpc.ObjectDescription
}

func (w *world) coordinator(tp kafka.TopicIDPartition) *coordinator {
	if tp == third {
		return w.coordinators[1]
	}
	return w.coordinators[0]
}

func (w *world) partition(tp kafka.TopicIDPartition) *rpc.PartitionCoordinates {
	c := w.coordinator(tp)
	i := slices.IndexFunc(c.partitions, func(p rpc.PartitionCoordinates) bool { return p.Partition == tp })
	if i < 0 {
		c.partitions = append(c.partitions, rpc.PartitionCoordinates{Partition: tp})
		slices.SortFunc(c.partitions, func(a, b rpc.PartitionCoordinates) int { return objectformat.Compare(a.Partition, b.Partition) })
		return w.partition(tp)
	}
	return &c.partitions[i]
}

func (w *world) put(id kafka.ObjectID, body []byte) {
	w.t.Helper()
	w.putKey(id.Key(clusterName), body)
}

func (w *world) putKey(key string, body []byte) {
	w.t.Helper()
	if err := w.bucket.PutIfAbsent(w.t.Context(), key, [][]byte{body}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(key string) {
	w.t.Helper()
	if err := w.bucket.DeleteMany(w.t.Context(), []string{key})[0]; err != nil {
		w.t.Fatal(err)
	}
}

// body is what is stored under a key.
func (w *world) body(key string) []byte {
	w.t.Helper()
	info, err := w.bucket.Head(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	b := make([]byte, info.Bytes)
	if err := w.bucket.GetRange(w.t.Context(), key, 0, b); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// change replaces an object by what edit makes of it.
func (w *world) change(id kafka.ObjectID, edit func(b []byte) []byte) {
	w.t.Helper()
	key := id.Key(clusterName)
	b := edit(w.body(key))
	w.remove(key)
	w.putKey(key, b)
}

// append gives a coordinate its offsets at the end of its partition, and counts it.
func (w *world) append(tp kafka.TopicIDPartition, c rpc.Coordinate, records, objectBytes int64) {
	p := w.partition(tp)
	c.BaseOffset, c.LastOffset = p.HighWatermark, p.HighWatermark+records-1
	p.HighWatermark += records
	p.Coordinates = append(p.Coordinates, c)
	p.Bytes += int64(c.Bytes)
	p.Count++
	objects := w.coordinator(tp).objects
	if objects[c.Object] == nil {
		objects[c.Object] = &rpc.ObjectDescription{State: rpc.ObjectReferenced, Bytes: objectBytes}
	}
	objects[c.Object].References++
}

// produce stores an object of format 1 with two batches of each partition, and commits it.
func (w *world) produce(sequence int64, partitions ...kafka.TopicIDPartition) kafka.ObjectID {
	w.t.Helper()
	id := kafka.ObjectID{Epoch: liveEpoch, Sequence: sequence}
	writer := objectformat.NewWriter(clusterName, id, 0)
	for _, tp := range partitions {
		writer.Begin(tp)
		writer.Add(recordbatchtest.Simple(3, 10, 1000))
		writer.Add(recordbatchtest.Simple(2, 10, 2000))
	}
	body, segments, size := writer.Finish()
	w.put(id, bytes.Join(body, nil))
	for _, s := range segments {
		w.append(s.Partition, rpc.Coordinate{Object: id, Position: s.Position, Bytes: int32(s.Bytes), MaxTimestamp: s.MaxTimestamp, AppendTimestamp: -1, Batches: s.Batches}, s.Records, size)
	}
	return id
}

// merged stores an object of format 2 with an index, as a job writes it, at the end of a partition.
func (w *world) merged(sequence int64, tp kafka.TopicIDPartition) kafka.ObjectID {
	w.t.Helper()
	id := kafka.ObjectID{Epoch: liveEpoch, Sequence: sequence}
	var body bytes.Buffer
	writer, err := objectformat.NewStreamWriter(&body, clusterName, id)
	if err != nil {
		w.t.Fatal(err)
	}
	writer.Begin(tp)
	next := w.partition(tp).HighWatermark
	const batches = 6
	for i := range int64(batches) {
		b := recordbatchtest.Build(recordbatchtest.Spec{Codec: recordbatch.None, Records: recordbatchtest.Records(1, 400<<10, 3000+i)})
		b.SetBaseOffset(next + i)
		if _, err := writer.Add(b); err != nil {
			w.t.Fatal(err)
		}
	}
	segments, size, err := writer.Finish()
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(id, body.Bytes())
	s := segments[0]
	w.append(tp, rpc.Coordinate{Object: id, Position: s.Position, Bytes: int32(s.Bytes), MaxTimestamp: s.MaxTimestamp, AppendTimestamp: -1, Batches: s.Batches, Stamped: true,
		IndexPosition: s.IndexPosition, IndexBytes: s.IndexBytes}, batches, size)
	return id
}

func emptyWorld(t *testing.T) *world {
	w := &world{t: t, bucket: memory.New()}
	for i := range w.coordinators {
		w.coordinators[i] = &coordinator{objects: map[kafka.ObjectID]*rpc.ObjectDescription{}}
	}
	return w
}

// newWorld has six live objects and nothing wrong. Their sequences are 0 to 5; the last one is merged.
func newWorld(t *testing.T) *world {
	w := emptyWorld(t)
	for i := range int64(5) {
		w.produce(i, first, second, third)
	}
	w.merged(5, first)
	w.partition(kafka.TopicIDPartition{ID: kafka.TopicID{9}}) // empty
	return w
}

func live(sequence int64) kafka.ObjectID {
	return kafka.ObjectID{Epoch: liveEpoch, Sequence: sequence}
}

func (w *world) config() Config {
	return Config{Cluster: clusterName, Metadata: w, Bucket: hooked{w.bucket, w}, Page: 3}
}

func (w *world) run(cfg Config) *Report {
	w.t.Helper()
	r, err := New(cfg).Run(w.t.Context())
	if err != nil {
		w.t.Fatalf("%v, %+v", err, r)
	}
	return r
}

func (w *world) DescribeCluster(context.Context, *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	n := int32(2)
	if w.described++; w.described > 1 {
		n += w.grown
	}
	return &rpc.DescribeClusterResponse{Cluster: clusterName, BatchCoordinators: n}, nil
}

func (w *world) FollowTopic(_ context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	end := metadataEnd
	if req.Topic == rpc.BatchCoordinatesTopic {
		end = w.ends[req.Partition]
	}
	return &rpc.FollowTopicResponse{HighWatermark: end}, kerr.OffsetOutOfRange
}

func (w *world) CheckReleased(_ context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	resp := &rpc.CheckReleasedResponse{}
	for _, id := range req.Objects {
		resp.Released = append(resp.Released, !w.keeps && w.coordinators[req.Coordinator].objects[id] == nil && id.Epoch == fencedEpoch)
	}
	return resp, nil
}

func (w *world) DescribeObjects(_ context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	if w.beforeDescribe != nil {
		w.beforeDescribe()
	}
	resp := &rpc.DescribeObjectsResponse{}
	for _, id := range req.Objects {
		var d rpc.ObjectDescription
		if known := w.coordinators[req.Coordinator].objects[id]; known != nil {
			d = *known
		}
		switch {
		case id.Epoch > req.MetadataOffset:
			d.Epoch = rpc.EpochUnissued
		case id.Epoch == liveEpoch:
			d.Epoch = rpc.EpochLive
		case id.Epoch == endingEpoch:
			d.Epoch = rpc.EpochEnding
		}
		d.SweepPlanned = id.Epoch == sweepingEpoch && req.Coordinator == 1
		resp.Objects = append(resp.Objects, d)
	}
	return resp, nil
}

func (w *world) DescribeCoordinates(_ context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	resp, left := &rpc.DescribeCoordinatesResponse{}, int(req.MaxCoordinates)
	for _, p := range w.coordinators[req.Coordinator].partitions {
		if objectformat.Compare(p.Partition, req.From) < 0 {
			continue
		}
		if left == 0 {
			resp.More = true
			break
		}
		page := p
		page.Coordinates, page.Complete = nil, true
		for _, c := range p.Coordinates {
			if p.Partition == req.From && c.LastOffset < req.Offset {
				continue
			}
			if left == 0 {
				page.Complete = false
				break
			}
			page.Coordinates = append(page.Coordinates, c)
			left--
		}
		resp.Partitions = append(resp.Partitions, page)
	}
	return resp, nil
}

// hooked is the bucket with the world's hooks.
type hooked struct {
	*memory.Bucket
	w *world
}

func (h hooked) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	if h.w.beforeGet != nil {
		if err := h.w.beforeGet(key); err != nil {
			return err
		}
	}
	return h.Bucket.GetRange(ctx, key, offset, dst)
}

func (h hooked) Head(ctx context.Context, key string) (objectstorage.Info, error) {
	if h.w.beforeHead != nil {
		if err := h.w.beforeHead(key); err != nil {
			return objectstorage.Info{}, err
		}
	}
	return h.Bucket.Head(ctx, key)
}

// texts are the findings, one line each.
func texts(r *Report) (lines []string) {
	for _, f := range r.First {
		lines = append(lines, fmt.Sprint(f))
	}
	return lines
}
