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
	commitCallers  = 16 // calls in flight, as of a few brokers
	commitRate     = 2000

	largeBatches    = 1600
	largePartitions = 600
)

// commits measures many small Commit Object calls at once, at one coordinator partition.
func commits(ctx context.Context, w *world) ([]load.Row, error) {
	return w.committing(ctx, func(c *caller) (load.Row, error) {
		before, err := w.cpu()
		if err != nil {
			return load.Row{}, err
		}
		began := time.Now()
		took, err := c.flat(ctx, commitCallers, *duration)
		if err != nil {
			return load.Row{}, err
		}
		rate := float64(len(took)) / time.Since(began).Seconds()
		after, err := w.cpu()
		return load.Row{Figure: fmt.Sprintf("Commit Object, one coordinator partition, %d segments each, %d in flight, 3 replicas, fsync", commitSegments, commitCallers),
			Measured: fmt.Sprintf("%.0f/s, p99 %s; %.2f ms CPU of all nodes each", rate, load.Millis(load.Quantile(took, 0.99)), (after-before).Seconds()*1000/float64(len(took))), Target: "2,000/s, p99 25 ms"}, err
	})
}

// steadyCommits measures the same calls at a rate: brokers commit when they have something to commit, not when the one before is done.
func steadyCommits(ctx context.Context, w *world) ([]load.Row, error) {
	return w.committing(ctx, func(c *caller) (load.Row, error) {
		took, err := c.steady(ctx, commitRate, *duration)
		return load.Row{Figure: fmt.Sprintf("the same, %d/s whatever the answers", commitRate),
			Measured: fmt.Sprintf("p50 %s, p99 %s", load.Millis(load.Quantile(took, 0.5)), load.Millis(load.Quantile(took, 0.99))), Target: "p99 25 ms"}, err
	})
}

// largeCommits measures large calls, one after the other.
func largeCommits(ctx context.Context, w *world) ([]load.Row, error) {
	return w.committing(ctx, func(c *caller) (load.Row, error) {
		took, err := c.large(ctx, *duration)
		return load.Row{Figure: fmt.Sprintf("%d batches over %d partitions in one commit (%d of them)", largeBatches, largePartitions, len(took)),
			Measured: fmt.Sprintf("p50 %s, p99 %s", load.Millis(load.Quantile(took, 0.5)), load.Millis(load.Quantile(took, 0.99))), Target: "p99 15 ms"}, err
	})
}

// committing gives a caller with a topic to measure, when connections and caches are warm.
func (w *world) committing(ctx context.Context, measure func(*caller) (load.Row, error)) (rows []load.Row, err error) {
	password, err := w.create(ctx, "bench", 1)
	if err != nil {
		return nil, err
	}
	c, err := w.newCaller(ctx, "bench", password, 1, largePartitions)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.flat(ctx, 1, *duration/10); err != nil {
		return nil, err
	}
	row, err := measure(c)
	return []load.Row{row}, err
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
