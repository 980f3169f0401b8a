package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
)

const recordBytes = 1024

// sizes is how much each step of the plan does.
type sizes struct {
	throughput int // records of the tuned and default steps
	latency    int // records at 5 MB/s
	single     int // records sent one at a time
}

// figure is one row of the table.
type figure struct {
	name, unit  string
	lowerBetter bool
}

var figures = []figure{
	{"produce, tuned client", "MB/s", false},
	{"produce, default client, 16 partitions", "MB/s", false},
	{"produce, default client, 1 partition", "MB/s", false},
	{"the same, Kafka syncs, too (flush.messages=1)", "MB/s", false},
	{"consume", "MB/s", false},
	{"server CPU per GB produced", "s", true},
	{"server CPU per GB afterwards, until merged and deleted", "s", true},
	{"server CPU per GB consumed", "s", true},
	{"produce latency at 5 MB/s, p50", "ms", true},
	{"produce latency at 5 MB/s, p99", "ms", true},
	{"one record produced and consumed, p50", "ms", true},
	{"one record produced and consumed, p99", "ms", true},
	{"peak RSS", "MB", true},
	{"start to first accepted record", "s", true},
}

// measure starts s with an empty folder, takes every figure once and stops it.
func measure(s system, t tools, n sizes, work string) (values map[string]float64, err error) {
	dir := filepath.Join(work, s.name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	began := time.Now()
	p, err := s.start(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if stopErr := p.stop(); stopErr != nil && err == nil {
			err = fmt.Errorf("stopping %s: %w", s.name, stopErr)
		}
		if err == nil {
			err = os.RemoveAll(dir)
		}
	}()
	if err := firstRecord(s.bootstrap); err != nil {
		return nil, fmt.Errorf("%s did not accept a record within %s: %w", s.name, startDeadline, err)
	}
	values = map[string]float64{"start to first accepted record": time.Since(began).Seconds()}
	r := run{system: s, tools: t, process: p, values: values, sizes: n}
	for _, step := range []func() error{r.produceTuned, r.produceDefault, r.rest, r.consume, r.latency, r.oneAtATime, r.produceSynced, r.peak} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return values, nil
}

type run struct {
	system
	tools   tools
	process *process
	values  map[string]float64
	sizes   sizes
}

// withCPU runs step and stores the server's CPU seconds per GB (10^9 bytes) of records.
func (r *run) withCPU(name string, records int, step func() error) error {
	before, err := load.CPUTime(r.process.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := step(); err != nil {
		return err
	}
	after, err := load.CPUTime(r.process.cmd.Process.Pid)
	if err != nil {
		return err
	}
	r.values[name] = (after - before).Seconds() / (float64(records) * recordBytes / 1e9)
	return nil
}

func (r *run) produceTuned() error {
	if err := r.tools.createTopic(r.bootstrap, "tuned", 16); err != nil {
		return err
	}
	// The first seconds of a JVM are not what is compared: a short run warms both servers.
	if _, err := r.tools.produce(r.bootstrap, "tuned", r.sizes.throughput/10, -1, "batch.size=131072", "linger.ms=5"); err != nil {
		return err
	}
	return r.withCPU("server CPU per GB produced", r.sizes.throughput, func() error {
		got, err := r.tools.produce(r.bootstrap, "tuned", r.sizes.throughput, -1, "batch.size=131072", "linger.ms=5")
		r.values["produce, tuned client"] = got.mbPerSecond
		return err
	})
}

func (r *run) produceDefault() error {
	for _, partitions := range []int{16, 1} {
		topic := fmt.Sprintf("default%d", partitions)
		if err := r.tools.createTopic(r.bootstrap, topic, partitions); err != nil {
			return err
		}
		got, err := r.tools.produce(r.bootstrap, topic, r.sizes.throughput, -1)
		if err != nil {
			return err
		}
		name := "produce, default client, 16 partitions"
		if partitions == 1 {
			name = "produce, default client, 1 partition"
		}
		r.values[name] = got.mbPerSecond
	}
	return nil
}

const (
	restFor   = 20 * time.Second // without progress
	restAtAll = 10 * time.Minute // a server that takes longer is measured as it is then
)

// rest waits until the server has done what producing leaves behind: merging, and deleting what was merged, are paid for by what was written, not by who reads next.
func (r *run) rest() error {
	written := r.sizes.throughput/10 + 3*r.sizes.throughput
	return r.withCPU("server CPU per GB afterwards, until merged and deleted", written, func() error {
		if r.afterwards == nil {
			return nil
		}
		began, last := time.Now(), time.Now()
		for before := -1.0; time.Since(last) < restFor && time.Since(began) < restAtAll; time.Sleep(time.Second) { // what the process does has no other sign
			done, left, err := r.afterwards()
			if err != nil {
				return err
			}
			if done != before || left > 0 {
				before, last = done, time.Now()
			}
		}
		return nil
	})
}

func (r *run) consume() error {
	if _, err := r.tools.consume(r.bootstrap, "tuned", r.sizes.throughput/10); err != nil {
		return err
	}
	return r.withCPU("server CPU per GB consumed", r.sizes.throughput, func() error {
		got, err := r.tools.consume(r.bootstrap, "tuned", r.sizes.throughput)
		r.values["consume"] = got
		return err
	})
}

func (r *run) latency() error {
	if err := r.tools.createTopic(r.bootstrap, "latency", 16); err != nil {
		return err
	}
	const perSecond = 5_000_000 / recordBytes
	got, err := r.tools.produce(r.bootstrap, "latency", r.sizes.latency, perSecond)
	r.values["produce latency at 5 MB/s, p50"] = float64(got.p50.Milliseconds())
	r.values["produce latency at 5 MB/s, p99"] = float64(got.p99.Milliseconds())
	return err
}

func (r *run) oneAtATime() error {
	if err := r.tools.createTopic(r.bootstrap, "single", 1); err != nil {
		return err
	}
	p50, p99, err := r.tools.endToEnd(r.bootstrap, "single", r.sizes.single)
	r.values["one record produced and consumed, p50"] = float64(p50.Milliseconds())
	r.values["one record produced and consumed, p99"] = float64(p99.Milliseconds())
	return err
}

// produceSynced is one partition where Kafka makes each batch durable before it acknowledges it, as Inkwell always does.
func (r *run) produceSynced() error {
	if err := r.tools.createTopic(r.bootstrap, "synced", 1, "flush.messages=1"); err != nil {
		return err
	}
	got, err := r.tools.produce(r.bootstrap, "synced", r.sizes.throughput/5, -1)
	r.values["the same, Kafka syncs, too (flush.messages=1)"] = got.mbPerSecond
	return err
}

func (r *run) peak() error {
	bytes, err := load.PeakRSS(r.process.cmd.Process.Pid)
	r.values["peak RSS"] = float64(bytes) / 1e6
	return err
}
