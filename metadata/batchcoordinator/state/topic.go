package state

import (
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	topicGoing int64 = iota // the deletion has begun: nothing is accepted or found any more
	topicGone
)

// deleteTopic forgets a page of a topic. What is left in the state is where the next page goes on.
func (m *Machine) deleteTopic(c *DeleteTopic) DeleteTopicResult {
	m.key = appendTopicKey(m.key[:0], prefixDeleted, c.ID)
	if v, ok := m.tx.Get(m.key); ok && readNumber(v, "deleted topic") == topicGone {
		return DeleteTopicResult{}
	}
	m.setDeleted(c.ID, topicGoing)
	budget := max(c.MaxCoordinates, 1)
	for {
		tp, ok := m.firstPartition(c.ID)
		if !ok {
			break
		}
		if budget <= 0 {
			return DeleteTopicResult{More: true}
		}
		p := m.partition(tp)
		coordinates, more := m.front(p, &budget, func(*coordinate) bool { return true })
		for i := range coordinates {
			m.removeCoordinate(p, &coordinates[i])
		}
		if more {
			return DeleteTopicResult{More: true}
		}
		m.forgetPartition(p)
		budget-- // an empty partition is work, too
	}
	m.setDeleted(c.ID, topicGone)
	m.record(&topics.TopicDeleted{ID: c.ID})
	return DeleteTopicResult{}
}

func (m *Machine) setDeleted(id kafka.TopicID, state int64) {
	m.key = appendTopicKey(m.key[:0], prefixDeleted, id)
	m.value = appendNumber(m.value[:0], state)
	m.tx.Set(m.key, m.value)
	m.deleted[id] = true
}

func (m *Machine) firstPartition(id kafka.TopicID) (tp kafka.TopicIDPartition, ok bool) {
	m.key = appendTopicKey(m.key[:0], prefixPartition, id)
	m.tx.Scan(m.key, after(m.key), func(k, _ []byte) bool {
		tp, ok = partitionOf(k), true
		return false
	})
	return tp, ok
}

func (m *Machine) forgetPartition(p *entry[kafka.TopicIDPartition, Partition]) {
	for _, prefix := range [...]byte{prefixTime, prefixProducer} {
		m.key = appendPartitionKey(m.key[:0], prefix, p.key)
		m.tx.DeleteRange(m.key, after(m.key))
	}
	m.key = appendPartitionKey(m.key[:0], prefixPartition, p.key)
	m.tx.Delete(m.key)
	p.existed, p.dirty = false, false
	m.forgetUpkeep(p.key)
}
