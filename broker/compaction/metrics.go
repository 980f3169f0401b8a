package compaction

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
)

var kinds = []rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep}

// Names and help of what is measured.
var (
	objectsOpts  = prometheus.CounterOpts{Name: "inkwell_compaction_objects_deleted_total", Help: "Objects that jobs removed from object storage, by outcome."}
	jobsOpts     = prometheus.CounterOpts{Name: "inkwell_compaction_jobs_total", Help: "Jobs that ended, by job and outcome."}
	failuresOpts = prometheus.CounterOpts{Name: "inkwell_compaction_failures_total", Help: "Jobs that failed, by job and cause."}
	runningOpts  = prometheus.GaugeOpts{Name: "inkwell_compaction_jobs_running", Help: "Jobs that run, by job."}
	requestsOpts = prometheus.CounterOpts{Name: "inkwell_compaction_requests_total", Help: "Calls to the object store, repetitions not counted, by job and operation."}
	bytesOpts    = prometheus.CounterOpts{Name: "inkwell_compaction_bytes_total", Help: "Bytes of objects that jobs read and wrote, by job and direction."}
	recordsOpts  = prometheus.CounterOpts{Name: "inkwell_compaction_records_removed_total", Help: "Records that key compactions left out."}
	putWaitOpts  = prometheus.CounterOpts{Name: "inkwell_compaction_put_budget_wait_seconds_total", Help: "Time that jobs waited for storage.put.budget.per.second."}
	ageOpts      = prometheus.GaugeOpts{Name: "inkwell_compaction_last_success_age_seconds", Help: "Time since a request for work was last answered and done."}
	jobAgeOpts   = prometheus.GaugeOpts{Name: "inkwell_compaction_job_last_success_age_seconds", Help: "Time since a job was last completed, by job; since the start if none was."}
)

type metrics struct {
	clock       clock.Clock
	objects     *prometheus.CounterVec
	jobs        *prometheus.CounterVec
	failures    *prometheus.CounterVec
	running     *prometheus.GaugeVec
	requests    *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	records     prometheus.Counter
	putWait     prometheus.Counter
	lastSuccess atomic.Int64 // unix ms
	lastJob     map[rpc.WorkKind]*atomic.Int64
}

func newMetrics(r prometheus.Registerer, c clock.Clock) *metrics {
	m := &metrics{
		clock: c, objects: prometheus.NewCounterVec(objectsOpts, []string{"outcome"}), jobs: prometheus.NewCounterVec(jobsOpts, []string{"job", "outcome"}),
		failures: prometheus.NewCounterVec(failuresOpts, []string{"job", "cause"}), running: prometheus.NewGaugeVec(runningOpts, []string{"job"}),
		requests: prometheus.NewCounterVec(requestsOpts, []string{"job", "op"}), bytes: prometheus.NewCounterVec(bytesOpts, []string{"job", "direction"}),
		records: prometheus.NewCounter(recordsOpts), putWait: prometheus.NewCounter(putWaitOpts), lastJob: map[rpc.WorkKind]*atomic.Int64{},
	}
	m.succeeded()
	collectors := []prometheus.Collector{m.objects, m.jobs, m.failures, m.running, m.requests, m.bytes, m.records, m.putWait, m.age(ageOpts, &m.lastSuccess)}
	for _, k := range kinds {
		m.lastJob[k] = new(atomic.Int64)
		m.lastJob[k].Store(c.Now().UnixMilli())
		opts := jobAgeOpts
		opts.ConstLabels = prometheus.Labels{"job": k.String()}
		collectors = append(collectors, m.age(opts, m.lastJob[k]))
	}
	if r != nil {
		r.MustRegister(collectors...)
	}
	return m
}

func (m *metrics) age(opts prometheus.GaugeOpts, since *atomic.Int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(opts, func() float64 { return float64(m.clock.Now().UnixMilli()-since.Load()) / 1000 })
}

func (m *metrics) succeeded() { m.lastSuccess.Store(m.clock.Now().UnixMilli()) }

func (m *metrics) deleted(gone, failed int) {
	m.objects.WithLabelValues("deleted").Add(float64(gone))
	m.objects.WithLabelValues("failed").Add(float64(failed))
}

// begin counts a job; the function it returns counts its end.
func (m *metrics) begin(kind rpc.WorkKind) func(err error) {
	running := m.running.WithLabelValues(kind.String())
	running.Inc()
	return func(err error) {
		running.Dec()
		if err != nil {
			m.jobs.WithLabelValues(kind.String(), "failed").Inc()
			m.failures.WithLabelValues(kind.String(), causeOf(err)).Inc()
			return
		}
		m.jobs.WithLabelValues(kind.String(), "done").Inc()
		if last := m.lastJob[kind]; last != nil {
			last.Store(m.clock.Now().UnixMilli())
		}
	}
}

func (m *metrics) request(kind rpc.WorkKind, op string, read, written int64) {
	m.requests.WithLabelValues(kind.String(), op).Inc()
	if read > 0 {
		m.bytes.WithLabelValues(kind.String(), "read").Add(float64(read))
	}
	if written > 0 {
		m.bytes.WithLabelValues(kind.String(), "written").Add(float64(written))
	}
}
