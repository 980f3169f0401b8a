package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	producers = 2
	members   = 2
	// settleTime is how long everything may take to come to its end after the last fault.
	settleTime = 5 * time.Minute
	// A job of any kind may wait this long while faults go on: attempts, back-off and lost leases included.
	longestWait = 5 * time.Minute

	// More objects, coordinates or unfinished uploads in the last quarter than in the second, by this part and this many, is growth.
	flatTolerance = 0.2
	flatSlack     = 40
)

// scale fits the settings to the length of the run.
type scale struct {
	length           time.Duration
	retention        time.Duration
	recordsPerSecond float64
	killEvery        time.Duration // on average
	readBackEvery    time.Duration
	metadata, broker []string
}

func newScale(length time.Duration) *scale {
	s := &scale{length: length, retention: 3 * time.Minute, recordsPerSecond: 200, killEvery: 40 * time.Second, readBackEvery: 2 * time.Minute}
	partitionBytes, objectBytes := "10MiB", "16MiB" // of several parts
	if length < 20*time.Minute {
		s.retention, s.killEvery, s.readBackEvery = 20*time.Second, 15*time.Second, 30*time.Second
		partitionBytes, objectBytes = "512KiB", "1MiB"
	}
	s.metadata = []string{
		"--group.initial.rebalance.delay", "0s", "--log.retention.check.interval", "5s", "--object.delete.delay", "10s", "--log.cleaner.backoff", "5s",
		"--compaction.merge.objects", "24", "--compaction.merge.max.age", "15s", "--compaction.partition.bytes", partitionBytes, "--compaction.partition.coordinates", "8",
		"--compaction.final.bytes", partitionBytes, "--compaction.object.bytes", objectBytes, "--compaction.lease.timeout", "20s", "--compaction.retry.backoff", "2s",
		"--compaction.retry.backoff.max", "20s", "--compaction.max.attempts", "20", "--compaction.sweep.delays", "10s,20s,40s",
	}
	s.broker = []string{
		"--broker.session.timeout", "6s", "--storage.put.budget.per.second", "5", "--commit.interval", "400ms", "--cache.bytes", "32MiB", "--queued.max.request.bytes", "32MiB",
		"--log.cleaner.dedupe.buffer.size", "16KiB", // some hundred keys: several passes
	}
	return s
}

func (s *scale) topics() []*topic {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	retentionBytes := int64(s.retention.Seconds() * s.recordsPerSecond * 1000 / 6) // what a third of the load is in as long, in each of two partitions
	compacting := func(policy string) map[string]string {
		return map[string]string{"cleanup.policy": policy, "min.cleanable.dirty.ratio": "0.3", "delete.retention.ms": ms(s.retention), "max.compaction.lag.ms": ms(s.retention),
			"retention.ms": ms(s.retention)}
	}
	return []*topic{
		{name: "timed", partitions: 4, bytes: 1000, weight: 6, retention: s.retention, configs: map[string]string{"retention.ms": ms(s.retention)}},
		{name: "sized", partitions: 2, bytes: 1000, weight: 6, retentionBytes: retentionBytes, configs: map[string]string{"retention.ms": "-1", "retention.bytes": strconv.FormatInt(retentionBytes, 10)}},
		{name: "cut", partitions: 2, bytes: 1000, weight: 3, cuts: true, configs: map[string]string{"retention.ms": "-1"}},
		{name: "latest", partitions: 2, bytes: 1000, weight: 3, keys: 400, tombstones: s.retention, configs: compacting("compact")},
		{name: "recent", partitions: 1, bytes: 1000, weight: 2, keys: 1000, tombstones: s.retention, retention: s.retention, configs: compacting("compact,delete")},
	}
}

// soak is one run.
type soak struct {
	t       *testing.T
	scale   *scale
	dir     string // logs
	topics  []*topic
	model   *model
	cluster *cluster

	processes                                        sync.Mutex // held while one of cluster's is ended or started
	kills, pauses, cuts, deletedTopics, groupRecords atomic.Int64

	readBacks, verified int // of the goroutine that reads back
	lastReport          string
	readRecords         int64
	jobs                counters
	samples             []sample // of the goroutine that measures
}

