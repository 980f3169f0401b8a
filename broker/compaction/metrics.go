package compaction

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
)

type metrics struct {
	clock       clock.Clock
	objects     *prometheus.CounterVec
	lastSuccess atomic.Int64 // unix ms
}

func newMetrics(r prometheus.Registerer, c clock.Clock) *metrics {
	m := &metrics{clock: c, objects: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "inkwell_compaction_objects_deleted_total", Help: "Objects that the delete job removed from object storage, by outcome.",
	}, []string{"outcome"})}
	m.succeeded()
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "inkwell_compaction_last_success_age_seconds", Help: "Time since a request for work was last answered and done.",
	}, func() float64 { return float64(m.clock.Now().UnixMilli()-m.lastSuccess.Load()) / 1000 })
	if r != nil {
		r.MustRegister(m.objects, age)
	}
	return m
}

func (m *metrics) succeeded() { m.lastSuccess.Store(m.clock.Now().UnixMilli()) }

func (m *metrics) deleted(gone, failed int) {
	m.objects.WithLabelValues("deleted").Add(float64(gone))
	m.objects.WithLabelValues("failed").Add(float64(failed))
}
