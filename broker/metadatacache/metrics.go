package metadatacache

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
)

// metrics of one Cache.
type metrics struct {
	clock                       clock.Clock
	lastSuccess                 atomic.Int64 // unix ns of the last poll that was answered, of the start before
	records, failures, rebuilds prometheus.Counter
	all                         []prometheus.Collector
}

func newMetrics(c clock.Clock, latest *clusterimage.Latest) *metrics {
	m := &metrics{clock: c}
	m.succeeded()
	counter := func(name, help string) prometheus.Counter {
		n := prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_metadatacache_" + name, Help: help})
		m.all = append(m.all, n)
		return n
	}
	gauge := func(name, help string, value func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkwell_metadatacache_" + name, Help: help}, value))
	}
	m.records = counter("records_total", "Records of __metadata that were applied.")
	m.failures = counter("poll_failures_total", "Polls of __metadata that failed.")
	m.rebuilds = counter("rebuilds_total", "Times that the view was built anew because records were compacted away.")
	gauge("age_seconds", "Time since __metadata was last polled with success.", func() float64 { return m.age().Seconds() })
	gauge("offset", "Offset of __metadata that the view shows, -1 before the first.", func() float64 { return float64(latest.Offset()) })
	gauge("topics", "Topics of the cluster.", func() float64 { return float64(latest.Image().TopicCount()) })
	gauge("partitions", "Partitions of the cluster.", func() float64 { return float64(latest.Image().PartitionCount()) })
	return m
}

func (m *metrics) succeeded() { m.lastSuccess.Store(m.clock.Now().UnixNano()) }

func (m *metrics) age() time.Duration {
	return time.Duration(m.clock.Now().UnixNano() - m.lastSuccess.Load())
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range m.all {
		errs = append(errs, r.Register(c))
	}
	return errors.Join(errs...)
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}
