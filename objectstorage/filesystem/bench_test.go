package filesystem

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchSizes are what brokers write: from an object that was closed by its age to a full one.
var benchSizes = []int{64 << 10, 256 << 10, 1 << 20, 8 << 20}

// reportCPU adds what a gigabyte costs in CPU time, of the process and of the kernel on its behalf.
func reportCPU(b *testing.B, objectBytes int) (stop func()) {
	user, system := cpuTime()
	return func() {
		b.StopTimer()
		user1, system1 := cpuTime()
		gb := float64(b.N) * float64(objectBytes) / 1e9
		b.ReportMetric((user1-user).Seconds()/gb, "user-s/GB")
		b.ReportMetric((system1-system).Seconds()/gb, "sys-s/GB")
	}
}

func cpuTime() (user, system time.Duration) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())
}

// BenchmarkPut writes objects in slices of about 16 KiB at odd addresses, as batches come from the network.
func BenchmarkPut(b *testing.B) {
	for _, size := range benchSizes {
		for _, parallel := range []int{1, 4} {
			b.Run(fmt.Sprintf("size=%dKiB/parallel=%d", size>>10, parallel), func(b *testing.B) {
				bucket := openBench(b)
				body := benchBody(size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				keep := int64(1<<30) / int64(size) // as a store does: what is written stays
				var n atomic.Int64
				var wg sync.WaitGroup
				b.ResetTimer()
				stop := reportCPU(b, size)
				for range parallel {
					wg.Go(func() {
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							if err := bucket.PutIfAbsent(b.Context(), benchKey(i), body); err != nil {
								b.Error(err)
							}
							if i > keep {
								bucket.DeleteMany(b.Context(), []string{benchKey(i - keep)})
							}
						}
					})
				}
				wg.Wait()
				stop()
			})
		}
	}
}

// BenchmarkGet reads objects of 8 MiB once each, none of them in the page cache.
func BenchmarkGet(b *testing.B) {
	const size = 8 << 20
	for _, shape := range []struct {
		name          string
		offset, bytes int
	}{{"whole", 0, size}, {"odd", 4321, size - 10000}, {"slice=400KB", 4321, 400_000}, {"slice=100KB", 4321, 100_000}} {
		for _, parallel := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/parallel=%d", shape.name, parallel), func(b *testing.B) {
				bucket := openBench(b)
				body := benchBody(size)
				count := min(int64(b.N), 256)
				for i := range count {
					if err := bucket.PutIfAbsent(b.Context(), benchKey(i), body); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(shape.bytes))
				var n atomic.Int64
				var wg sync.WaitGroup
				dropPageCache(b)
				b.ResetTimer()
				stop := reportCPU(b, shape.bytes)
				for range parallel {
					wg.Go(func() {
						dst, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
						if err != nil {
							b.Error(err)
							return
						}
						defer unix.Munmap(dst)
						clear(dst)
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							if i%count == 0 && i < int64(b.N) {
								dropPageCache(b)
							}
							if err := bucket.GetRange(b.Context(), benchKey(i%count), int64(shape.offset), dst[:shape.bytes]); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				stop()
			})
		}
	}
}

// openBench uses the folder of INKWELL_BENCH_DIR, for the temp folder may be in memory.
func openBench(b *testing.B) *Bucket {
	dir, err := os.MkdirTemp(os.Getenv("INKWELL_BENCH_DIR"), "inkwell-bench-")
	if err != nil {
		b.Fatal(err)
	}
	bucket, err := Open(Config{Path: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		bucket.Close()
		os.RemoveAll(dir)
	})
	return bucket
}

func benchKey(i int64) string { return fmt.Sprintf("cluster/%03x/%016x", i/1024, i) }

func benchBody(size int) (body [][]byte) {
	all := []byte(strings.Repeat("0123456789abcdef", size/16+1))[:size]
	for len(all) > 0 {
		n := min(len(all), 16_123)
		body = append(body, all[:n:n])
		all = all[n:]
	}
	return body
}

func dropPageCache(b *testing.B) {
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0); err != nil {
		b.Logf("reads may come from the page cache: %v", err)
	}
}
