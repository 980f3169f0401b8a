package groupcoordinator

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
)

// metrics of one coordinator; cluster and partition are labels of all of them.
type metrics struct {
	requests   *prometheus.CounterVec
	commits    prometheus.Counter
	expired    prometheus.Counter
	rebalances prometheus.Counter
	writes     prometheus.Histogram
	lastExpiry atomic.Int64 // milliseconds

	registered []prometheus.Collector
	registerer prometheus.Registerer
}

const metricsPrefix = "inkwell_groupcoordinator_"

func newMetrics(c *Coordinator) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricsPrefix + "requests_total", Help: "Requests answered, by API.",
		}, []string{"api"}),
		commits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricsPrefix + "offset_commits_total", Help: "Offsets committed.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricsPrefix + "offset_expirations_total", Help: "Offsets removed because their retention had passed.",
		}),
		rebalances: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricsPrefix + "rebalances_total", Help: "Rebalances completed.",
		}),
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricsPrefix + "write_seconds", Help: "Time until a write was replicated or failed.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	m.registered = []prometheus.Collector{
		m.requests, m.commits, m.expired, m.rebalances, m.writes,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: metricsPrefix + "leading", Help: "1 while this replica leads and its groups are loaded.",
		}, func() float64 {
			if _, kerror := c.leading(); kerror != nil {
				return 0
			}
			return 1
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: metricsPrefix + "expiry_check_age_seconds", Help: "Time since the last check for expired offsets ended or leadership began; 0 while not leading.",
		}, func() float64 {
			if _, kerror := c.leading(); kerror != nil {
				return 0
			}
			return float64(c.now()-m.lastExpiry.Load()) / 1000
		}),
	}
	for _, s := range []classic.State{classic.Empty, classic.PreparingRebalance, classic.CompletingRebalance, classic.Stable} {
		m.registered = append(m.registered, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: metricsPrefix + "groups", Help: "Groups, by state.", ConstLabels: prometheus.Labels{"state": string(s)},
		}, func() float64 { return float64(c.countGroups(s)) }))
	}
	if c.cfg.Registerer == nil {
		return m
	}
	m.registerer = prometheus.WrapRegistererWith(prometheus.Labels{
		"cluster": string(c.cfg.Cluster), "partition": strconv.Itoa(int(c.cfg.Partition)),
	}, c.cfg.Registerer)
	m.registerer.MustRegister(m.registered...)
	return m
}

// unregister makes room for the partition's next coordinator in this process.
func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
}

func (c *Coordinator) countGroups(s classic.State) (n int) {
	r, kerror := c.leading()
	if kerror != nil {
		return 0
	}
	for _, cell := range r.allCells() {
		cell.mu.Lock()
		if cell.group != nil && cell.group.State() == s {
			n++
		}
		cell.mu.Unlock()
	}
	return n
}
