package transport

import "github.com/prometheus/client_golang/prometheus"

// metrics of a transport, in one table.
type metrics struct {
	registerer    prometheus.Registerer
	collectors    []prometheus.Collector
	sent          prometheus.Counter
	sentBytes     prometheus.Counter
	received      prometheus.Counter
	dropped       prometheus.Counter
	broken        prometheus.Counter
	snapshots     prometheus.Counter
	snapshotBytes prometheus.Counter
	refused       *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, t *Transport) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_rafttransport_" + name, Help: help})
	}
	m := &metrics{
		registerer:    r,
		sent:          counter("sent_messages_total", "Raft messages that were written to streams."),
		sentBytes:     counter("sent_bytes_total", "Bytes of Raft messages that were written to streams."),
		received:      counter("received_messages_total", "Raft messages that arrived."),
		dropped:       counter("dropped_messages_total", "Raft messages that were dropped because a queue was full or a node could not be reached. Raft sends again."),
		broken:        counter("broken_streams_total", "Streams that broke and attempts to open one that failed."),
		snapshots:     counter("sent_snapshots_total", "Snapshots that were taken over by their receivers."),
		snapshotBytes: counter("sent_snapshot_bytes_total", "Bytes of snapshots that were written."),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inkwell_rafttransport_refused_total",
			Help: "Handshakes between metadata nodes that were refused, on either side, by reason."}, []string{"reason"}),
	}
	if r == nil {
		return m
	}
	m.collectors = []prometheus.Collector{m.sent, m.sentBytes, m.received, m.dropped, m.broken, m.snapshots, m.snapshotBytes, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkwell_rafttransport_incoming_streams", Help: "Streams of messages from other nodes."}, func() float64 {
			t.mu.RLock()
			defer t.mu.RUnlock()
			return float64(len(t.incoming))
		}),
	}
	r.MustRegister(m.collectors...)
	return m
}

// close makes room for the next transport of this process.
func (m *metrics) close() {
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}
