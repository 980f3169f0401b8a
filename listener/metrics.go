package listener

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one listener; each has the label listener.
type metrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector
	once       sync.Once

	connections prometheus.Gauge
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	bytesIn     prometheus.Counter
	bytesOut    prometheus.Counter
	creditWait  prometheus.Histogram
	closes      *prometheus.CounterVec
}

func newMetrics(cfg Config, a *admission) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Name: "inkwell_listener_" + name, Help: help, ConstLabels: prometheus.Labels{"listener": cfg.Name}}
	}
	histogram := func(name, help string) prometheus.HistogramOpts {
		o := opts(name, help)
		return prometheus.HistogramOpts{Name: o.Name, Help: o.Help, ConstLabels: o.ConstLabels, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18)}
	}
	m := &metrics{
		registerer:  cfg.Registerer,
		connections: prometheus.NewGauge(prometheus.GaugeOpts(opts("connections", "Open connections."))),
		requests:    prometheus.NewCounterVec(prometheus.CounterOpts(opts("requests_total", "Requests read, by API.")), []string{"api"}),
		seconds:     prometheus.NewHistogramVec(histogram("request_seconds", "From the last byte of a request to the last of its answer, by API."), []string{"api"}),
		bytesIn:     prometheus.NewCounter(prometheus.CounterOpts(opts("read_bytes_total", "Bytes read from clients."))),
		bytesOut:    prometheus.NewCounter(prometheus.CounterOpts(opts("written_bytes_total", "Bytes written to clients."))),
		creditWait:  prometheus.NewHistogram(histogram("credit_wait_seconds", "How long a request waited for byte credits before its body was read.")),
		closes:      prometheus.NewCounterVec(prometheus.CounterOpts(opts("connections_closed_total", "Connections closed by the server, by reason.")), []string{"reason"}),
	}
	m.all = []prometheus.Collector{
		m.connections, m.requests, m.seconds, m.bytesIn, m.bytesOut, m.creditWait, m.closes,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("credits_in_use_bytes", "Bytes of frames that are read or held.")), func() float64 { return float64(a.inUse()) }),
	}
	return m, m.register(cfg.Name)
}

func (m *metrics) register(name string) error {
	if m.registerer == nil {
		return nil
	}
	for _, c := range m.all {
		if err := m.registerer.Register(c); err != nil {
			return fmt.Errorf("metrics of listener %q: two listeners of one name? %w", name, err)
		}
	}
	return nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	m.once.Do(func() { // a second Close must not take another listener's of the same name away
		for _, c := range m.all {
			m.registerer.Unregister(c)
		}
	})
}

func (m *metrics) closed(reason string) { m.closes.WithLabelValues(reason).Inc() }
