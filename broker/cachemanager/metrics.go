package cachemanager

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is the box's table. Vectors are resolved to their two pools once: the data path adds to plain counters.
type metrics struct {
	hits, misses, evictions [poolCount]prometheus.Counter
	gets, getFailures       [poolCount]prometheus.Counter
	getBytes                [poolCount]prometheus.Counter
	finds, scans            prometheus.Counter
	wakes                   prometheus.Histogram
	gaps                    prometheus.Counter
	corrupt                 prometheus.Counter
	parked                  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, m *Manager) *metrics {
	var all []prometheus.Collector
	perPool := func(name, help string) (out [poolCount]prometheus.Counter) {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inkwell_cachemanager_" + name, Help: help}, []string{"pool"})
		all = append(all, v)
		for p := range out {
			out[p] = v.WithLabelValues(poolNames[p])
		}
		return out
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_cachemanager_" + name, Help: help})
		all = append(all, c)
		return c
	}
	t := &metrics{
		hits:        perPool("hits_total", "Coordinates whose bytes were in memory or on their way when a reader asked."),
		misses:      perPool("misses_total", "Coordinates whose bytes a reader had to have fetched."),
		evictions:   perPool("evictions_total", "Blocks that made room for others."),
		gets:        perPool("gets_total", "GET requests to object storage, read ahead included."),
		getFailures: perPool("get_failures_total", "GET requests that failed."),
		getBytes:    perPool("get_bytes_total", "Bytes read from object storage."),
		finds:       counter("find_segments_total", "Find Segment calls."),
		scans:       counter("scanned_segments_total", "Large segments without a usable index whose batches were looked for."),
		gaps:        counter("tail_gaps_total", "Times that followed coordinates did not connect and a window was asked for anew."),
		corrupt:     counter("corrupt_segments_total", "Segments that were refused: damaged, short or missing."),
		wakes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "inkwell_cachemanager_wake_latency_seconds", Help: "From a commit that a parked fetch waited for to its wake.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 4, 9),
		}),
		parked: prometheus.NewGauge(prometheus.GaugeOpts{Name: "inkwell_cachemanager_parked_fetches", Help: "Fetches that wait for bytes."}),
	}
	all = append(all, t.wakes, t.parked)
	for p := range poolCount {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "inkwell_cachemanager_bytes", Help: "Bytes in memory, those that only readers hold included.", ConstLabels: prometheus.Labels{"pool": poolNames[p]},
		}, func() float64 { return float64(m.cache.usedBytes(p)) }))
	}
	all = append(all,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "inkwell_cachemanager_coordinates", Help: "Coordinates in memory.",
		}, func() float64 { return float64(m.windowEntries.Load() + m.pages.entries()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "inkwell_cachemanager_tail_last_success_age_seconds", Help: "Time since the tail that was answered the longest ago was last answered.",
		}, func() float64 { return m.tailAge().Seconds() }),
	)
	if r != nil {
		r.MustRegister(all...)
	}
	return t
}

// tailAge is 0 while nothing is followed.
func (m *Manager) tailAge() time.Duration {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var age time.Duration
	now := m.cfg.Clock.Now().UnixMilli()
	for _, t := range m.tails {
		age = max(age, time.Duration(now-t.lastSuccess.Load())*time.Millisecond)
	}
	return age
}
