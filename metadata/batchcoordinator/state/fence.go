package state

import (
	"encoding/binary"
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// fence is the last FenceBrokers: epochs below metadataOffset that are not live never commit again.
type fence struct {
	metadataOffset int64
	live           []BrokerEpoch
}

func (f *fence) fenced(epoch int64) bool {
	return epoch < f.metadataOffset && !slices.ContainsFunc(f.live, func(e BrokerEpoch) bool { return e.Epoch == epoch })
}

func (f *fence) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	b = binary.AppendVarint(b, f.metadataOffset)
	b = binary.AppendUvarint(b, uint64(len(f.live)))
	for _, e := range f.live {
		b = binary.AppendVarint(b, int64(e.Broker))
		b = binary.AppendVarint(b, e.Epoch)
	}
	return b
}

func readFence(tx statestore.Reader) fence {
	v, ok := tx.Get(scalarKey(nil, scalarFence))
	if !ok {
		return fence{}
	}
	r := readValue(v, "fence")
	f := fence{metadataOffset: r.int()}
	f.live = make([]BrokerEpoch, r.count())
	for i := range f.live {
		f.live[i] = BrokerEpoch{int32(r.int()), r.int()}
	}
	return f
}

func (m *Machine) readFence() *fence {
	f := readFence(m.tx)
	return &f
}

// fenceBrokers ends every epoch that the image no longer shows, with what was kept for its retries.
func (m *Machine) fenceBrokers(c *FenceBrokers) FenceResult {
	old := m.readFence()
	if c.MetadataOffset <= old.metadataOffset {
		return FenceResult{} // an older image
	}
	next := fence{c.MetadataOffset, c.Live}
	m.key = scalarKey(m.key[:0], scalarFence)
	m.value = next.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)

	ended := make([]BrokerEpoch, 0, len(old.live))
	for _, e := range old.live {
		if next.fenced(e.Epoch) {
			ended = append(ended, e)
		}
	}
	var committed []int64
	m.tx.Scan([]byte{prefixEpoch}, []byte{prefixEpoch + 1}, func(k, v []byte) bool {
		if epoch := numberAt(k, 1); next.fenced(epoch) {
			committed = append(committed, epoch)
			ended = append(ended, BrokerEpoch{readBrokerEpoch(v).broker, epoch})
		}
		return true
	})
	for _, epoch := range committed {
		m.key = appendNumberKey(m.key[:0], prefixEpoch, epoch)
		m.tx.Delete(m.key)
		m.key = appendObjectKey(m.key[:0], prefixResult, kafka.ObjectID{Epoch: epoch})
		m.tx.DeleteRange(m.key, after(m.key[:9]))
	}
	ended = sortEpochs(ended)
	m.recordFenced(ended, c.Live)
	if m.workEnabled() {
		m.fenceLeases(&next)
		if c.SweepAfterMillis > 0 {
			m.planSweeps(ended, c.SweepAfterMillis)
		}
	}
	return FenceResult{Fenced: len(ended)}
}

func sortEpochs(epochs []BrokerEpoch) []BrokerEpoch {
	slices.SortFunc(epochs, func(a, b BrokerEpoch) int {
		if a.Broker != b.Broker {
			return int(a.Broker) - int(b.Broker)
		}
		return int(min(max(a.Epoch-b.Epoch, -1), 1))
	})
	return slices.Compact(epochs)
}

// recordFenced tells each broker's least epoch that may commit, once for each broker.
func (m *Machine) recordFenced(ended, live []BrokerEpoch) {
	for i, e := range ended {
		if i+1 < len(ended) && ended[i+1].Broker == e.Broker {
			continue
		}
		least := e.Epoch + 1
		for _, l := range live {
			if l.Broker == e.Broker {
				least = l.Epoch
			}
		}
		m.record(&topics.BrokerFenced{Broker: e.Broker, MinEpoch: least})
	}
}
