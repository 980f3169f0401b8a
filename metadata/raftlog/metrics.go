package raftlog

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of a node, in one table.
type metrics struct {
	registerer         prometheus.Registerer
	collectors         []prometheus.Collector
	proposals          prometheus.Counter
	throttled          prometheus.Counter
	halted             prometheus.Counter
	rebuilt            prometheus.Counter
	groups             prometheus.Gauge
	compacted          prometheus.Gauge
	syncSeconds        prometheus.Histogram
	applySeconds       prometheus.Histogram
	entries            prometheus.Counter
	quiesced           prometheus.Gauge
	snapshotsSent      prometheus.Counter
	snapshotsInstalled prometheus.Counter
	hashSeconds        prometheus.Histogram
	lastSync           atomic.Int64 // Unix milliseconds
	logBytes           atomic.Int64
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_raftlog_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "inkwell_raftlog_" + name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "inkwell_raftlog_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.00005, 2, 18)})
	}
	return &metrics{
		registerer:         r,
		proposals:          counter("proposals_total", "Commands that were handed to Raft."),
		throttled:          counter("throttled_total", "Commands that were refused because too many wait."),
		halted:             counter("halted_total", "Partitions that were halted since the start."),
		rebuilt:            counter("rebuilt_total", "Replicas whose state was made anew from the other nodes' since the start."),
		groups:             gauge("groups", "Partitions with a replica here."),
		compacted:          gauge("compaction_last_success_timestamp_seconds", "When the log was last cut."),
		syncSeconds:        histogram("sync_seconds", "Time to write and sync one round of the log."),
		applySeconds:       histogram("apply_seconds", "Time to apply one batch of commands."),
		quiesced:           gauge("quiesced_groups", "Partitions in which nothing is outstanding, and which cost nothing until something is."),
		snapshotsSent:      counter("snapshots_sent_total", "Snapshots that other nodes took over."),
		snapshotsInstalled: counter("snapshots_installed_total", "Snapshots that replaced a replica's state here."),
		hashSeconds:        histogram("hash_seconds", "Time to hash a part of a partition's state for a comparison of its replicas."),
		entries:            counter("applied_entries_total", "Log entries that were applied."),
	}
}

// observe registers everything.
func (m *metrics) observe(n *Node) {
	if m.registerer == nil {
		return
	}
	m.collectors = []prometheus.Collector{m.proposals, m.throttled, m.halted, m.rebuilt, m.groups, m.compacted, m.syncSeconds, m.applySeconds, m.entries, m.quiesced, m.snapshotsSent, m.snapshotsInstalled, m.hashSeconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkwell_raftlog_log_bytes", Help: "Size of the log's files."},
			func() float64 { return float64(m.logBytes.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkwell_raftlog_in_flight_bytes", Help: "Commands that were proposed and not yet applied."},
			func() float64 { return float64(n.inFlight.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkwell_raftlog_sync_age_seconds", Help: "Time since the log was last synced; it grows while nothing is proposed, too."},
			func() float64 { return n.cfg.Clock.Now().Sub(time.UnixMilli(m.lastSync.Load())).Seconds() }),
	}
	m.registerer.MustRegister(m.collectors...)
}

// close makes room for the next node of this process.
func (m *metrics) close() {
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}

func (m *metrics) synced(took time.Duration, now time.Time) {
	m.syncSeconds.Observe(took.Seconds())
	m.lastSync.Store(now.UnixMilli())
}

func (m *metrics) hashed(took time.Duration) { m.hashSeconds.Observe(took.Seconds()) }

func (m *metrics) applied(took time.Duration, entries int) {
	m.applySeconds.Observe(took.Seconds())
	m.entries.Add(float64(entries))
}
