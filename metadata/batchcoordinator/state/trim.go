package state

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func (m *Machine) deleteRecords(c *DeleteRecords) DeleteRecordsResult {
	result := DeleteRecordsResult{Partitions: make([]rpc.DeleteRecordsResult, len(c.Partitions))}
	budget := c.MaxCoordinates
	for i, want := range c.Partitions {
		out := &result.Partitions[i]
		out.LogStartOffset = -1
		if m.topicDeleted(want.Partition.ID) {
			out.Error = kerr.UnknownTopicID.Code
			continue
		}
		p := m.partition(want.Partition)
		before := want.Before
		if before == -1 {
			before = p.value.HighWatermark
		}
		if before < 0 || before > p.value.HighWatermark {
			out.Error = kerr.OffsetOutOfRange.Code
			continue
		}
		if before > p.value.LogStartOffset {
			_, more := m.popFront(p, &budget, func(c *coordinate) bool { return c.LastOffset < before })
			if more {
				result.More = true
			} else {
				p.value.LogStartOffset = before // it may lie inside the first coordinate
			}
			p.dirty = true
			m.logStartMoved(p, topics.ReasonDeleteRecords)
		}
		out.LogStartOffset = p.value.LogStartOffset
	}
	return result
}

// applyRetention goes by size and then by time, as Kafka does; what is newest counts as the coordinate, for the records
// of one coordinate go together.
func (m *Machine) applyRetention(c *ApplyRetention) RetentionResult {
	var result RetentionResult
	budget := c.MaxCoordinates
	for _, keep := range c.Partitions {
		p := m.partition(keep.Partition)
		if !p.existed || m.topicDeleted(keep.Partition.ID) {
			continue
		}
		bytes, coordinates := p.value.Bytes, p.value.Coordinates
		if keep.MaxBytes >= 0 {
			excess := p.value.Bytes - keep.MaxBytes
			popped, more := m.popFront(p, &budget, func(c *coordinate) bool {
				excess -= int64(c.Bytes)
				return excess >= 0
			})
			result.More = result.More || more
			if popped > 0 {
				m.logStartMoved(p, topics.ReasonRetentionBytes)
			}
		}
		if keep.Cutoff >= 0 {
			popped, more := m.popFront(p, &budget, func(c *coordinate) bool { return c.retentionTime() < keep.Cutoff })
			result.More = result.More || more
			if popped > 0 {
				m.logStartMoved(p, topics.ReasonRetentionTime)
			}
		}
		result.Bytes += bytes - p.value.Bytes
		result.Coordinates += coordinates - p.value.Coordinates
	}
	return result
}

func (m *Machine) logStartMoved(p *entry[kafka.TopicIDPartition, Partition], reason topics.LogStartReason) {
	m.record(&topics.LogStartMoved{Partition: p.key, LogStartOffset: p.value.LogStartOffset, Reason: reason})
}

// popFront removes coordinates from the front of p while drop says so, moves the log start behind them, releases their
// objects and mends the time index. more: drop wanted another one, but the budget is used up.
func (m *Machine) popFront(p *entry[kafka.TopicIDPartition, Partition], budget *int64, drop func(*coordinate) bool) (popped int, more bool) {
	coordinates, more := m.front(p, budget, drop)
	if len(coordinates) == 0 {
		return 0, more
	}
	greatest := int64(-1)
	for i := range coordinates {
		c := &coordinates[i]
		m.removeCoordinate(p, c)
		if c.MaxTimestamp > greatest { // then it has an entry
			m.key = appendOffsetKey(m.key[:0], prefixTime, p.key, c.MaxTimestamp)
			m.tx.Delete(m.key)
			greatest = c.MaxTimestamp
		}
	}
	m.mendTimeIndex(p, greatest)
	return len(coordinates), more
}

// front reads the coordinates that popFront removes.
func (m *Machine) front(p *entry[kafka.TopicIDPartition, Partition], budget *int64, drop func(*coordinate) bool) (coordinates []coordinate, more bool) {
	// From the log start on, so that the seek does not pass the remains of what was popped before.
	m.key = appendOffsetKey(m.key[:0], prefixCoordinate, p.key, p.value.LogStartOffset)
	m.key2 = appendOffsetKey(m.key2[:0], prefixCoordinate, p.key, math.MaxInt64)
	m.tx.Scan(m.key, m.key2, func(k, v []byte) bool {
		c := readCoordinate(k, v)
		if !drop(&c) {
			return false
		}
		if *budget <= 0 {
			more = true
			return false
		}
		*budget--
		coordinates = append(coordinates, c)
		return true
	})
	return coordinates, more
}

func (m *Machine) removeCoordinate(p *entry[kafka.TopicIDPartition, Partition], c *coordinate) {
	m.key = appendOffsetKey(m.key[:0], prefixCoordinate, p.key, c.LastOffset)
	m.tx.Delete(m.key)
	p.value.Bytes -= int64(c.Bytes)
	p.value.Coordinates--
	p.value.LogStartOffset = c.LastOffset + 1
	p.dirty = true
	if c.level != levelCommitted {
		m.upkeep(p.key).remove(c)
	}
	m.unref(c.Object)
}

// unref takes a coordinate's reference from its object.
func (m *Machine) unref(id kafka.ObjectID) {
	o := m.object(id)
	if !o.existed || o.value.refs <= 0 {
		panic(&Damaged{"object that a coordinate refers to"})
	}
	o.value.refs--
	o.dirty = true
}

// mendTimeIndex makes the index exact again after coordinates up to the timestamp greatest were popped. An entry that is
// left exceeds all before it, popped or not, and stays right; only coordinates before the first one left can be
// missing. The walk is one step where timestamps grow with offsets.
func (m *Machine) mendTimeIndex(p *entry[kafka.TopicIDPartition, Partition], greatest int64) {
	next := int64(math.MaxInt64)                                            // last offset of the first entry that is left
	m.key = appendOffsetKey(m.key[:0], prefixTime, p.key, max(greatest, 0)) // its own entry is gone
	m.key2 = appendPartitionKey(m.key2[:0], prefixTime, p.key)
	m.tx.Scan(m.key, after(m.key2), func(_, v []byte) bool {
		next = readNumber(v, "time index")
		return false
	})
	m.indexBetween(p, p.value.LogStartOffset, next, -1)
}

// indexBetween adds the missing entries of coordinates from an offset on, up to the one whose last offset is next, which has its entry (MaxInt64: to
// the end). Before them the greatest timestamp is running.
func (m *Machine) indexBetween(p *entry[kafka.TopicIDPartition, Partition], from, next, running int64) {
	type indexEntry struct{ timestamp, lastOffset int64 }
	var missing []indexEntry
	m.key = appendOffsetKey(m.key[:0], prefixCoordinate, p.key, from)
	m.key2 = appendOffsetKey(m.key2[:0], prefixCoordinate, p.key, next)
	m.tx.Scan(m.key, m.key2, func(k, v []byte) bool {
		if c := readCoordinate(k, v); c.MaxTimestamp > running {
			running = c.MaxTimestamp
			missing = append(missing, indexEntry{c.MaxTimestamp, c.LastOffset})
		}
		return true
	})
	for _, e := range missing {
		m.indexTime(p.key, e.timestamp, e.lastOffset)
	}
	if next == math.MaxInt64 {
		p.value.MaxTimestamp = running
	}
}
