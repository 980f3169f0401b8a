package fairqueue

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	refused, stuck prometheus.Counter
	waited         prometheus.Histogram
	all            []prometheus.Collector
}

func newMetrics(q *Queue) *metrics {
	m := &metrics{
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_fairqueue_refused_total", Help: "Calls that were throttled because too many of their cluster waited."}),
		stuck:   prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_fairqueue_stuck_total", Help: "Slots that were taken from calls which did not move."}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "inkwell_fairqueue_wait_seconds", Help: "Time that calls waited for a slot, of those that had to.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}),
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	m.all = []prometheus.Collector{
		m.refused, m.stuck, m.waited,
		gauge("inkwell_fairqueue_active", "Calls that have a slot.", func() int { active, _ := q.counts(); return active }),
		gauge("inkwell_fairqueue_waiting", "Calls that wait for a slot.", func() int { _, waiting := q.counts(); return waiting }),
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("fairqueue: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}
