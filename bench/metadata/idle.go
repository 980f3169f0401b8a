package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/kafka"
)

const idlePartitions = 1000

// idle measures the nodes while clusters with a topic of 1,000 partitions each do nothing. They have no brokers.
func idle(ctx context.Context, w *world) ([]load.Row, error) {
	for i := range *clusters {
		if err := w.createIdle(ctx, kafka.ClusterID(fmt.Sprintf("idle-%d", i))); err != nil {
			return nil, err
		}
	}
	time.Sleep(*duration) // sessions of the brokers that created the topics end, leaders settle
	began := time.Now()
	before, err := w.cpu()
	if err != nil {
		return nil, err
	}
	time.Sleep(*duration)
	after, err := w.cpu()
	if err != nil {
		return nil, err
	}
	used := 100 * float64(after-before) / float64(time.Since(began))
	var most int64
	for _, s := range w.nodes {
		rss, err := load.PeakRSS(s.PID())
		if err != nil {
			return nil, err
		}
		most = max(most, rss)
	}
	return []load.Row{
		{Figure: fmt.Sprintf("%d clusters of %d partitions, idle: CPU of all nodes", *clusters, idlePartitions), Measured: fmt.Sprintf("%.1f%% of a core", used), Target: "10%"},
		{Figure: "peak RSS of the largest node, with their creation", Measured: fmt.Sprintf("%d MiB", most>>20), Target: "500 MiB"},
	}, nil
}

func (w *world) createIdle(ctx context.Context, name kafka.ClusterID) error {
	password, err := w.create(ctx, name, 0)
	if err != nil {
		return err
	}
	c, err := w.newCaller(ctx, name, password, 1, idlePartitions)
	if err != nil {
		return err
	}
	return c.close()
}

func (w *world) cpu() (all time.Duration, err error) {
	for _, s := range w.nodes {
		used, failed := load.CPUTime(s.PID())
		all, err = all+used, errors.Join(err, failed)
	}
	return all, err
}