func TestSoak(t *testing.T) {
	text := os.Getenv("INKWELL_TEST_SOAK_MINUTES")
	if text == "" {
		t.Skip("INKWELL_TEST_SOAK_MINUTES is not set; make soak MINUTES=60 runs for an hour")
	}
	minutes, err := strconv.ParseFloat(text, 64)
	if err != nil || minutes < 1 || minutes > 10_000 {
		t.Fatalf("INKWELL_TEST_SOAK_MINUTES is %q, want a number from 1 to 10000", text)
	}
	seed := uint64(time.Now().UnixNano() % 1_000_000)
	if text := os.Getenv("INKWELL_TEST_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("INKWELL_TEST_SEED is %q, want a number", text)
		}
	}
	s := &soak{t: t, scale: newScale(time.Duration(minutes * float64(time.Minute))), jobs: counters{last: map[string]float64{}, total: map[string]float64{}}}
	s.topics = s.scale.topics()
	s.dir = filepath.Join(servers.Root(), ".cache", "soak", time.Now().UTC().Format("20060102-150405")+fmt.Sprintf("-seed-%d", seed))
	t.Logf("%s of load, INKWELL_TEST_SEED=%d", s.scale.length, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs of this run are kept in %s", s.dir)
		} else if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	})
	s.run(seed)
}

func (s *soak) run(seed uint64) {
	s.cluster = startCluster(s.t, s.binaryCopy(), s.dir, seed, s.scale)
	s.model = newModel(s.t, s.topics)
	admins, err := s.newClient()
	if err != nil {
		s.t.Fatal(err)
	}
	defer admins.Close()
	for _, t := range s.topics {
		if err := s.createTopic(s.t.Context(), kadm.NewClient(admins), t); err != nil {
			s.t.Fatal(err)
		}
	}
	s.model.began = time.Now()
	writers, group := s.startClients(seed)
	load, end := context.WithTimeout(s.t.Context(), s.scale.length)
	defer end()
	var working, reading sync.WaitGroup
	reads, stopReading := context.WithCancel(s.t.Context())
	defer stopReading()
	for _, p := range writers {
		working.Go(func() { p.run(load) })
	}
	for _, m := range group {
		reading.Go(func() { m.run(reads) })
	}
	working.Go(func() { s.killRepeatedly(load, rand.New(rand.NewPCG(seed, 2))) })
	working.Go(func() { s.deleteRecords(load, rand.New(rand.NewPCG(seed, 3))) })
	working.Go(func() { s.visit(load, rand.New(rand.NewPCG(seed, 4))) })
	working.Go(func() { s.readBackRepeatedly(load) })
	working.Go(func() { s.measureRepeatedly(load) })
	working.Wait()
	s.finish(writers)
	stopReading()
	reading.Wait()
	for _, m := range group {
		m.client.CloseAllowingRebalance()
	}
	for _, server := range append(append([]*servers.Server{}, s.cluster.brokers...), s.cluster.nodes...) {
		if err := server.Stop(); err != nil {
			s.model.violated("SIGTERM in the end: %s: %v", server.Name, err)
		}
	}
	s.report()
}

