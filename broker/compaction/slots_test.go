package compaction

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// endless has a merge for whoever asks.
type endless struct {
	*world
	merge rpc.RequestWorkResponse
	done  atomic.Int32
}

func (e *endless) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	if req.Kinds[0] != rpc.WorkMerge {
		return &rpc.RequestWorkResponse{}, clock.Sleep(ctx, clock.System, time.Hour)
	}
	work := e.merge
	work.Lease, work.DeadlineMillis = 9, time.Now().Add(time.Minute).UnixMilli()
	return &work, nil
}

func (e *endless) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	e.done.Add(1)
	return &rpc.CompleteWorkResponse{Swapped: make([]bool, len(req.Segments))}, nil
}

// crowd counts who reads at the same time.
type crowd struct {
	objectstorage.Bucket
	now, most atomic.Int32
}

func (c *crowd) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	if err := clock.Sleep(ctx, clock.System, time.Second); err != nil {
		return err
	}
	return c.Bucket.GetRange(ctx, key, offset, dst)
}

// However many coordinator partitions have work, compaction.max.concurrent.jobs of their merges run at a time, for each has compaction.memory.bytes.
func TestJobsAtATime(t *testing.T) {
	for _, most := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(nil)
			defer func() { _ = w.jobs.Close() }()
			c := w.commit(t, inputSegment{tp(1, 0), []recordbatch.Batch{recordbatchtest.Simple(1, 10, 5)}, -1})
			e := &endless{world: w, merge: mergeOf(rpc.PartitionRun{Partition: tp(1, 0), Coordinates: c})}
			store := &crowd{Bucket: w.memory}
			cfg := Config{Cluster: cluster, Broker: 1, BrokerEpoch: func() int64 { return epoch }, View: &seen{coordinators: 5}, Work: e, Objects: w, Bucket: store, Clock: clock.System,
				NextObject: w.jobs.cfg.NextObject, Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler), Settings: DefaultSettings(), PartBytes: 50_000}
			cfg.Settings.MaxConcurrentJobs, cfg.Settings.RequestsPerSecond = most, 0
			j := New(cfg)
			time.Sleep(time.Minute)
			_ = j.Close()
			if got := store.most.Load(); int(got) != most || e.done.Load() < int32(50*most) {
				t.Errorf("%d jobs ran at a time, %d are allowed; %d were done in a minute", got, most, e.done.Load())
			}
		})
	}
}
