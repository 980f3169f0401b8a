package soak

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sample is what is there at one moment.
type sample struct {
	at              time.Duration // of the load
	objects         int
	bucketBytes     int64
	uploads         int // unfinished
	coordinates     float64
	hasCoordinates  bool
	oldest          map[string]time.Duration // by kind of work
	parked, running map[string]float64
	waiting, failed map[string]float64
}

var kinds = []string{"merge", "compact", "delete", "sweep"}

// measure looks at the bucket's folder and asks the processes for their metrics. A process that is away has nothing to say.
func (s *soak) measure(ctx context.Context) sample {
	m := sample{at: time.Since(s.model.began), oldest: map[string]time.Duration{}, parked: map[string]float64{}, running: map[string]float64{}, waiting: map[string]float64{}, failed: map[string]float64{}}
	m.objects, m.bucketBytes, m.uploads = bucketContent(s.cluster.s3.Dir)
	coordinators := map[string]bool{}
	for _, node := range s.cluster.nodes {
		for _, v := range scrape(ctx, node.HTTP()) {
			kind, state := v.labels["kind"], v.labels["state"]
			switch v.name {
			case "inkwell_batchcoordinator_coordinates":
				m.coordinates += v.value
				coordinators[v.labels["partition"]] = true
			case "inkwell_batchcoordinator_work_oldest_seconds":
				m.oldest[kind] = max(m.oldest[kind], time.Duration(v.value*float64(time.Second)))
			case "inkwell_batchcoordinator_work_items":
				map[string]map[string]float64{"parked": m.parked, "running": m.running, "waiting": m.waiting, "failed": m.failed}[state][kind] += v.value
			}
		}
	}
	m.hasCoordinates = len(coordinators) == 2 // while a leader is away nobody knows
	for _, b := range s.cluster.brokers {
		for _, v := range scrape(ctx, b.HTTP()) {
			if v.name == "inkwell_compaction_jobs_total" {
				s.jobs.count(b.HTTP()+v.labels["job"]+v.labels["outcome"], v.labels["job"]+" "+v.labels["outcome"], v.value)
			}
		}
	}
	return m
}

// counters adds up counters that begin again with every life of a process.
type counters struct {
	mu    sync.Mutex // guards what follows
	last  map[string]float64
	total map[string]float64
}

func (c *counters) count(series, name string, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value < c.last[series] {
		c.last[series] = 0
	}
	c.total[name] += value - c.last[series]
	c.last[series] = value
}

func (c *counters) get(name string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total[name]
}

// bucketContent counts objects, and uploads in parts that were neither completed nor aborted.
func bucketContent(dir string) (objects int, bytes int64, uploads int) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed while we looked
		}
		inUploads := strings.Contains(path, ".sgwtmp")
		switch {
		case inUploads && d.IsDir() && strings.Count(path[strings.Index(path, ".sgwtmp"):], string(filepath.Separator)) == 3:
			uploads++ // .sgwtmp/multipart/KEY/UPLOAD
			return filepath.SkipDir
		case !inUploads && d.Type().IsRegular():
			objects++
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return objects, bytes, uploads
}

// keepMetrics writes what every process says of itself to the folder of the logs.
func (s *soak) keepMetrics(ctx context.Context) {
	for _, server := range s.cluster.all() {
		var text strings.Builder
		for _, v := range scrape(ctx, server.HTTP()) {
			fmt.Fprintf(&text, "%s %v %v\n", v.name, v.labels, v.value)
		}
		name := filepath.Join(filepath.Dir(server.LogPath()), "metrics.txt")
		if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
			s.model.violated("%v", err)
		}
	}
}

// value is one series of a scrape.
type value struct {
	name   string
	labels map[string]string
	value  float64
}

func scrape(ctx context.Context, address string) (values []value) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "inkwell_") {
			continue
		}
		series, number, _ := strings.Cut(line, " ")
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		v := value{name: name, labels: map[string]string{}}
		for _, l := range strings.Split(labels, ",") { // no value of ours has a comma
			key, text, _ := strings.Cut(l, "=")
			v.labels[key] = strings.Trim(text, `"`)
		}
		v.value, _ = strconv.ParseFloat(number, 64)
		values = append(values, v)
	}
	return values
}

// flat compares the median of the last quarter of a run with that of the second, by which retention has come into effect.
func flat(samples []sample, of func(sample) (float64, bool), run time.Duration, tolerance, slack float64) (second, last float64, ok bool) {
	quarter := func(n time.Duration) float64 {
		var values []float64
		for _, s := range samples {
			if v, ok := of(s); ok && s.at >= run/4*(n-1) && s.at < run/4*n {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return 0
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	second, last = quarter(2), quarter(4)
	return second, last, second > 0 && last <= second*(1+tolerance)+slack
}

// usage is the processor time of processes, in seconds, and their memory in bytes.
func usage(pids []int) (cpu float64, rss int64) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) < 22 {
			continue
		}
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		pages, _ := strconv.ParseInt(f[21], 10, 64)
		cpu += (user + system) / 100
		rss += pages * int64(os.Getpagesize())
	}
	return cpu, rss
}
