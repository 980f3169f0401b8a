package batchcoordinator

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	orders   = kafka.TopicIDPartition{ID: kafka.TopicID{'o'}}
	payments = kafka.TopicIDPartition{ID: kafka.TopicID{'p'}}
	foreign  = kafka.TopicIDPartition{ID: kafka.TopicID{'f'}}
	keepAll  = PartitionInfo{Coordinator: 2, RetentionMs: -1, RetentionBytes: -1, Delete: true}
)

type fixture struct {
	*Coordinator
	t     *testing.T
	log   *raftlogtest.Log
	image *testImage
	seq   int64
}

// inBubble runs a test with a coordinator of partition 2 in virtual time.
func inBubble(t *testing.T, change func(*Config), test func(*testing.T, *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{t: t, log: raftlogtest.New(state.New()), image: newTestImage()}
		f.image.create(orders, keepAll)
		f.image.create(payments, keepAll)
		f.image.create(foreign, PartitionInfo{Coordinator: 3})
		f.image.update(func() { f.image.live = []state.BrokerEpoch{{Broker: 1, Epoch: 1}} })
		cfg := Config{Cluster: "c", Partition: 2, Log: f.log, Metadata: f.image, Registerer: prometheus.NewRegistry()}
		if change != nil {
			change(&cfg)
		}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f.Coordinator = c
		defer func() {
			c.Close()
			c.Close() // twice is safe
		}()
		test(t, f)
	})
}

// object is one object with a batch of ten records for each partition.
func (f *fixture) object(partitions ...kafka.TopicIDPartition) rpc.ObjectCommit {
	o := rpc.ObjectCommit{Object: kafka.ObjectID{Epoch: 1, Sequence: f.seq}, ObjectBytes: 100, Coordinators: []int32{2}}
	f.seq++
	for i, tp := range partitions {
		o.Segments = append(o.Segments, rpc.SegmentCommit{Partition: tp, Position: int64(i) * 100, Batches: []rpc.BatchCommit{
			{Bytes: 100, Records: 10, MaxTimestamp: time.Now().UnixMilli(), ProducerID: -1},
		}})
	}
	return o
}

func (f *fixture) request(objects ...rpc.ObjectCommit) *rpc.CommitObjectsRequest {
	return &rpc.CommitObjectsRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, MetadataOffset: -1, Objects: objects}
}

func (f *fixture) commit(partitions ...kafka.TopicIDPartition) *rpc.CommitObjectsResponse {
	f.t.Helper()
	r, err := f.CommitObjects(f.t.Context(), f.request(f.object(partitions...)))
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) find(tp kafka.TopicIDPartition, offset int64) rpc.FindSegmentResult {
	f.t.Helper()
	r, err := f.FindSegments(f.t.Context(), &rpc.FindSegmentsRequest{Coordinator: 2, MetadataOffset: -1,
		Partitions: []rpc.FindSegment{{Partition: tp, Offset: offset, MaxBytes: 1 << 20, MaxCoordinates: 10}}})
	if err != nil {
		f.t.Fatal(err)
	}
	return r.Partitions[0]
}

func (f *fixture) wantLogStart(tp kafka.TopicIDPartition, want int64) {
	f.t.Helper()
	synctest.Wait()
	if r := f.find(tp, 1<<40); r.LogStartOffset != want {
		f.t.Errorf("log start of %s is %d, want %d", tp, r.LogStartOffset, want)
	}
}

func TestCommitAndFind(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		deleted := kafka.TopicIDPartition{ID: kafka.TopicID{'d'}}
		r := f.commit(orders, deleted, payments)
		if s := r.Objects[0].Segments; s[0].Batches[0].BaseOffset != 0 || s[1].Error != kerr.UnknownTopicID.Code || s[2].Error != 0 {
			t.Errorf("segments %+v", s)
		}
		if r := f.commit(orders); r.Objects[0].Segments[0].Batches[0].BaseOffset != 10 {
			t.Errorf("second commit %+v", r)
		}
		if r := f.find(orders, 15); r.Error != 0 || r.HighWatermark != 20 || len(r.Coordinates) != 1 || r.Coordinates[0].BaseOffset != 10 {
			t.Errorf("found %+v", r)
		}
		if r := f.find(orders, 20); r.Error != 0 || len(r.Coordinates) != 0 {
			t.Errorf("at the high watermark %+v", r)
		}
		if r := f.find(orders, 21); r.Error != kerr.OffsetOutOfRange.Code || r.HighWatermark != 20 {
			t.Errorf("above the high watermark %+v", r)
		}
		if r := f.find(deleted, 0); r.Error != kerr.UnknownTopicID.Code {
			t.Errorf("unknown topic %+v", r)
		}
		if r := f.find(foreign, 0); r.Error != kerr.NotCoordinator.Code {
			t.Errorf("partition of another coordinator %+v", r)
		}
		l, err := f.ListOffsets(t.Context(), &rpc.ListOffsetsRequest{Coordinator: 2, Partitions: []rpc.ListOffset{{Partition: orders, Timestamp: 1}}})
		if err != nil || !l.Partitions[0].Found || l.Partitions[0].Coordinate.BaseOffset != 0 {
			t.Errorf("list offsets %+v, %v", l, err)
		}
		d, err := f.DescribePartitions(t.Context(), &rpc.DescribePartitionsRequest{Coordinator: 2, Partitions: []kafka.TopicIDPartition{orders}})
		if err != nil || d.Partitions[0].Bytes != 200 {
			t.Errorf("describe %+v, %v", d, err)
		}
	})
}

