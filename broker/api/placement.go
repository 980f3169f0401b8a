package api

import (
	"encoding/binary"
	"strings"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/topics"
)

// reachableBroker is a live broker with the address for one listener.
type reachableBroker struct {
	Broker
	listener topics.BrokerListener
}

// reachable are the live brokers that have the listener that r came in by.
func (h *Handlers) reachable(r *listener.Request) []reachableBroker {
	var out []reachableBroker
	for _, b := range h.cfg.Brokers() {
		if l, ok := listenerOf(b, r.Conn.Listener); ok {
			out = append(out, reachableBroker{b, l})
		}
	}
	return out
}

func listenerOf(b Broker, name string) (topics.BrokerListener, bool) {
	for _, l := range b.Listeners {
		if l.Name == name {
			return l, true
		}
	}
	return topics.BrokerListener{}, false
}

// zoneOf is the client's zone as its client.id tells it: diskless_az=<rack> or inkless_az=<rack>, anywhere in it, up to a comma.
func zoneOf(r *listener.Request) string {
	for _, prefix := range []string{"diskless_az=", "inkless_az="} {
		if _, rest, ok := strings.Cut(r.ClientID, prefix); ok {
			zone, _, _ := strings.Cut(rest, ",")
			return zone
		}
	}
	return ""
}

// placement says which live broker a client of one zone should use for a partition, by rendezvous hashing: a join or a leave moves 1/n of the partitions.
type placement struct{ ids []int32 }

// newPlacement places on the brokers of zone, or on all where the zone is unknown or has none.
func newPlacement(brokers []reachableBroker, zone string) placement {
	var near, all []int32
	for _, b := range brokers {
		all = append(all, b.ID)
		if zone != "" && b.Rack == zone {
			near = append(near, b.ID)
		}
	}
	if len(near) > 0 {
		return placement{near}
	}
	return placement{all}
}

// broker is the id of the partition's broker, -1 when none is live.
func (p placement) broker(topic kafka.TopicID, partition int32) int32 {
	best, bestScore := int32(-1), uint64(0)
	for _, id := range p.ids {
		if score := rendezvous(topic, partition, id); best < 0 || score > bestScore {
			best, bestScore = id, score
		}
	}
	return best
}

func rendezvous(topic kafka.TopicID, partition, broker int32) uint64 {
	h := binary.LittleEndian.Uint64(topic[:8]) ^ mix(binary.LittleEndian.Uint64(topic[8:]))
	return mix(h ^ mix(uint64(uint32(partition))<<32|uint64(uint32(broker))))
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
