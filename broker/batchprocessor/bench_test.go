package batchprocessor

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/objectstorage/filesystem"
	"github.com/inkwell-project/inkwell/rpc"
)

// BenchmarkFilesystem is a closed loop of one producer with 5 requests in flight against real files and a commit of one millisecond. It is where the
// local defaults come from.
func BenchmarkFilesystem(b *testing.B) {
	for _, load := range []struct {
		name       string
		partitions int
		values     int // two records to a batch
	}{{"1x16KiB", 1, 8 << 10}, {"16x16KiB", 16, 8 << 10}, {"16x128KiB", 16, 64 << 10}} {
		for _, slots := range []int{1, 2, 4} {
			for _, wait := range []time.Duration{1, 4 * time.Millisecond} {
				b.Run(fmt.Sprintf("%s/slots=%d/wait=%v", load.name, slots, wait), func(b *testing.B) {
					benchFilesystem(b, slots, wait, load.partitions, load.values)
				})
			}
		}
	}
}

func benchFilesystem(b *testing.B, slots int, wait time.Duration, partitions, values int) {
	bucket, err := filesystem.Open(filesystem.Config{Path: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer bucket.Close()
	cfg := Config{Cluster: "c", BrokerEpoch: 1, UploadSlots: slots, GroupWait: wait}
	cfg.SetLocalDefaults()
	p := New(cfg, Deps{Bucket: bucket, Committer: &slowCommitter{}, Clock: clock.System, Rand: rand.New(rand.NewPCG(1, 2)), Logger: slog.New(slog.DiscardHandler)})
	w := &world{}
	all := make([]int, partitions)
	for i := range all {
		all[i] = i % 10 // one coordinator
	}
	req := w.request(1, values, all...)
	for i := range req.Partitions {
		req.Partitions[i].Partition = tp(i)
	}
	b.SetBytes(int64(len(req.Frame.Bytes())))
	inFlight := make(chan struct{}, 5)
	cpu := cpuTime()
	b.ResetTimer()
	for range b.N {
		inFlight <- struct{}{}
		copied := *req
		p.Append(context.Background(), &copied, func(AppendResult) { <-inFlight })
	}
	_ = p.Close(context.Background())
	b.StopTimer()
	gigabytes := float64(b.N) * float64(len(req.Frame.Bytes())) / 1e9
	b.ReportMetric((cpuTime()-cpu).Seconds()/gigabytes, "cpu-s/GB")
	b.ReportMetric(float64(p.nextSequence)/b.Elapsed().Seconds(), "puts/s")
}

// slowCommitter takes as long as a replicated log with fsync.
type slowCommitter struct{ nullCommitter }

func (c *slowCommitter) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	time.Sleep(time.Millisecond)
	return c.nullCommitter.CommitObjects(ctx, req)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend is 16 partitions of 128 KiB batches in one request, from 5 in flight.
func BenchmarkAppend(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.SetLocalDefaults() })
	w.bucket.now = time.Now
	w.p.deps.Bucket, w.p.deps.Committer, w.p.deps.Sink = &nullBucket{}, &nullCommitter{}, nil
	req := w.request(1, 64<<10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
	b.SetBytes(int64(len(req.Frame.Bytes())))
	b.ReportAllocs()
	inFlight := make(chan struct{}, 5)
	for range b.N {
		inFlight <- struct{}{}
		copied := *req
		w.p.Append(context.Background(), &copied, func(AppendResult) { <-inFlight })
	}
	_ = w.p.Close(context.Background())
}

type nullBucket struct{ testBucket }

func (*nullBucket) PutIfAbsent(context.Context, string, [][]byte) error { return nil }

type nullCommitter struct{}

func (*nullCommitter) CommitObjects(_ context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	resp := &rpc.CommitObjectsResponse{Objects: make([]rpc.ObjectResult, len(req.Objects))}
	for i := range req.Objects {
		resp.Objects[i].Segments = make([]rpc.SegmentResult, len(req.Objects[i].Segments))
		for j := range req.Objects[i].Segments {
			resp.Objects[i].Segments[j].Batches = make([]rpc.BatchResult, len(req.Objects[i].Segments[j].Batches))
		}
	}
	return resp, nil
}
