package batchcoordinator

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/rpc"
)

type metrics struct {
	batches              *prometheus.CounterVec
	commitSeconds        prometheus.Histogram
	objectsReleased      prometheus.Counter
	objectsLeased        prometheus.Counter
	objectsDeleted       prometheus.Counter
	retentionCoordinates prometheus.Counter
	retentionBytes       prometheus.Counter
	producersExpired     prometheus.Counter
	topicsDeleted        prometheus.Counter
	loopLastSuccess      *prometheus.GaugeVec

	leasesGranted     *prometheus.CounterVec
	leasesExpired     prometheus.Counter
	workFailed        *prometheus.CounterVec
	workSeconds       *prometheus.HistogramVec
	workLastSuccess   *prometheus.GaugeVec
	workItems         *prometheus.GaugeVec
	workOldest        *prometheus.GaugeVec
	workAttempts      *prometheus.GaugeVec
	coordinatesMerged prometheus.Counter
	coordinatesAdded  prometheus.Counter
	segmentsSkipped   prometheus.Counter
	liveCoordinates   *prometheus.GaugeVec // without labels: the only gauges that can be taken back
	liveBytes         *prometheus.GaugeVec

	accepted, duplicate, refused prometheus.Counter // of batches, looked up once

	registerer prometheus.Registerer
	registered []prometheus.Collector
}

// newMetrics makes the table of this box. Labels cluster and partition (of __batch_coordinates) tell its coordinators apart.
func newMetrics(cfg Config) *metrics {
	m := &metrics{}
	if cfg.Registerer != nil {
		m.registerer = prometheus.WrapRegistererWith(prometheus.Labels{
			"cluster": string(cfg.Cluster), "partition": strconv.Itoa(int(cfg.Partition)),
		}, cfg.Registerer)
	}
	counter := func(name, help string) prometheus.Counter {
		return register(m, prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_batchcoordinator_" + name, Help: help}))
	}
	m.batches = register(m, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "inkwell_batchcoordinator_batches_total", Help: "Batches judged, by result: accepted, duplicate, refused.",
	}, []string{"result"}))
	m.commitSeconds = register(m, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "inkwell_batchcoordinator_commit_seconds", Help: "Time from proposing a commit to its result.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5},
	}))
	m.objectsReleased = counter("objects_released_total", "Objects that lost their last coordinate here.")
	m.objectsLeased = counter("objects_leased_total", "Objects leased to brokers for deletion.")
	m.objectsDeleted = counter("objects_deleted_total", "Objects reported as deleted from object storage.")
	m.retentionCoordinates = counter("retention_coordinates_total", "Coordinates removed by retention.")
	m.retentionBytes = counter("retention_bytes_total", "Bytes of coordinates removed by retention.")
	m.producersExpired = counter("producers_expired_total", "Idle producers forgotten.")
	m.topicsDeleted = counter("topics_deleted_total", "Topic deletions followed to their end.")
	m.loopLastSuccess = register(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "inkwell_batchcoordinator_loop_last_success_timestamp_seconds", Help: "When a loop of the leader last succeeded, Unix time.",
	}, []string{"loop"}))
	m.workMetrics(counter)
	m.accepted = m.batches.WithLabelValues("accepted")
	m.duplicate = m.batches.WithLabelValues("duplicate")
	m.refused = m.batches.WithLabelValues("refused")
	return m
}

func register[C prometheus.Collector](m *metrics, c C) C {
	if m.registerer != nil {
		m.registerer.MustRegister(c)
		m.registered = append(m.registered, c)
	}
	return c
}

func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
}

// notLeading takes back what only a leader can know: a gauge that stays as it was would show work that waits for ever, and loops that never succeed again.
func (m *metrics) notLeading() {
	for _, g := range []*prometheus.GaugeVec{m.loopLastSuccess, m.workLastSuccess, m.workItems, m.workOldest, m.workAttempts, m.liveCoordinates, m.liveBytes} {
		g.Reset()
	}
}

func (m *metrics) loopSucceeded(loop string, at time.Time) {
	m.loopLastSuccess.WithLabelValues(loop).Set(float64(at.UnixMilli()) / 1000)
}

func (m *metrics) committed(r *rpc.CommitObjectsResponse, took time.Duration) {
	m.commitSeconds.Observe(took.Seconds())
	var accepted, duplicate, refused int
	for i := range r.Objects {
		for j := range r.Objects[i].Segments {
			for k := range r.Objects[i].Segments[j].Batches {
				switch b := &r.Objects[i].Segments[j].Batches[k]; {
				case b.Error != 0:
					refused++
				case b.Duplicate:
					duplicate++
				default:
					accepted++
				}
			}
		}
	}
	m.accepted.Add(float64(accepted))
	m.duplicate.Add(float64(duplicate))
	m.refused.Add(float64(refused))
}