func TestCommitIsRefusedWhole(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		synctest.Wait() // the loops have proposed what a new leader does
		commands := len(f.log.Commands())
		if _, err := f.CommitObjects(t.Context(), f.request(f.object(orders, foreign))); !errors.Is(err, kerr.NotCoordinator) {
			t.Errorf("segment of another coordinator: %v", err)
		}
		wrong := f.request(f.object(orders))
		wrong.Coordinator = 0
		if _, err := f.CommitObjects(t.Context(), wrong); !errors.Is(err, kerr.NotCoordinator) {
			t.Errorf("request for another coordinator: %v", err)
		}
		f.log.SetLeader(false)
		if _, err := f.CommitObjects(t.Context(), f.request(f.object(orders))); !errors.Is(err, kerr.NotCoordinator) {
			t.Errorf("not the leader: %v", err)
		}
		if n := len(f.log.Commands()) - commands; n > 0 {
			t.Errorf("%d commands were proposed", n)
		}
	})
}

func TestUnknownOutcomeIsAskedAgain(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		synctest.Wait()
		req := f.request(f.object(orders))
		f.log.Inject(raftlogtest.Fault{Err: kafka.ErrUnknownOutcome, Applied: true})
		if _, err := f.CommitObjects(t.Context(), req); !errors.Is(err, kafka.ErrUnknownOutcome) {
			t.Fatalf("error %v", err)
		}
		r, err := f.CommitObjects(t.Context(), req)
		if err != nil || r.Objects[0].Segments[0].Batches[0].BaseOffset != 0 {
			t.Errorf("asked again: %+v, %v", r, err)
		}
		if r := f.find(orders, 0); r.HighWatermark != 10 {
			t.Errorf("high watermark %d, want 10", r.HighWatermark)
		}
	})
}

func TestWaitsForTheCallersImage(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		added := kafka.TopicIDPartition{ID: kafka.TopicID{'n'}}
		req := f.request(f.object(added))
		req.MetadataOffset = f.image.Offset() + 1
		done := make(chan *rpc.CommitObjectsResponse, 1)
		go func() {
			r, _ := f.CommitObjects(t.Context(), req)
			done <- r
		}()
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("answered by an older image")
		}
		f.image.create(added, keepAll)
		if r := <-done; r.Objects[0].Segments[0].Error != 0 {
			t.Errorf("result %+v", r)
		}
	})
}

func TestDeleteRecords(t *testing.T) {
	inBubble(t, func(c *Config) { c.PageCoordinates = 2 }, func(t *testing.T, f *fixture) {
		for range 5 {
			f.commit(orders)
		}
		f.image.create(kafka.TopicIDPartition{ID: kafka.TopicID{'k'}}, PartitionInfo{Coordinator: 2})
		r, err := f.DeleteRecords(t.Context(), &rpc.DeleteRecordsRequest{Coordinator: 2, Partitions: []rpc.DeleteRecords{
			{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{'k'}}, Before: 1},
			{Partition: orders, Before: 45},
			{Partition: payments, Before: 1},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Partitions[0].Error != kerr.PolicyViolation.Code || r.Partitions[1].LogStartOffset != 45 || r.Partitions[2].Error != kerr.OffsetOutOfRange.Code {
			t.Errorf("results %+v", r.Partitions)
		}
		f.wantLogStart(orders, 45)
		r, err = f.DeleteRecords(t.Context(), &rpc.DeleteRecordsRequest{Coordinator: 2, Partitions: []rpc.DeleteRecords{{Partition: orders, Before: -1}}})
		if err != nil || r.Partitions[0].LogStartOffset != 50 {
			t.Errorf("up to the high watermark: %+v, %v", r, err)
		}
	})
}

func TestConfigReportsEveryMistake(t *testing.T) {
	_, err := New(Config{Partition: -1, MaxWorkObjects: -1, RetentionCheckInterval: -time.Second})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 6 {
		t.Errorf("error %v", err)
	}
}

func TestConcurrentCommits(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		const commits = 50
		bases := make(chan int64, commits)
		var calls sync.WaitGroup
		defer calls.Wait() // the finds too, before the test's context ends
		for range commits {
			req := f.request(f.object(orders, payments))
			calls.Go(func() {
				r, err := f.CommitObjects(t.Context(), req)
				if err != nil {
					t.Error(err)
					bases <- -1
					return
				}
				bases <- r.Objects[0].Segments[0].Batches[0].BaseOffset
				f.find(payments, 0)
			})
		}
		seen := map[int64]bool{}
		for range commits {
			base := <-bases
			if seen[base] || base%10 != 0 || base < 0 || base >= commits*10 {
				t.Errorf("base offset %d", base)
			}
			seen[base] = true
		}
	})
}
