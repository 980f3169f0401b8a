package metadata

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/metadata/fairqueue"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// openQueue makes what all clusters of the node share: the fair queue, and the count of what was refused.
func (n *Node) openQueue() (err error) {
	n.throttled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "inkwell_metadata_throttled_total", Help: "Calls that were refused because of a limit of their cluster, or because it is suspended.",
	}, []string{"cluster", "limit"})
	if n.cfg.Registerer != nil {
		if err := n.cfg.Registerer.Register(n.throttled); err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	n.queue, err = fairqueue.New(fairqueue.Config{Clock: n.cfg.Clock, Registerer: n.cfg.Registerer})
	return err
}

func (n *Node) closeQueue() error {
	if n.throttled != nil && n.cfg.Registerer != nil {
		n.cfg.Registerer.Unregister(n.throttled)
	}
	if n.queue == nil {
		return nil
	}
	return n.queue.Close()
}

// newAdmission looks at the tenant as it is shown: its replicas come and go.
func (n *Node) newAdmission(c *topics.InklessCluster) *admission {
	a := &admission{
		cluster: c.Name, clock: n.cfg.Clock, flow: n.queue.Flow(c.Name), throttled: n.throttled,
		measure: func() (int64, error) {
			if t := n.tenant(c.Name); t != nil {
				return n.logs.DiskUsage(t.groupIDs)
			}
			return 0, nil
		},
		led: func() (batch, others fraction) {
			t := n.tenant(c.Name)
			if t == nil {
				return batch, others
			}
			return leds(t.batchLogs...), leds(append([]raftlog.Log{t.metadataLog}, t.groupLogs...)...)
		},
	}
	a.record.Store(c)
	return a
}
