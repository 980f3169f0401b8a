package batchcoordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/kafka"
)

// TestGaugesAreTheLeaders: a replica that leads no more has no gauge of the leader's left, and sets them all when it leads again.
func TestGaugesAreTheLeaders(t *testing.T) {
	registry := prometheus.NewRegistry()
	inBubble(t, func(c *Config) { c.Registerer = registry }, func(t *testing.T, f *fixture) {
		for i := range int32(partitionsPerView + 10) { // more than a page
			tp := kafka.TopicIDPartition{ID: kafka.TopicID{'m'}, Partition: i}
			f.image.create(tp, keepAll)
			f.commit(tp, orders)
		}
		want := func(what string, coordinates, bytes float64) {
			t.Helper()
			synctest.Wait()
			g := gauges(t, registry)
			if g["inkwell_batchcoordinator_coordinates"] != coordinates || g["inkwell_batchcoordinator_bytes"] != bytes {
				t.Errorf("%s: %v coordinates with %v bytes, want %v with %v", what, g["inkwell_batchcoordinator_coordinates"], g["inkwell_batchcoordinator_bytes"], coordinates, bytes)
			}
		}
		time.Sleep(20 * time.Second)
		want("leading", 2*(partitionsPerView+10), 200*(partitionsPerView+10))
		if g := gauges(t, registry); len(g) < 4 {
			t.Errorf("a leader has the gauges %v", g)
		}
		f.log.SetLeader(false)
		synctest.Wait()
		if g := gauges(t, registry); len(g) != 0 {
			t.Errorf("not leading, it still shows %v", g)
		}
		f.log.SetLeader(true)
		f.commit(orders)
		time.Sleep(20 * time.Second)
		want("leading again", 2*(partitionsPerView+10)+1, 200*(partitionsPerView+10)+100)
	})
}

// gauges are all of a registry, those with labels added up.
func gauges(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		if f.GetType().String() == "GAUGE" {
			for _, m := range f.GetMetric() {
				found[f.GetName()] += m.GetGauge().GetValue()
			}
		}
	}
	return found
}
