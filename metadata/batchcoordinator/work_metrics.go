package batchcoordinator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/rpc"
)

// workMetrics is the part of the table about work, by kind: delete, merge, compact, sweep.
func (m *metrics) workMetrics(counter func(name, help string) prometheus.Counter) {
	counters := func(name, help string) *prometheus.CounterVec {
		return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inkwell_batchcoordinator_" + name, Help: help}, []string{"kind"}))
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return register(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "inkwell_batchcoordinator_" + name, Help: help}, labels))
	}
	m.leasesGranted = counters("work_leases_total", "Leases given to brokers, by kind of work.")
	m.leasesExpired = counter("work_leases_expired_total", "Leases taken back because their deadline had passed.")
	m.workFailed = counters("work_failed_total", "Leases that brokers gave back with a failure, by kind of work.")
	m.workSeconds = register(m, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "inkwell_batchcoordinator_work_seconds", Help: "Time from granting work to its completion, by kind.", Buckets: []float64{.1, .5, 1, 5, 10, 30, 60, 300, 1800},
	}, []string{"kind"}))
	m.workLastSuccess = gauges("work_last_success_timestamp_seconds", "When work of a kind was last completed, Unix time.", "kind")
	m.workItems = gauges("work_items", "What there is to do, by kind and state (waiting, running, failed, parked).", "kind", "state")
	m.workOldest = gauges("work_oldest_seconds", "How long the oldest work of a kind waits.", "kind")
	m.workAttempts = gauges("work_attempts", "The most attempts of work of a kind that runs, failed or is parked: above 1, something fails again and again.", "kind")
	m.coordinatesMerged = counter("coordinates_replaced_total", "Coordinates that merges and key compactions replaced.")
	m.coordinatesAdded = counter("coordinates_written_total", "Coordinates that merges and key compactions wrote.")
	m.segmentsSkipped = counter("segments_skipped_total", "Segments of a completed merge or key compaction whose inputs had changed meanwhile.")
	m.liveCoordinates = gauges("coordinates", "Batch coordinates of all partitions: with a steady load under retention it stays as it is.")
	m.liveBytes = gauges("bytes", "Bytes of these coordinates.")
}

func (m *metrics) granted(w *rpc.RequestWorkResponse) {
	m.leasesGranted.WithLabelValues(w.Kind.String()).Inc()
	m.objectsLeased.Add(float64(len(w.Objects)))
}

func (m *metrics) finished(r *state.FinishResult, now time.Time) {
	kind := r.Kind.String()
	m.workSeconds.WithLabelValues(kind).Observe(float64(r.Millis) / 1000)
	m.workLastSuccess.WithLabelValues(kind).Set(float64(now.UnixMilli()) / 1000)
	if r.Kind == rpc.WorkDelete {
		m.objectsDeleted.Add(float64(r.Deleted))
	}
	m.coordinatesMerged.Add(float64(r.Replaced))
	m.coordinatesAdded.Add(float64(r.Added))
	for _, swapped := range r.Swapped {
		if !swapped {
			m.segmentsSkipped.Inc()
		}
	}
}

func (m *metrics) measured(kinds []rpc.WorkSummary, nowMillis int64) {
	for i := range kinds {
		s := &kinds[i]
		kind := s.Kind.String()
		m.workItems.WithLabelValues(kind, rpc.WorkWaiting.String()).Set(float64(s.Waiting))
		m.workItems.WithLabelValues(kind, rpc.WorkRunning.String()).Set(float64(s.Running))
		m.workItems.WithLabelValues(kind, rpc.WorkFailed.String()).Set(float64(s.Failed))
		m.workItems.WithLabelValues(kind, rpc.WorkParked.String()).Set(float64(s.Parked))
		m.workAttempts.WithLabelValues(kind).Set(float64(s.Attempts))
		age := int64(0)
		if s.OldestMillis > 0 {
			age = max(nowMillis-s.OldestMillis, 0)
		}
		m.workOldest.WithLabelValues(kind).Set(float64(age) / 1000)
	}
}
