package compaction

import (
	"context"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage/filesystem"
	"github.com/inkwell-project/inkwell/rpc"
)

// BenchmarkMerge merges 12 objects of 8 MiB with 100 partitions into one. Run it with -cpu 1: the figure to hold is 150 MB/s of what is merged with one core, in less
// than 256 MiB. BENCH_FOLDER names a folder for the objects; without it they are in memory, and so in the RSS.
func BenchmarkMerge(b *testing.B) {
	w := newWorld(func(c *Config) {
		c.PartBytes = 8 << 20
		c.Settings.MemoryBytes = DefaultMemoryBytes
		if folder := os.Getenv("BENCH_FOLDER"); folder != "" {
			bucket, err := filesystem.Open(filesystem.Config{Path: folder})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				infos, err := bucket.List(context.Background(), string(cluster)+"/", "", 1000)
				if err != nil {
					b.Error(err)
				}
				for _, info := range infos {
					bucket.DeleteMany(context.Background(), []string{info.Key})
				}
				_ = bucket.Close()
			})
			c.Bucket = bucket
		}
	})
	defer func() { _ = w.jobs.Close() }()
	runs := make([]rpc.PartitionRun, 100)
	total := int64(0)
	for range 12 {
		var segments []inputSegment
		for p := range runs {
			runs[p].Partition = tp(1, int32(p))
			s := inputSegment{partition: runs[p].Partition, appendTime: -1}
			for range 5 {
				s.batches = append(s.batches, recordbatchtest.Build(recordbatchtest.Spec{Codec: recordbatch.None, Records: recordbatchtest.Records(16, 1000, 5)}))
			}
			segments = append(segments, s)
		}
		for p, c := range w.commit(b, segments...) {
			runs[p].Coordinates = append(runs[p].Coordinates, c)
			total += int64(c.Bytes)
		}
	}
	if w.jobs.cfg.Bucket != w.faulty { // the inputs belong where the jobs look
		for _, c := range runs[0].Coordinates {
			key := c.Object.Key(cluster)
			info, err := w.memory.Head(b.Context(), key)
			if err != nil {
				b.Fatal(err)
			}
			all := make([]byte, info.Bytes)
			if err := w.memory.GetRange(b.Context(), key, 0, all); err != nil {
				b.Fatal(err)
			}
			if err := w.jobs.cfg.Bucket.PutIfAbsent(b.Context(), key, [][]byte{all}); err != nil {
				b.Fatal(err)
			}
			w.memory.DeleteMany(b.Context(), []string{key})
		}
	}
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // VmHWM begins anew
	b.SetBytes(total)
	b.ResetTimer()
	for range b.N {
		if err := w.do(context.Background(), mergeOf(runs...)); err != nil {
			b.Fatal(err)
		}
		var keys []string
		for _, o := range w.completed[len(w.completed)-1].Outputs {
			keys = append(keys, o.Object.Key(cluster))
		}
		w.jobs.cfg.Bucket.DeleteMany(b.Context(), keys)
	}
	b.StopTimer()
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmHWM") {
				b.Log(strings.Join(strings.Fields(line), " "))
			}
		}
	}
	if in := w.jobs.cfg.Buffers.InUse(); in != 0 {
		b.Fatal(in)
	}
}
