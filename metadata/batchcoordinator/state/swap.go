package state

import (
	"math"
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// swap is one segment of a completion: the coordinates that it replaces, as they are in the state.
type swap struct {
	segment *rpc.ReplacedSegment
	inputs  []coordinate // nil: they are not what was leased any more
	// front: the log start has moved into the range of a key compaction. What was popped stays gone, what is left is swapped.
	front bool
}

// leased says whether a coordinate belongs to the lease.
type leased func(c *coordinate) bool

// wellFormed checks what can be said of a segment without the state: its coordinates lie in the range one after the other, in objects of the
// completion. A merge leaves no offset out.
func wellFormed(s *rpc.ReplacedSegment, outputs []rpc.OutputObject, merge bool) bool {
	if s.BaseOffset < 0 || s.LastOffset < s.BaseOffset || s.LastOffset == math.MaxInt64 || s.Inputs <= 0 || merge && len(s.Coordinates) == 0 {
		return false
	}
	next := s.BaseOffset
	for i := range s.Coordinates {
		c := &s.Coordinates[i]
		if c.BaseOffset < next || merge && c.BaseOffset != next || c.LastOffset < c.BaseOffset || c.LastOffset > s.LastOffset {
			return false
		}
		if c.Bytes <= 0 || c.Batches <= 0 || c.Position < 0 || c.MaxTimestamp < -1 || !c.Stamped || c.AppendTimestamp != -1 || c.IndexBytes < 0 ||
			!slices.ContainsFunc(outputs, func(o rpc.OutputObject) bool { return o.Object == c.Object && inside(c, o.ObjectBytes) }) {
			return false
		}
		next = c.LastOffset + 1
	}
	return !merge || next == s.LastOffset+1
}

// inside says whether an object of so many bytes has all that a coordinate names.
func inside(c *rpc.Coordinate, objectBytes int64) bool {
	return c.Position <= objectBytes-int64(c.Bytes) && (c.IndexBytes == 0 || c.IndexPosition >= 0 && c.IndexPosition <= objectBytes-int64(c.IndexBytes))
}

// find reads what the segment replaces; nothing when that is not what was leased any more. A key compaction is of a partition from its front, and may take longer than it is
// from one pop of retention to the next: it counts for what is left, or such a partition would never be compacted.
func (m *Machine) find(segment *rpc.ReplacedSegment, merge bool, of leased) swap {
	s := swap{segment: segment}
	p := m.partition(segment.Partition)
	if m.topicDeleted(segment.Partition.ID) || !p.existed {
		return s
	}
	s.front = !merge && p.value.LogStartOffset > segment.BaseOffset
	s.inputs = m.inputs(segment, merge, s.front, of)
	return s
}

func (m *Machine) inputs(s *rpc.ReplacedSegment, merge, front bool, of leased) []coordinate {
	inputs := make([]coordinate, 0, min(s.Inputs, 1<<16))
	ok := true
	m.key = appendOffsetKey(m.key[:0], prefixCoordinate, s.Partition, s.BaseOffset)
	m.key2 = appendOffsetKey(m.key2[:0], prefixCoordinate, s.Partition, s.LastOffset+1)
	m.tx.Scan(m.key, m.key2, func(k, v []byte) bool {
		c := readCoordinate(k, v)
		n := len(inputs)
		ok = n < int(s.Inputs) && of(&c) && (n > 0 || front || c.BaseOffset == s.BaseOffset) && (n == 0 || !merge || c.BaseOffset == inputs[n-1].LastOffset+1)
		inputs = append(inputs, c)
		return ok
	})
	if !ok || len(inputs) == 0 || !front && len(inputs) != int(s.Inputs) || inputs[len(inputs)-1].LastOffset != s.LastOffset {
		return nil
	}
	return inputs
}

// sameBatches says whether a merge's outputs have as much as its inputs.
func (s *swap) sameBatches() bool {
	var bytes, batches int64
	timestamp := int64(-1)
	for i := range s.inputs {
		bytes += int64(s.inputs[i].Bytes)
		batches += int64(s.inputs[i].Batches)
		timestamp = max(timestamp, s.inputs[i].MaxTimestamp)
	}
	for i := range s.segment.Coordinates {
		bytes -= int64(s.segment.Coordinates[i].Bytes)
		batches -= int64(s.segment.Coordinates[i].Batches)
	}
	greatest := int64(-1)
	for i := range s.segment.Coordinates {
		greatest = max(greatest, s.segment.Coordinates[i].MaxTimestamp)
	}
	return bytes == 0 && batches == 0 && timestamp == greatest
}

// apply puts the new coordinates in the place of the old ones. level says which one a new coordinate has. For a compaction, everything up to the end of
// the range is clean from here on. It returns how many it put there.
func (m *Machine) apply(s *swap, compaction bool, level func(*coordinate) uint8) (added int) {
	tp := s.segment.Partition
	p, u := m.partition(tp), m.upkeep(tp)
	p.dirty = true
	committed := int64(-1)
	for i := range s.inputs {
		c := &s.inputs[i]
		committed = max(committed, c.committed)
		m.key = appendOffsetKey(m.key[:0], prefixCoordinate, tp, c.LastOffset)
		m.tx.Delete(m.key)
		p.value.Bytes -= int64(c.Bytes)
		p.value.Coordinates--
		if c.level != levelCommitted {
			u.remove(c)
		}
		m.unref(c.Object)
	}
	if compaction {
		u.cleanEnd, u.cleanBytes = s.segment.LastOffset+1, 0
	}
	replacing := s.segment.Coordinates
	if s.front { // one that the log start lies in stays whole, as after DeleteRecords
		for len(replacing) > 0 && replacing[0].LastOffset < p.value.LogStartOffset {
			replacing = replacing[1:]
		}
	}
	outputs := make([]coordinate, len(replacing))
	record := topics.CoordinatesReplaced{Partition: tp, BaseOffset: s.segment.BaseOffset, LastOffset: s.segment.LastOffset,
		Coordinates: make([]topics.ReplacingCoordinate, len(outputs))}
	for i := range outputs {
		c := &outputs[i]
		*c = coordinate{Coordinate: replacing[i], committed: committed}
		c.level = level(c)
		m.putValue(tp, c)
		p.value.Bytes += int64(c.Bytes)
		p.value.Coordinates++
		u.add(c)
		o := m.object(c.Object)
		o.value.refs++
		record.Coordinates[i] = topics.ReplacingCoordinate{Object: c.Object, CommittedCoordinate: topics.CommittedCoordinate{
			Position: c.Position, Bytes: c.Bytes, BaseOffset: c.BaseOffset, LastOffset: c.LastOffset, MaxTimestamp: c.MaxTimestamp,
			AppendTimestamp: c.AppendTimestamp, Batches: c.Batches, Stamped: c.Stamped, IndexPosition: c.IndexPosition, IndexBytes: c.IndexBytes,
		}}
	}
	if s.front {
		m.replaceFrontTimes(p, s, outputs)
	} else {
		m.replaceTimes(p, s, outputs)
	}
	m.record(&record)
	return len(outputs)
}

// replaceTimes makes the time index exact again. An entry behind the range exceeded all before it, also what was replaced, and stays right; where the
// greatest timestamp of the range is gone, coordinates up to the next entry may need one now.
func (m *Machine) replaceTimes(p *entry[kafka.TopicIDPartition, Partition], s *swap, outputs []coordinate) {
	first, last, running := int64(-1), int64(-1), int64(-1)
	for i := range s.inputs {
		c := &s.inputs[i]
		if c.MaxTimestamp <= running {
			continue
		}
		running = c.MaxTimestamp
		m.key = appendOffsetKey(m.key[:0], prefixTime, p.key, c.MaxTimestamp)
		if v, ok := m.tx.Get(m.key); !ok || readNumber(v, "time index") != c.LastOffset {
			continue // something before the range is as new
		}
		m.tx.Delete(m.key)
		if first < 0 {
			first = c.MaxTimestamp
		}
		last = c.MaxTimestamp
	}
	if first < 0 {
		return
	}
	running = -1
	m.key = appendPartitionKey(m.key[:0], prefixTime, p.key)
	m.key2 = appendOffsetKey(m.key2[:0], prefixTime, p.key, first)
	m.tx.ScanReverse(m.key, m.key2, func(k, _ []byte) bool {
		running = numberAt(k, partitionKeyLen)
		return false
	})
	for i := range outputs {
		if c := &outputs[i]; c.MaxTimestamp > running {
			m.indexTime(p.key, c.MaxTimestamp, c.LastOffset)
			running = c.MaxTimestamp
		}
	}
	if running == last {
		return // what comes behind is shadowed as before
	}
	next := int64(math.MaxInt64)
	m.key = appendOffsetKey(m.key[:0], prefixTime, p.key, running+1)
	m.key2 = appendPartitionKey(m.key2[:0], prefixTime, p.key)
	m.tx.Scan(m.key, after(m.key2), func(_, v []byte) bool {
		next = readNumber(v, "time index")
		return false
	})
	m.indexBetween(p, s.segment.LastOffset+1, next, running)
}

// replaceFrontTimes is replaceTimes where the range is the front of the partition. The first output may have records of what was popped, and so timestamps that exceed all that
// its inputs had: entries behind the range may be shadowed by it.
func (m *Machine) replaceFrontTimes(p *entry[kafka.TopicIDPartition, Partition], s *swap, outputs []coordinate) {
	greatest := int64(-1)
	for i := range s.inputs {
		greatest = max(greatest, s.inputs[i].MaxTimestamp)
	}
	for i := range outputs {
		greatest = max(greatest, outputs[i].MaxTimestamp)
	}
	var timestamps []int64
	m.key = appendOffsetKey(m.key[:0], prefixTime, p.key, 0)
	m.key2 = appendOffsetKey(m.key2[:0], prefixTime, p.key, later(greatest, 1))
	m.tx.Scan(m.key, m.key2, func(k, _ []byte) bool {
		timestamps = append(timestamps, numberAt(k, partitionKeyLen))
		return true
	})
	for _, timestamp := range timestamps {
		m.key = appendOffsetKey(m.key[:0], prefixTime, p.key, timestamp)
		m.tx.Delete(m.key)
	}
	m.mendTimeIndex(p, greatest)
}
