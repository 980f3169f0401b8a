package cachemanager

import (
	"sync"
	"testing"
)

// A client computes its lag from the high watermark, which would be below zero with records above it. Own commits land at any moment, also
// between the look at a partition's bounds and the one at its coordinates.
func TestNoAnswerHasRecordsAboveItsHighWatermark(t *testing.T) {
	for what, c := range map[string]struct {
		known []int32 // partitions that are read before
		asks  []int32 // they get commits once the coordinator has made its answer
	}{
		"commits that wait for the coordinator's answer": {nil, []int32{0}},
		"commits while another partition is asked for":   {[]int32{0}, []int32{0, 1}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, Config{})
			defer w.close()
			w.write(part{partition: 0, batches: batches(2, 2, 100)}, part{partition: 1, batches: batches(2, 2, 100)})
			for _, p := range c.known {
				w.fetchOne(p, 0, 1<<20)
			}
			w.coord.pause(true) // the tail brings none of them
			var once sync.Once
			w.coord.onFind = func() {
				once.Do(func() {
					for range 3 {
						w.writeOwn(part{partition: 0, batches: batches(1, 3, 100)}, part{partition: 1, batches: batches(1, 3, 100)})
					}
				})
			}
			req := &FetchRequest{MinBytes: 1, MaxBytes: 50 << 20}
			for _, p := range c.asks {
				req.Partitions = append(req.Partitions, w.ask(p, 0, 1<<20))
			}
			for i, r := range w.fetch(req) {
				end := w.check(c.asks[i], 0, &r)
				if end > r.HighWatermark || r.LastStableOffset != r.HighWatermark {
					t.Errorf("partition %d: records up to %d, high watermark %d, last stable offset %d", c.asks[i], end, r.HighWatermark, r.LastStableOffset)
				}
				if end != 13 {
					t.Errorf("partition %d: records up to %d, want 13: without what was committed meanwhile nothing is tested", c.asks[i], end)
				}
			}
		})
	}
}
