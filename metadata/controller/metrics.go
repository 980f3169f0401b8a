package controller

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
)

// metrics of one Controller; the label cluster tells those of a node apart.
type metrics struct {
	clock       clock.Clock
	requests    *prometheus.CounterVec
	failures    *prometheus.CounterVec
	fenced      prometheus.Counter
	lastWatched atomic.Int64 // unix ns
	all         []prometheus.Collector
}

func newMetrics(cluster kafka.ClusterID, c clock.Clock) *metrics {
	labels := prometheus.Labels{"cluster": string(cluster)}
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "inkwell_controller_" + name, Help: help, ConstLabels: labels}
	}
	m := &metrics{
		clock:    c,
		requests: prometheus.NewCounterVec(opts("requests_total", "Requests, by API."), []string{"api"}),
		failures: prometheus.NewCounterVec(opts("request_failures_total", "Requests without an answer (not leading, outcome unknown), by API."), []string{"api"}),
		fenced:   prometheus.NewCounter(opts("brokers_fenced_total", "Broker epochs that ended because heartbeats stopped.")),
	}
	m.watched()
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "inkwell_controller_session_check_age_seconds", Help: "Time since the brokers' sessions were last checked with success.", ConstLabels: labels,
	}, func() float64 { return time.Duration(c.Now().UnixNano() - m.lastWatched.Load()).Seconds() })
	m.all = []prometheus.Collector{m.requests, m.failures, m.fenced, age}
	return m
}

func (m *metrics) watched() { m.lastWatched.Store(m.clock.Now().UnixNano()) }

func (m *metrics) handled(key int16, err error) {
	api := kmsg.NameForKey(key)
	m.requests.WithLabelValues(api).Inc()
	if err != nil {
		m.failures.WithLabelValues(api).Inc()
	}
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
