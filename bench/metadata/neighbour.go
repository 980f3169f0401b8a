package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	greedyLimit     = 100 // commits/s
	greedyTimes     = 10
	neighbourTopic  = "quiet"
	neighbourRate   = 1 << 20 // bytes a second
	neighbourRounds = 4
)

// neighbour measures a producer of one cluster while another is driven at ten times its limit, at its limit, and not at all, in turn. The limit says how much the other may take
// of one disk and two cores; what comes on top of it is what the overload moves.
func neighbour(ctx context.Context, w *world) (rows []load.Row, err error) {
	greedy, err := w.create(ctx, "greedy", 1)
	if err != nil {
		return nil, err
	}
	if _, err := w.admin.AlterCluster(ctx, &rpc.AlterClusterRequest{Name: "greedy", Limits: []rpc.NamedLimit{{Name: "commits.per.second", Value: greedyLimit}}}); err != nil {
		return nil, err
	}
	c, err := w.newCaller(ctx, "greedy", greedy, 1, largePartitions)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	quiet, err := w.create(ctx, "quiet", 1)
	if err != nil {
		return nil, err
	}
	broker, err := servers.StartInkwellRole(ctx, w.binary, "broker", servers.Options{Dir: filepath.Join(w.dir, "broker"), Env: []string{"INKWELL_CLUSTER_PASSWORD=" + quiet},
		Extra: []string{"--metadata", w.addresses()[0], "--cluster", "quiet", "--broker.id", "1", "--store", "file://" + filepath.Join(w.dir, "objects")}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, broker.Kill()) }()
	if err := load.CreateTopic(ctx, broker.Listen, neighbourTopic, 16); err != nil {
		return nil, err
	}
	if _, err := load.Steady(ctx, broker.Listen, neighbourTopic, neighbourRate, *duration/5); err != nil {
		return nil, err
	}
	p99 := map[int][]time.Duration{} // of each round, by what the other cluster asks for, in commits/s
	var asked, taken int64
	for range neighbourRounds {
		for _, rate := range []int{0, greedyLimit, greedyLimit * greedyTimes} {
			driving, stop := context.WithCancel(ctx)
			var driver sync.WaitGroup
			driver.Go(func() {
				a, t := c.drive(driving, rate)
				if rate > greedyLimit {
					asked, taken = asked+a, taken+t
				}
			})
			acks, err := load.Steady(ctx, broker.Listen, neighbourTopic, neighbourRate, *duration/2)
			stop()
			driver.Wait()
			if err != nil {
				return nil, err
			}
			p99[rate] = append(p99[rate], load.Quantile(acks, 0.99))
		}
	}
	over, at, without := load.Quantile(p99[greedyLimit*greedyTimes], 0.5), load.Quantile(p99[greedyLimit], 0.5), load.Quantile(p99[0], 0.5)
	seconds := (neighbourRounds * *duration / 2).Seconds()
	return []load.Row{{
		Figure:   fmt.Sprintf("produce p99 beside a cluster that asks for %.0f commits/s, gets %.0f and may have %d; beside one that asks for what it may; without", float64(asked)/seconds, float64(taken)/seconds, greedyLimit),
		Measured: fmt.Sprintf("%s, %s, %s: %+.0f%%, %+.0f%%", load.Millis(over), load.Millis(at), load.Millis(without), change(over, at), change(over, without)), Target: "10%",
	}}, nil
}

// change is in percent.
func change(now, before time.Duration) float64 { return 100 * (float64(now)/float64(before) - 1) }

// drive makes so many calls a second until ctx ends, whatever becomes of them; those that are throttled are not made again.
func (c *caller) drive(ctx context.Context, perSecond int) (asked, taken int64) {
	var done atomic.Int64
	var calls sync.WaitGroup
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ctx.Err() == nil; <-ticker.C {
		for due := int64(time.Since(began).Seconds() * float64(perSecond)); asked < due; asked++ {
			req := c.object(int(asked)*commitSegments, commitSegments, largePartitions, commitSegments)
			calls.Go(func() {
				if c.commit(ctx, req) == nil {
					done.Add(1)
				}
			})
		}
	}
	calls.Wait()
	return asked, done.Load()
}
