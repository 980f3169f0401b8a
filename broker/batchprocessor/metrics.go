package batchprocessor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is the table of what a Processor measures.
type metrics struct {
	objects        prometheus.Counter
	bytes          prometheus.Counter
	objectBytes    prometheus.Histogram
	putSeconds     prometheus.Histogram
	putFailures    prometheus.Counter
	commitSeconds  prometheus.Histogram
	commitObjects  prometheus.Counter
	commitFailures prometheus.Counter
	pushBacks      prometheus.Counter

	budgetPaced, budgetOverdrafts prometheus.Counter

	rotations *prometheus.CounterVec
	all       []prometheus.Collector
}

var (
	secondsBuckets = prometheus.ExponentialBuckets(0.0005, 2, 16) // 0.5 ms to 16 s
	bytesBuckets   = prometheus.ExponentialBuckets(1<<10, 4, 8)   // 1 KiB to 16 MiB
)

func newMetrics(r prometheus.Registerer, p *Processor) *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_batchprocessor_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "inkwell_batchprocessor_" + name, Help: help, Buckets: buckets})
		m.all = append(m.all, h)
		return h
	}
	gauge := func(name, help string, f func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkwell_batchprocessor_" + name, Help: help}, f))
	}
	m.objects = counter("objects_total", "Objects uploaded.")
	m.bytes = counter("bytes_total", "Bytes of uploaded objects.")
	m.objectBytes = histogram("object_bytes", "Size of uploaded objects.", bytesBuckets)
	m.putSeconds = histogram("put_seconds", "Duration of successful PUTs.", secondsBuckets)
	m.putFailures = counter("put_failures_total", "Attempts to PUT an object that failed.")
	m.commitSeconds = histogram("commit_seconds", "Duration of commits until their outcome was known.", secondsBuckets)
	m.commitObjects = counter("commit_objects_total", "Objects (counted once for each coordinator) that were committed.")
	m.commitFailures = counter("commit_failures_total", "Commit calls without a known outcome.")
	m.pushBacks = counter("push_backs_total", "Appends that waited for memory.")
	m.budgetPaced = counter("budget_paced_objects_total", "Objects that storage.put.budget.per.second held back for longer than commit.interval.")
	m.budgetOverdrafts = counter("budget_overdrafts_total", "Objects that left although storage.put.budget.per.second was spent, because a quarter of a request's time had passed, or at the end.")
	m.rotations = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inkwell_batchprocessor_rotations_total", Help: "Objects closed, by cause (full, slot, budget, close)."}, []string{"cause"})
	m.all = append(m.all, m.rotations)
	gauge("buffered_bytes", "Bytes of batches between append and the end of their objects.", func() float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return float64(p.buffered)
	})
	gauge("unsettled_objects", "Closed objects whose outcome is not known yet.", func() float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return float64(len(p.unsettled))
	})
	gauge("oldest_object_seconds", "Age of the oldest object that is not settled, 0 for none.", func() float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.unsettled) == 0 {
			return 0
		}
		return p.deps.Clock.Now().Sub(p.unsettled[0].opened).Seconds()
	})
	gauge("last_success_age_seconds", "Time since the last commit, or since the start.", func() float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.deps.Clock.Now().Sub(p.lastSuccess).Seconds()
	})
	if r != nil {
		r.MustRegister(m.all...)
	}
	return m
}

// unregister makes room for the Processor of the next epoch.
func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}

func (m *metrics) rotated(cause string) { m.rotations.WithLabelValues(cause).Inc() }

func (m *metrics) uploaded(o *object, d time.Duration) {
	m.objects.Inc()
	m.bytes.Add(float64(o.objectBytes))
	m.objectBytes.Observe(float64(o.objectBytes))
	m.putSeconds.Observe(d.Seconds())
}

func (m *metrics) committed(objects int, d time.Duration) {
	m.commitObjects.Add(float64(objects))
	m.commitSeconds.Observe(d.Seconds())
}
