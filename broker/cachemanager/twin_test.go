package cachemanager

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/topics"
)

// timed makes one batch of records with these times for each list.
func timed(partition int32, times ...[]int64) part {
	p := part{partition: partition}
	for i, ts := range times {
		var records []recordbatch.Record
		for _, t := range ts {
			records = append(records, recordbatch.Record{Timestamp: t, Value: []byte("value")})
		}
		p.batches = append(p.batches, recordbatchtest.Build(recordbatchtest.Spec{Records: records, Codec: recordbatch.Codec(i % 5)}))
	}
	return p
}

// Any history, read in any order through caches far too small, is what was written.
func TestReadsEqualAPlainLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cacheBytes := rapid.Int64Range(2, 60_000).Draw(rt, "cache")
		cfg := Config{
			CacheBytes:             cacheBytes,
			TailDistanceBytes:      rapid.Int64Range(1, 10_000).Draw(rt, "tailDistance"),
			ReadAheadBytes:         rapid.Int64Range(1, 20_000).Draw(rt, "readAhead"),
			MaxSpanBytes:           rapid.Int64Range(1, 20_000).Draw(rt, "span"),
			MinPieceBytes:          rapid.Int64Range(1, 1000).Draw(rt, "leastPiece"),
			PieceBytes:             rapid.Int64Range(1000, 8000).Draw(rt, "piece"),
			CoordinateCacheEntries: rapid.IntRange(2, 100).Draw(rt, "coordinates"),
			PageCoordinates:        rapid.Int32Range(1, 10).Draw(rt, "page"),
			MaxPartitions:          rapid.IntRange(1, 6).Draw(rt, "partitions"),
		}
		w := newWorld(t, cfg)
		const partitions = 5
		var reader [partitions]int64
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				var parts []part
				for p := range int32(partitions) {
					if rapid.Bool().Draw(rt, "in") {
						n := rapid.IntRange(1, 4).Draw(rt, "batches")
						appendTime := int64(0)
						if rapid.IntRange(0, 3).Draw(rt, "time") == 0 {
							appendTime = 5000
						}
						parts = append(parts, part{partition: p, logAppendTime: appendTime, batches: batches(n, rapid.IntRange(1, 5).Draw(rt, "records"), rapid.IntRange(0, 400).Draw(rt, "value"))})
					}
				}
				if rapid.Bool().Draw(rt, "own") {
					w.writeOwn(parts...)
				} else {
					w.write(parts...)
				}
			},
			"deleteRecords": func(rt *rapid.T) {
				p := rapid.Int32Range(0, partitions-1).Draw(rt, "p")
				w.coord.mu.Lock()
				defer w.coord.mu.Unlock()
				l := w.coord.log(tp(p))
				l.logStart = rapid.Int64Range(l.logStart, l.highWatermark).Draw(rt, "to")
				for len(l.coordinates) > 0 && l.coordinates[0].LastOffset < l.logStart {
					l.coordinates = l.coordinates[1:]
				}
				w.coord.record(&topics.LogStartMoved{Partition: tp(p), LogStartOffset: l.logStart})
			},
			"merge": func(rt *rapid.T) {
				j := job{p: rapid.Int32Range(0, partitions-1).Draw(rt, "p"), interval: rapid.Int64Range(1, 1000).Draw(rt, "interval")}
				n := len(w.coord.log(tp(j.p)).coordinates)
				if n == 0 {
					return
				}
				j.from = rapid.IntRange(0, n-1).Draw(rt, "from")
				j.to = rapid.IntRange(j.from+1, n).Draw(rt, "to")
				j.noIndex = rapid.IntRange(0, 3).Draw(rt, "noIndex") == 0
				j.deletes = rapid.Bool().Draw(rt, "deletes")
				if rapid.Bool().Draw(rt, "compacts") {
					j.drops = func(int64) bool { return rapid.Bool().Draw(rt, "drop") }
				}
				w.replace(j)
			},
			"trim": func(*rapid.T) { w.coord.trim() },
			"readAnywhere": func(rt *rapid.T) {
				req := &FetchRequest{MinBytes: 0, MaxBytes: rapid.IntRange(1, 20_000).Draw(rt, "max")}
				for _, p := range rapid.Permutation([]int32{0, 1, 2, 3, 4}).Draw(rt, "order") {
					w.coord.mu.Lock()
					l := w.coord.log(tp(p))
					offset := rapid.Int64Range(l.logStart, l.highWatermark).Draw(rt, "offset")
					w.coord.mu.Unlock()
					req.Partitions = append(req.Partitions, w.ask(p, offset, rapid.IntRange(1, 5000).Draw(rt, "partitionMax")))
				}
				for i, r := range w.fetch(req) {
					w.check(req.Partitions[i].Partition.Partition, req.Partitions[i].Offset, &r)
				}
			},
			"readOn": func(rt *rapid.T) {
				req := &FetchRequest{MinBytes: 1, MaxBytes: 10_000, MaxWait: time.Minute}
				some := false
				for p := range int32(partitions) {
					w.coord.mu.Lock()
					l := w.coord.log(tp(p))
					reader[p] = max(reader[p], l.logStart)
					some = some || reader[p] < l.highWatermark
					w.coord.mu.Unlock()
					req.Partitions = append(req.Partitions, w.ask(p, reader[p], 3000))
				}
				if !some {
					return
				}
				progress := false
				for p, r := range w.fetch(req) {
					next := w.check(int32(p), reader[p], &r)
					progress = progress || next > reader[p]
					reader[p] = next
				}
				if !progress {
					rt.Fatal("a fetch with a minute of time brought nothing")
				}
			},
		})
		w.close()
	})
}
