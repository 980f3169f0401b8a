package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	historyTopic = "history"
	steadyTopic  = "steady"
	partitions   = 16
	steadyRate   = 5 << 20 // bytes a second
	steadyFor    = 10 * time.Second
	rounds       = 3
	noMerging    = "1MiB" // the least compaction.bytes.per.second; a job that began then does not move

	mergedIn  = `inkwell_compaction_bytes_total{direction="read",job="merge"}`
	mergedOut = `inkwell_compaction_bytes_total{direction="written",job="merge"}`
	gets      = `inkwell_objectstorage_requests_total{op="get",outcome="ok"}`
)

// world is one data folder.
type world struct{ binary, dir, store string }

// with runs a server on the folder for the time of do.
func (w *world) with(ctx context.Context, store string, env, flags []string, do func(*servers.Server) error) (err error) {
	flags = append([]string{"--object.delete.delay", "5s"}, flags...)
	s, err := servers.StartInkwell(ctx, w.binary, servers.Options{Dir: w.dir, Store: store, Env: env, Extra: flags})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	// The status address is served last.
	for range 200 {
		if _, err = load.Metrics(ctx, s.HTTP()); err == nil {
			return do(s)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// whileMerging fills the folder and compares the latency of a producer without and with merging beside it, in turn.
func (w *world) whileMerging(ctx context.Context) (rows []load.Row, err error) {
	fill := func(s *servers.Server) error {
		if err := errors.Join(load.CreateTopic(ctx, s.Listen, historyTopic, partitions), load.CreateTopic(ctx, s.Listen, steadyTopic, partitions)); err != nil {
			return err
		}
		return load.Fill(ctx, s.Listen, historyTopic, *megabytes*1e6, 1<<10)
	}
	if err := w.with(ctx, w.store, nil, []string{"--compaction.bytes.per.second", noMerging}, fill); err != nil {
		return nil, err
	}
	p99 := map[string][]time.Duration{}
	var merged float64
	for range rounds {
		for _, rate := range []string{noMerging, "128MiB"} {
			steady := func(s *servers.Server) error {
				before, err := load.Metrics(ctx, s.HTTP())
				if err != nil {
					return err
				}
				acks, err := load.Steady(ctx, s.Listen, steadyTopic, steadyRate, steadyFor)
				if err != nil {
					return err
				}
				after, err := load.Metrics(ctx, s.HTTP())
				if rate != noMerging {
					merged += after[mergedIn] - before[mergedIn]
				}
				p99[rate] = append(p99[rate], load.Quantile(acks, 0.99))
				return err
			}
			if err := w.with(ctx, w.store, nil, []string{"--compaction.bytes.per.second", rate}, steady); err != nil {
				return nil, err
			}
		}
	}
	without, with := load.Quantile(p99[noMerging], 0.5), load.Quantile(p99["128MiB"], 0.5)
	return []load.Row{{
		Figure:   fmt.Sprintf("produce p99 at 5 MB/s while merging at the default rate (%.0f MB/s read), beside without", merged/1e6/(rounds*steadyFor.Seconds())),
		Measured: fmt.Sprintf("%s, %s: %.2f", load.Millis(with), load.Millis(without), float64(with)/float64(without)), Target: "1.2",
	}}, nil
}

// merge lets a server with one core merge what is left, without a bound on its rate.
func (w *world) merge(ctx context.Context) (rows []load.Row, err error) {
	err = w.with(ctx, w.store, []string{"GOMAXPROCS=1"}, []string{"--compaction.bytes.per.second", "0", "--compaction.requests.per.second", "0"}, func(s *servers.Server) error {
		var began, ended time.Time
		var first, last float64
		var cpuBefore, cpuAfter time.Duration
		for quiet := 0; quiet < 50; time.Sleep(200 * time.Millisecond) {
			m, err := load.Metrics(ctx, s.HTTP())
			if err != nil {
				return err
			}
			cpu, err := load.CPUTime(s.PID())
			if err != nil {
				return err
			}
			switch in := m[mergedIn]; {
			case in == last:
				quiet++
			case began.IsZero():
				began, first, cpuBefore = time.Now(), in, cpu
				fallthrough
			default:
				quiet, last, ended, cpuAfter = 0, in, time.Now(), cpu
			}
		}
		rss, err := load.PeakRSS(s.PID())
		if err != nil {
			return err
		}
		speed := "too little was left to merge: -megabytes is too small"
		if last > first && cpuAfter > cpuBefore {
			// The second is what the core would do if it had nothing else to do.
			speed = fmt.Sprintf("%.0f MB/s, %.0f MB per second of CPU", (last-first)/ended.Sub(began).Seconds()/1e6, (last-first)/(cpuAfter-cpuBefore).Seconds()/1e6)
		}
		rows = []load.Row{
			{Figure: fmt.Sprintf("merge, whole process with one core (%.0f MB)", last/1e6), Measured: speed, Target: "150 MB/s"},
			{Figure: "its peak RSS", Measured: fmt.Sprintf("%d MiB", rss>>20), Target: "256 MiB"},
		}
		return nil
	})
	return rows, err
}

// read consumes the merged history with one consumer from a store whose GETs take 50 ms longer.
func (w *world) read(ctx context.Context) (rows []load.Row, err error) {
	err = w.with(ctx, w.store+"?faulty_get_latency=50ms", nil, nil, func(s *servers.Server) error {
		before, err := load.Metrics(ctx, s.HTTP())
		if err != nil {
			return err
		}
		client, err := load.NewClient(s.Listen, kgo.ConsumeTopics(historyTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(50<<20), kgo.FetchMaxPartitionBytes(4<<20))
		if err != nil {
			return err
		}
		defer client.Close()
		want, began := *megabytes*1e6/(1<<10)*(1<<10), time.Now()
		bytes := int64(0)
		for bytes < want && ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			fetches.EachRecord(func(r *kgo.Record) { bytes += int64(len(r.Value)) })
		}
		took := time.Since(began)
		after, err := load.Metrics(ctx, s.HTTP())
		rows = []load.Row{
			{Figure: fmt.Sprintf("one consumer of %.1f GB of merged history, GETs of 50 ms", float64(bytes)/1e9), Measured: fmt.Sprintf("%.0f MB/s", float64(bytes)/1e6/took.Seconds()), Target: "300 MB/s"},
			{Figure: "its GETs per MB", Measured: fmt.Sprintf("%.2f", (after[gets]-before[gets])/(float64(bytes)/1e6)), Target: "0.2"},
		}
		return errors.Join(err, ctx.Err())
	})
	return rows, err
}
