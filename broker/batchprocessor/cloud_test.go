package batchprocessor

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// One producer with 5 requests of 1 MB in flight on one partition, and PUTs of 100 ms: uploads overlap though commits keep their order.
func TestOnePartitionIsPipelined(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.bucket.delay = 100 * time.Millisecond
		inFlight := make(chan struct{}, 5)
		start, sent := time.Now(), 0
		for ; time.Since(start) < 1100*time.Millisecond; sent++ {
			inFlight <- struct{}{}
			req := w.request(int64(sent), 500_000, 0)
			w.p.Append(context.Background(), req, func(r AppendResult) {
				if r.Partitions[0].Error != 0 {
					t.Error(r)
				}
				<-inFlight
			})
			req.Frame.Release()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if sent < 45 { // 10 rounds of 5, less the waits for company
			t.Errorf("%d requests in 1.1 s", sent)
		}
		for i, mark := range w.coord.order[tp(0)] {
			if int(mark) != i {
				t.Fatal("order", w.coord.order[tp(0)])
			}
		}
	})
}

// A small load against PUTs of 100 ms is answered after little more than one of them.
func TestSmallLoadIsAnsweredSoon(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.bucket.delay = 100 * time.Millisecond
		sent := make([]time.Time, 100)
		for i := range sent {
			sent[i] = time.Now()
			w.append(fmt.Sprint(i), w.request(int64(i), 8<<10, i%16))
			time.Sleep(3 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range sent {
			if d := w.at[fmt.Sprint(i)].Sub(sent[i]); d > 120*time.Millisecond {
				t.Errorf("request %d was answered after %v", i, d)
			}
		}
	})
}

// The Processor of the next epoch registers the same metrics after the last one was closed.
func TestMetricsOfTheNextEpoch(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for range 2 {
		cfg := Config{Cluster: "c"}
		cfg.SetDefaults()
		p := New(cfg, Deps{Clock: clock.System, Rand: rand.New(rand.NewPCG(1, 2)), Logger: slog.New(slog.DiscardHandler), Registerer: registry})
		families, err := registry.Gather()
		if err != nil || len(families) == 0 {
			t.Error(families, err)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
