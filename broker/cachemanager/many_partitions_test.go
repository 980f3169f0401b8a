package cachemanager

import (
	"testing"
	"testing/synctest"
	"time"
)

// One consumer of sixteen partitions, as a Kafka client asks for them: 50 MiB in all, 4 MiB of each, those that gave last time last. It takes 2 ms for a megabyte.
func TestMergedHistoryOfManyPartitionsIsReadInFewLargePieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, objects, scale = 16, 200, 512 // some 210 kB of each stand for 110 MB
		w := newWorld(t, Config{
			CacheBytes: 128<<20/scale + 1, TailBytes: 1, LaggingBytes: 128 << 20 / scale, MinPieceBytes: 1 << 20 / scale, PieceBytes: 8 << 20 / scale,
			ReadAheadBytes: 64 << 20 / scale, MaxSpanBytes: 16 << 20 / scale, TailDistanceBytes: 1,
		})
		var order []int32
		var offsets [partitions]int64
		total := 0
		for p := range int32(partitions) {
			for range objects {
				w.write(one(p, 1000))
			}
			w.replace(job{p: p, to: objects, interval: 2000})
			total += int(w.coord.log(tp(p)).coordinates[0].Bytes)
			order = append(order, p)
		}
		w.bucket.delay = 50 * time.Millisecond
		started := time.Now()
		for read := 0; read < total; {
			req := &FetchRequest{MinBytes: 1, MaxBytes: 50 << 20 / scale, MaxWait: time.Second}
			for _, p := range order {
				req.Partitions = append(req.Partitions, w.ask(p, offsets[p], 4<<20/scale))
			}
			var empty, gave []int32
			got := 0
			for i, r := range w.fetch(req) {
				p := order[i]
				if offsets[p] = w.check(p, offsets[p], &r); len(r.Records) == 0 {
					empty = append(empty, p)
					continue
				}
				got += len(r.Records[0])
				gave = append(gave, p)
			}
			if got == 0 {
				t.Fatalf("nothing at %v", offsets)
			}
			read += got
			order = append(empty, gave...)
			time.Sleep(2 * time.Nanosecond * time.Duration(got*scale))
		}
		took, mb := time.Since(started).Seconds(), float64(total)*scale/1e6
		gets := float64(w.bucket.gets.Load()) / mb
		t.Logf("%.0f MB in %.2f s: %.0f MB/s, %.3f GETs per MB", mb, took, mb/took, gets)
		if mb/took < 300 || gets > 0.2 {
			t.Error("want at least 300 MB/s and at most 0.2 GETs per MB")
		}
		w.close()
	})
}