// binaryCopy keeps a build under the servers that no later build replaces.
func (s *soak) binaryCopy() string {
	built, err := servers.Build(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	bytes, err := os.ReadFile(built)
	if err != nil {
		s.t.Fatal(err)
	}
	name := filepath.Join(s.t.TempDir(), "inkwell")
	if err := os.WriteFile(name, bytes, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return name
}

func (s *soak) startClients(seed uint64) (writers []*producer, group []*member) {
	for id := range producers {
		p, err := s.newProducer(id, rand.New(rand.NewPCG(seed, 100+uint64(id))))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(p.client.Close)
		writers = append(writers, p)
	}
	for id := range members {
		m, err := s.newMember(id)
		if err != nil {
			s.t.Fatal(err)
		}
		group = append(group, m)
	}
	return writers, group
}

// readBackRepeatedly checks everything now and then while faults and load go on.
func (s *soak) readBackRepeatedly(load context.Context) {
	for sleep(load, s.scale.readBackEvery) {
		ctx, cancel := context.WithTimeout(s.t.Context(), settleTime)
		if err := s.readBack(ctx, false); err != nil {
			s.model.violated("read-back: %v", err)
		}
		s.verify(ctx)
		cancel()
	}
}

// measureRepeatedly takes samples, says each minute how things are, and notes what waits for too long.
func (s *soak) measureRepeatedly(load context.Context) {
	pids := func() (pids []int) {
		s.processes.Lock()
		defer s.processes.Unlock()
		for _, server := range s.cluster.all() {
			if pid := server.PID(); pid != 0 {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	said, cpu := time.Now(), 0.0
	lastCPU := map[int]float64{}
	for sleep(load, 5*time.Second) {
		m := s.measure(load)
		s.samples = append(s.samples, m)
		for kind, wait := range m.oldest {
			if wait > longestWait && kind != "sweep" {
				s.model.violated("work of kind %s waits for %s", kind, wait)
			}
		}
		rss := int64(0)
		for _, pid := range append(pids(), os.Getpid()) {
			used, memory := usage([]int{pid})
			cpu += used - lastCPU[pid]
			lastCPU[pid] = used
			rss = max(rss, memory)
		}
		if time.Since(said) >= time.Minute {
			s.sayProgress(&m, cpu/time.Since(said).Seconds(), rss)
			said, cpu = time.Now(), 0
		}
	}
}

func (s *soak) sayProgress(m *sample, cores float64, rss int64) {
	s.model.mu.Lock()
	acked, bytes, violations := s.model.acked, s.model.ackedBytes, s.model.violations
	s.model.mu.Unlock()
	s.model.say("%d acked (%d MB), %d objects, %.0f coordinates, %d MB in the bucket, %d uploads open | %d kills, %d pauses, store: %s | jobs: %s | %d to the group | %.2f cores, largest RSS %d MB | %d violations",
		acked, bytes>>20, m.objects, m.coordinates, m.bucketBytes>>20, m.uploads, s.kills.Load(), s.pauses.Load(), s.faults(), s.jobsDone(), s.groupRecords.Load(), cores, rss>>20, violations)
}

func (s *soak) faults() string {
	var parts []string
	told := s.cluster.store.told()
	for _, name := range []string{"passed", "throttled", "refused", "reset", "lost", "late error", "truncated", "slow", "hanging"} {
		parts = append(parts, fmt.Sprintf("%d %s", told[name], name))
	}
	return strings.Join(parts, ", ")
}

func (s *soak) jobsDone() string {
	var parts []string
	for _, kind := range kinds {
		parts = append(parts, fmt.Sprintf("%s %.0f done %.0f failed", kind, s.jobs.get(kind+" done"), s.jobs.get(kind+" failed")))
	}
	return strings.Join(parts, ", ")
}

// finish waits until everything that was written is acknowledged, read and settled, and makes the last checks.
func (s *soak) finish(writers []*producer) {
	ctx, cancel := context.WithTimeoutCause(s.t.Context(), settleTime, errors.New("not within "+settleTime.String()))
	defer cancel()
	for _, p := range writers {
		if err := p.client.Flush(ctx); err != nil {
			s.model.violated("producer %d: %d records are not acknowledged in the end: %v", p.id, p.client.BufferedProduceRecords(), err)
		}
	}
	s.model.say("the load has ended; the store still fails")
	if err := s.readBack(ctx, true); err != nil {
		s.model.violated("read-back in the end: %v", err)
	}
	if err := s.awaitGroup(ctx); err != nil {
		s.model.violated("%v", err)
	}
	s.cluster.store.heal()
	s.model.say("the store is healed")
	if err := s.awaitRest(); err != nil {
		s.model.violated("%v", err)
	}
	s.keepMetrics(s.t.Context())
	again, cancelAgain := context.WithTimeout(s.t.Context(), settleTime)
	defer cancelAgain()
	s.verify(again)
	s.model.say("inkwell object verify:\n%s", s.lastReport)
	if err := s.readBack(again, true); err != nil {
		s.model.violated("read-back after all jobs: %v", err)
	}
}

func (s *soak) awaitGroup(ctx context.Context) error {
	for {
		lag, err := s.groupLag(ctx)
		if err == nil && lag == 0 {
			return nil
		}
		if !sleep(ctx, time.Second) {
			return fmt.Errorf("the group lags by %d in the end: %v", lag, err)
		}
	}
}

// awaitRest waits until no job has anything to do: sweeps of what was killed included.
func (s *soak) awaitRest() error {
	ctx, cancel := context.WithTimeout(s.t.Context(), settleTime)
	defer cancel()
	quiet := 0
	for {
		m := s.measure(ctx)
		left := ""
		for _, kind := range kinds {
			if n := m.waiting[kind] + m.running[kind] + m.failed[kind] + m.parked[kind]; n > 0 {
				left += fmt.Sprintf(" %s: %.0f wait, %.0f run, %.0f failed, %.0f are parked, the oldest for %s;", kind, m.waiting[kind], m.running[kind], m.failed[kind], m.parked[kind], m.oldest[kind])
			}
		}
		if left == "" && m.hasCoordinates {
			quiet++
		} else {
			quiet = 0
		}
		if quiet == 3 { // the gauges are a look old
			return nil
		}
		if !sleep(ctx, 4*time.Second) {
			jobs, err := s.cluster.inkwell(s.t.Context(), "object", "jobs", "--metadata", s.cluster.metadata, "--cluster", clusterName)
			return fmt.Errorf("jobs are not at rest %s after the last fault:%s\ninkwell object jobs (%v):\n%s", settleTime, left, err, jobs)
		}
	}
}

// unclean is the exit code of `inkwell object verify` that found something; with others it could not look at everything.
const unclean = 3

// verify has the bucket compared with the coordinates. While faults go on it may not get to the end, and is asked again.
func (s *soak) verify(ctx context.Context) {
	var out string
	err := retry(ctx, settleTime, func(ctx context.Context) (err error) {
		out, err = s.cluster.inkwell(ctx, "object", "verify", "--metadata", s.cluster.metadata, "--cluster", clusterName, "--store", s.cluster.storeURL(s.cluster.s3.Endpoint))
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == unclean {
			s.model.violated("inkwell object verify: %v\n%s", err, out)
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		s.model.violated("inkwell object verify: %v\n%s", err, out)
	default:
		s.verified++
		s.lastReport = out
	}
}

// report judges the whole run.
func (s *soak) report() {
	m := s.model
	for _, f := range []struct {
		name string
		of   func(sample) (float64, bool)
	}{
		{"objects", func(s sample) (float64, bool) { return float64(s.objects), true }},
		{"coordinates", func(s sample) (float64, bool) { return s.coordinates, s.hasCoordinates }},
		{"unfinished uploads", func(s sample) (float64, bool) { return float64(s.uploads) + 1, true }},
	} {
		second, last, ok := flat(s.samples, f.of, s.scale.length, flatTolerance, flatSlack)
		m.say("%s: median %.0f in the second quarter, %.0f in the last", f.name, second, last)
		if !ok {
			m.violated("%s grew from %.0f in the second quarter to %.0f in the last, with a tolerance of %.0f%% and %d", f.name, second, last, flatTolerance*100, flatSlack)
		}
	}
	for _, kind := range kinds {
		if s.jobs.get(kind+" done") == 0 {
			m.violated("no job of kind %s was completed", kind)
		}
	}
	for name, n := range map[string]int64{"kills": s.kills.Load(), "cuts": s.cuts.Load(), "records in the group": s.groupRecords.Load(), "read-backs": int64(s.readBacks), "deleted topics": s.deletedTopics.Load()} {
		if n == 0 {
			m.violated("there were no %s", name)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.say("%s of load: %d records (%d MB) acknowledged, %d read by the group, %d in %d read-backs; the bucket was verified %d times; %d kills, %d pauses, %d calls of DeleteRecords, %d topics deleted; store: %s; jobs: %s; expired records were gone %s late at most; %d violations",
		s.scale.length, m.acked, m.ackedBytes>>20, s.groupRecords.Load(), s.readRecords, s.readBacks, s.verified, s.kills.Load(), s.pauses.Load(), s.cuts.Load(), s.deletedTopics.Load(), s.faults(), s.jobsDone(), m.overdue.Round(time.Second), m.violations)
}
