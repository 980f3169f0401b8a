package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
)

const (
	commitSegments = 16
	commitCallers  = 32 // calls in flight, as of a few brokers
	commitRate     = 2000

	largeBatches    = 1600
	largePartitions = 600
)

// commits measures Commit Object at one coordinator partition: many small calls at once, and large ones, one after the other.
func commits(ctx context.Context, w *world) (rows []load.Row, err error) {
	password, err := w.create(ctx, "bench", 1)
	if err != nil {
		return nil, err
	}
	c, err := w.newCaller(ctx, "bench", password, 1, largePartitions)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.flat(ctx, commitCallers, *duration/5); err != nil { // connections, caches
		return nil, err
	}
	before, err := w.cpu()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	took, err := c.flat(ctx, commitCallers, *duration)
	if err != nil {
		return nil, err
	}
	most := float64(len(took)) / time.Since(began).Seconds()
	after, err := w.cpu()
	if err != nil {
		return nil, err
	}
	rows = append(rows, load.Row{Figure: fmt.Sprintf("Commit Object, one coordinator partition, %d segments each, %d in flight, 3 replicas, fsync", commitSegments, commitCallers),
		Measured: fmt.Sprintf("%.0f/s, p99 %s; %s CPU of all nodes each", most, load.Millis(load.Quantile(took, 0.99)), load.Millis((after-before)/time.Duration(len(took)))), Target: "2,000/s"})
	// Brokers commit when they have something to commit, not when the one before is done.
	rate := min(commitRate, int(most*0.8))
	if took, err = c.steady(ctx, rate, *duration); err != nil {
		return nil, err
	}
	rows = append(rows, load.Row{Figure: fmt.Sprintf("the same, %d/s whatever the answers", rate),
		Measured: fmt.Sprintf("p50 %s, p99 %s", load.Millis(load.Quantile(took, 0.5)), load.Millis(load.Quantile(took, 0.99))), Target: "2,000/s, p99 25 ms"})
	large, err := c.large(ctx, *duration/2)
	if err != nil {
		return nil, err
	}
	return append(rows, load.Row{Figure: fmt.Sprintf("%d batches over %d partitions in one commit (%d of them)", largeBatches, largePartitions, len(large)),
		Measured: fmt.Sprintf("p50 %s, p99 %s", load.Millis(load.Quantile(large, 0.5)), load.Millis(load.Quantile(large, 0.99))), Target: "p99 15 ms"}), nil
}

// flat keeps so many calls in flight.
func (c *caller) flat(ctx context.Context, inFlight int, d time.Duration) (took []time.Duration, err error) {
	var mu sync.Mutex // guards took and err
	var all sync.WaitGroup
	end := time.Now().Add(d)
	for i := range inFlight {
		all.Go(func() {
			for n := i; time.Now().Before(end); n++ {
				req := c.object(n*commitSegments, commitSegments, largePartitions, commitSegments)
				began := time.Now()
				failed := c.commit(ctx, req)
				mu.Lock()
				took = append(took, time.Since(began))
				err = errors.Join(err, failed)
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return took, err
}

// steady makes so many calls a second. Each is timed from when it was due, so that a queue of late ones shows. The first that fails ends it.
func (c *caller) steady(ctx context.Context, perSecond int, d time.Duration) (took []time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards took
	var all sync.WaitGroup
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	began := time.Now()
	for n := 0; time.Since(began) < d && ctx.Err() == nil; <-ticker.C {
		for ; float64(n) < time.Since(began).Seconds()*float64(perSecond); n++ {
			req, due := c.object(n*commitSegments, commitSegments, largePartitions, commitSegments), began.Add(time.Duration(n)*time.Second/time.Duration(perSecond))
			all.Go(func() {
				if err := c.commit(ctx, req); err != nil {
					cancel(err)
				}
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(due))
			})
		}
	}
	all.Wait()
	return took, context.Cause(ctx)
}

func (c *caller) large(ctx context.Context, d time.Duration) (took []time.Duration, err error) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		req := c.object(0, largePartitions, largePartitions, largeBatches)
		began := time.Now()
		if err := c.commit(ctx, req); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		time.Sleep(10 * time.Millisecond) // a broker commits a few times a second; back to back it would measure the disk's queue
	}
	return took, nil
}
