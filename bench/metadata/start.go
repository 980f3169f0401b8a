package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
)

// startPartitions have a coordinate in each object of this measurement, so that nothing joins them.
const startPartitions = 1000

// start measures a node with many coordinates from its exec until it is ready and until it commits, after kill -9.
func start(ctx context.Context, w *world) (rows []load.Row, err error) {
	password, err := w.create(ctx, "bench", 1)
	if err != nil {
		return nil, err
	}
	c, err := w.newCaller(ctx, "bench", password, 1, startPartitions)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	commit := func() error { return c.commit(ctx, c.object(0, startPartitions, startPartitions, startPartitions)) }
	written := 0
	for ; written < *coordinates; written += startPartitions {
		if err := commit(); err != nil {
			return nil, err
		}
	}
	var toReady, toCommit []time.Duration
	node := w.nodes[0]
	for range 3 {
		if err := node.Kill(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := node.Launch(); err != nil {
			return nil, err
		}
		if err := ready(ctx, node); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, node.LogTail(2000))
		}
		toReady = append(toReady, time.Since(began))
		if err := until(ctx, 5*time.Millisecond, commit); err != nil {
			return nil, err
		}
		toCommit = append(toCommit, time.Since(began))
	}
	return []load.Row{{Figure: fmt.Sprintf("start of a node with %d coordinates after kill -9, to ready (median of %d)", written, len(toReady)),
		Measured: fmt.Sprintf("%.2f s; first commit %.2f s", load.Quantile(toReady, 0.5).Seconds(), load.Quantile(toCommit, 0.5).Seconds()), Target: "3 s"}}, nil
}
