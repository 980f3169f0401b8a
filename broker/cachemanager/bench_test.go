package cachemanager

import (
	"context"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// benchmarkSequential reads 16 partitions of 8 MiB objects from their start, as a consumer of one broker does: a partition is asked for again when
// what it brought is used up, 1 MiB each.
func benchmarkSequential(b *testing.B, partitions int, delay time.Duration, store Bucket, put func(w *world, parts []part)) {
	const objects, batchBytes = 24, 64 << 10
	w := newWorld(b, Config{})
	w.bucket.delay = delay
	batch := batches(1, 64, 1024-8)[0]
	per := (8 << 20) / 16 / len(batch)
	for range objects {
		var parts []part
		for p := range int32(16) {
			bs := make([]recordbatch.Batch, per)
			for i := range bs {
				bs[i] = batch
			}
			parts = append(parts, part{partition: p, batches: bs})
		}
		if put != nil {
			put(w, parts)
		} else {
			w.write(parts...)
		}
	}
	end := w.coord.log(tp(0)).highWatermark
	total := int64(objects*per*len(batch)) * int64(partitions)
	b.SetBytes(total)
	b.ReportAllocs()
	for b.Loop() {
		m, err := New(Config{Cluster: cluster}, Deps{Bucket: store, Coordinator: w.coord, Buffers: w.buffers})
		if store == nil {
			m, err = New(Config{Cluster: cluster}, Deps{Bucket: w.bucket, Coordinator: w.coord, Buffers: w.buffers})
		}
		if err != nil {
			b.Fatal(err)
		}
		offsets := make([]int64, partitions)
		read := int64(0)
		for turn := 0; read < total; turn++ {
			req := &FetchRequest{MinBytes: 1, MaxBytes: 50 << 20, MaxWait: time.Second}
			for i := range 4 { // those that a consumer drained since its last fetch
				if p := (turn*4 + i) % partitions; offsets[p] < end && i < partitions {
					req.Partitions = append(req.Partitions, w.ask(int32(p), offsets[p], 1<<20))
				}
			}
			for i, r := range m.Fetch(context.Background(), req) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
				for _, s := range r.Records {
					read += int64(len(s))
					for rest := recordbatch.Batch(s); len(rest) > 0; rest = rest[rest.Size():] {
						offsets[req.Partitions[i].Partition.Partition] = rest.LastOffset() + 1
					}
				}
				if r.Release != nil {
					r.Release()
				}
			}
		}
		m.Close()
	}
	b.ReportMetric(float64(w.bucket.gets.Load())/float64(b.N), "GETs/op")
	w.close()
}

func BenchmarkSequential16Partitions(b *testing.B) { benchmarkSequential(b, 16, 0, nil, nil) }

func BenchmarkSequentialOneOf16Partitions(b *testing.B) { benchmarkSequential(b, 1, 0, nil, nil) }

func BenchmarkSequential16PartitionsSlowStore(b *testing.B) {
	benchmarkSequential(b, 16, 50*time.Millisecond, nil, nil)
}

func BenchmarkSequentialOneOf16PartitionsSlowStore(b *testing.B) {
	benchmarkSequential(b, 1, 50*time.Millisecond, nil, nil)
}

func BenchmarkTailFromMemory(b *testing.B) {
	w := newWorld(b, Config{})
	batch := batches(1, 64, 1024-8)
	var parts []part
	for p := range int32(16) {
		w.fetchOne(p, 0, 1)
		parts = append(parts, part{partition: p, batches: batch})
	}
	id := kafka.ObjectID{}
	b.SetBytes(int64(16 * len(batch[0])))
	b.ReportAllocs()
	for b.Loop() {
		id.Sequence++
		own, frame := w.commit(id, parts...)
		w.m.ObjectCommitted(own)
		frame.Release()
		req := &FetchRequest{MinBytes: 1, MaxBytes: 50 << 20, MaxWait: time.Second}
		for p := range int32(16) {
			req.Partitions = append(req.Partitions, w.ask(p, own.Segments[p].Runs[0].Coordinate.BaseOffset, 1<<20))
		}
		for _, r := range w.m.Fetch(context.Background(), req) {
			if len(r.Records) == 0 {
				b.Fatal("nothing to read")
			}
			r.Release()
		}
		w.coord.logs = map[kafka.TopicIDPartition]*plainLog{}
		for p := range int32(16) {
			w.coord.log(tp(p)).highWatermark = own.Segments[p].Runs[0].Coordinate.LastOffset + 1
		}
	}
	w.close()
}

// BenchmarkMergedHistory reads one large segment, 50 ms away, through answers of 1 MiB.
func BenchmarkMergedHistory(b *testing.B) {
	w := newWorld(b, Config{CacheBytes: 192 << 20, TailBytes: 64 << 20})
	for range 64 {
		w.write(part{partition: 0, batches: batches(64, 1, 100_000)})
	}
	w.replace(job{to: 64, interval: 1 << 20, deletes: true})
	bytes := int64(w.coord.log(tp(0)).coordinates[0].Bytes)
	end := w.coord.log(tp(0)).highWatermark
	w.bucket.delay = 50 * time.Millisecond
	b.SetBytes(bytes)
	for b.Loop() {
		gets := w.bucket.gets.Load()
		for offset := int64(0); offset < end; {
			r := w.m.Fetch(context.Background(), &FetchRequest{Partitions: []FetchPartition{w.ask(0, offset, 1<<20)}, MinBytes: 1, MaxBytes: 50 << 20, MaxWait: time.Second})[0]
			if r.Err != nil || len(r.Records) == 0 {
				b.Fatal(r.Err)
			}
			last := r.Records[len(r.Records)-1]
			for x, err := range recordbatch.All(last) {
				if err != nil {
					b.Fatal(err)
				}
				offset = x.LastOffset() + 1
			}
			r.Release()
		}
		b.ReportMetric(float64(w.bucket.gets.Load()-gets)/(float64(bytes)/1e6), "GETs/MB")
	}
	w.close()
}
