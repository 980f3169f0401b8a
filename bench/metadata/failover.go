package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/test/servers"
)

// failover kills the node that leads the coordinator partition, again and again, and measures how long a broker's commit takes that was sent at that moment.
func failover(ctx context.Context, w *world) (rows []load.Row, err error) {
	password, err := w.create(ctx, "bench", 1)
	if err != nil {
		return nil, err
	}
	c, err := w.newCaller(ctx, "bench", password, 1, commitSegments)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var took []time.Duration
	for range *kills {
		d, err := w.killLeader(ctx, c)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return []load.Row{{Figure: fmt.Sprintf("kill -9 of a leader to the next commit, %d kills", len(took)),
		Measured: fmt.Sprintf("median %.2f s, max %.2f s", load.Quantile(took, 0.5).Seconds(), load.Quantile(took, 1).Seconds()), Target: "median 1.5 s, max 3 s"}}, nil
}

func (w *world) killLeader(ctx context.Context, c *caller) (took time.Duration, err error) {
	commit := func() error { return c.commit(ctx, c.object(0, commitSegments, commitSegments, commitSegments)) }
	if err := commit(); err != nil {
		return 0, err
	}
	leader, err := w.leader(ctx, c)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := leader.Kill(); err != nil {
		return 0, err
	}
	// The outcome of a call that was cut is unknown; the broker asks again, and so does this.
	if err := until(ctx, 10*time.Millisecond, commit); err != nil {
		return 0, err
	}
	took = time.Since(began)
	if err := leader.Start(ctx); err != nil {
		return 0, err
	}
	for _, s := range w.nodes {
		if err := ready(ctx, s); err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Second) // what it missed is copied to it: the next kill finds three replicas
	return took, nil
}

// leader is the node that leads the batch coordinator.
func (w *world) leader(ctx context.Context, c *caller) (found *servers.Server, err error) {
	err = until(ctx, 10*time.Millisecond, func() error {
		all, err := c.client.FindLeaders(ctx, &rpc.FindLeadersRequest{})
		if err != nil {
			return err
		}
		for _, l := range all.Leaders {
			if l.Kind == rpc.TargetBatchCoordinator && l.Partition == 0 && l.Node > 0 {
				found = w.nodes[l.Node-1]
				return nil
			}
		}
		return errors.New("nobody leads the batch coordinator")
	})
	return found, err
}
