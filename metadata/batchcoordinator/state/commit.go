package state

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func (m *Machine) commitObjects(c *CommitObjects) CommitResult {
	// 1. Refuse the whole call, before anything is done.
	if m.readFence().fenced(c.BrokerEpoch) {
		return CommitResult{Err: kerr.StaleBrokerEpoch}
	}
	epoch, known := m.brokerEpoch(c.BrokerEpoch)
	if !known {
		epoch.seen = m.lastObject(c.BrokerEpoch)
	}
	acknowledged := max(epoch.acknowledged, c.AcknowledgedBelow)
	for i := range c.Objects {
		// A copy of a call that was delayed until its uploader knew the results: nobody waits for the answer, and the
		// result that would tell a retry from a new object is forgotten.
		if id := c.Objects[i].Object; id.Epoch != c.BrokerEpoch || id.Sequence < acknowledged {
			return CommitResult{Err: kerr.InvalidRequest}
		}
	}
	// 2. Note how far the uploader is, and which image its topics were checked with.
	m.forgetResults(c.BrokerEpoch, epoch.acknowledged, acknowledged)
	noted := epoch
	epoch.broker, epoch.acknowledged = c.Broker, acknowledged
	if c.MetadataOffset > m.scalar(scalarMetadataOffset, -1) {
		m.setScalar(scalarMetadataOffset, c.MetadataOffset)
	}
	// 3. The objects, in order.
	response := &rpc.CommitObjectsResponse{Objects: make([]rpc.ObjectResult, len(c.Objects))}
	refused := c.Refused
	for i := range c.Objects {
		n := 0
		for n < len(refused) && refused[n].Object <= i {
			n++
		}
		object := c.Objects[i].Object
		response.Objects[i] = m.commitObject(&c.Objects[i], refused[:n], object.Sequence > epoch.seen)
		epoch.seen = max(epoch.seen, object.Sequence)
		refused = refused[n:]
	}
	if !known || epoch.acknowledged > noted.acknowledged || epoch.seen > noted.seen {
		m.setBrokerEpoch(c.BrokerEpoch, &epoch)
	}
	return CommitResult{Response: response}
}

func (m *Machine) brokerEpoch(epoch int64) (brokerEpoch, bool) {
	m.key = appendNumberKey(m.key[:0], prefixEpoch, epoch)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return brokerEpoch{}, false
	}
	return readBrokerEpoch(v), true
}

func (m *Machine) setBrokerEpoch(epoch int64, e *brokerEpoch) {
	m.key = appendNumberKey(m.key[:0], prefixEpoch, epoch)
	m.value = e.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
}

// lastObject is the greatest sequence of an object that an epoch without a commit has here: jobs write objects, too. The first level, whose state stays as it was, counts none.
func (m *Machine) lastObject(epoch int64) int64 {
	if !m.workEnabled() {
		return allSeen
	}
	last := int64(-1)
	m.key = appendObjectKey(m.key[:0], prefixObject, kafka.ObjectID{Epoch: epoch})
	m.tx.ScanReverse(m.key, after(m.key[:9]), func(k, _ []byte) bool {
		last = numberAt(k, 9)
		return false
	})
	return last
}

// forgetResults is for an uploader that knows them, of sequences from from up to below.
func (m *Machine) forgetResults(epoch, from, below int64) {
	if below <= from {
		return
	}
	if below-from <= fewResults { // the common case: deleting what is not there is cheaper than looking
		for sequence := from; sequence < below; sequence++ {
			m.forgetResult(epoch, sequence)
		}
		return
	}
	var settled []int64
	m.key = appendObjectKey(m.key[:0], prefixResult, kafka.ObjectID{Epoch: epoch, Sequence: from})
	m.key2 = appendObjectKey(m.key2[:0], prefixResult, kafka.ObjectID{Epoch: epoch, Sequence: below})
	m.tx.Scan(m.key, m.key2, func(k, _ []byte) bool {
		settled = append(settled, numberAt(k, 9))
		return true
	})
	for _, sequence := range settled {
		m.forgetResult(epoch, sequence)
	}
}

// fewResults are deleted without a scan: that has all of a batch put in order first.
const fewResults = 64

func (m *Machine) forgetResult(epoch, sequence int64) {
	m.key = appendObjectKey(m.key[:0], prefixResult, kafka.ObjectID{Epoch: epoch, Sequence: sequence})
	m.tx.Delete(m.key)
}

// commitObject commits one object; fresh says that this partition never had anything of it.
func (m *Machine) commitObject(o *rpc.ObjectCommit, refused []RefusedSegment, fresh bool) rpc.ObjectResult {
	load := noObject
	if !fresh {
		load = m.loadObject
		m.key = appendObjectKey(m.key[:0], prefixResult, o.Object)
		if v, ok := m.tx.Get(m.key); ok { // asked again
			return readResult(v)
		}
	}
	batches := 0
	for i := range o.Segments {
		batches += len(o.Segments[i].Batches)
	}
	arena := make([]rpc.BatchResult, batches)
	result := rpc.ObjectResult{Segments: make([]rpc.SegmentResult, len(o.Segments))}
	committed := topics.ObjectCommitted{Object: o.Object, ObjectBytes: o.ObjectBytes, Segments: make([]topics.CommittedSegment, 0, len(o.Segments))}
	coordinates := make([]topics.CommittedCoordinate, 0, len(o.Segments))

	obj := m.objects.get(o.Object, load)
	obj.value.bytes, obj.value.coordinators = o.ObjectBytes, o.Coordinators
	obj.existed, obj.dirty = true, true
	for i := range o.Segments {
		s := &o.Segments[i]
		n := 0
		for n < len(refused) && refused[n].Segment < i {
			n++
		}
		refused = refused[n:]
		if len(refused) > 0 && refused[0].Segment == i {
			result.Segments[i] = rpc.SegmentResult{Error: refused[0].Error, LogStartOffset: -1}
			continue
		}
		if m.topicDeleted(s.Partition.ID) {
			result.Segments[i] = rpc.SegmentResult{Error: kerr.UnknownTopicID.Code, LogStartOffset: -1}
			continue
		}
		first := len(coordinates)
		results := arena[:len(s.Batches):len(s.Batches)]
		arena = arena[len(s.Batches):]
		coordinates = m.commitSegment(o.Object, s, results, coordinates)
		p := m.partition(s.Partition)
		result.Segments[i] = rpc.SegmentResult{LogStartOffset: p.value.LogStartOffset, Batches: results}
		if added := coordinates[first:len(coordinates):len(coordinates)]; len(added) > 0 {
			obj.value.refs += int64(len(added))
			committed.Segments = append(committed.Segments, topics.CommittedSegment{Partition: s.Partition, Coordinates: added})
		}
	}
	m.key = appendObjectKey(m.key[:0], prefixResult, o.Object)
	m.value = appendResult(m.value[:0], &result)
	m.tx.Set(m.key, m.value)
	if len(committed.Segments) > 0 {
		m.record(&committed)
		if m.workEnabled() {
			m.enqueue(&committed)
		}
	}
	return result
}

// commitSegment judges each batch and appends the coordinates of the accepted ones.
func (m *Machine) commitSegment(id kafka.ObjectID, s *rpc.SegmentCommit, results []rpc.BatchResult, out []topics.CommittedCoordinate) []topics.CommittedCoordinate {
	p := m.partition(s.Partition)
	appendTime := int64(-1)
	if s.LogAppendTime {
		appendTime = max(m.now, p.value.LastAppendTime)
	}
	position := s.Position
	var run topics.CommittedCoordinate // of accepted batches, one after the other
	for i := range s.Batches {
		b := &s.Batches[i]
		results[i] = m.appendBatch(p, s, b, appendTime)
		accepted := results[i].Error == 0 && !results[i].Duplicate
		if run.Batches > 0 && (!accepted || int64(run.Bytes)+int64(b.Bytes) > math.MaxInt32) {
			out = m.putCoordinate(p, id, run, out)
			run = topics.CommittedCoordinate{}
		}
		if accepted {
			if run.Batches == 0 {
				run = topics.CommittedCoordinate{Position: position, BaseOffset: results[i].BaseOffset, MaxTimestamp: -1, AppendTimestamp: appendTime}
			}
			run.Bytes += b.Bytes
			run.Batches++
			run.LastOffset = p.value.HighWatermark - 1
			run.MaxTimestamp = max(run.MaxTimestamp, b.MaxTimestamp)
			if appendTime >= 0 {
				run.MaxTimestamp = appendTime
			}
		}
		position += int64(b.Bytes)
	}
	if run.Batches > 0 {
		out = m.putCoordinate(p, id, run, out)
	}
	return out
}

// appendBatch gives b its offsets, or the reason why it gets none.
func (m *Machine) appendBatch(p *entry[kafka.TopicIDPartition, Partition], s *rpc.SegmentCommit, b *rpc.BatchCommit, appendTime int64) rpc.BatchResult {
	refusal := rpc.BatchResult{BaseOffset: -1, AppendTimestamp: -1}
	if b.Records <= 0 || b.Bytes <= 0 || b.ProducerID >= 0 && (b.BaseSequence < 0 || b.ProducerEpoch < 0) ||
		int64(b.Records) > math.MaxInt64-p.value.HighWatermark {
		refusal.Error = kerr.InvalidRecord.Code
		return refusal
	}
	timestamp := b.MaxTimestamp
	if s.LogAppendTime {
		timestamp = appendTime
	}
	base := p.value.HighWatermark
	if b.ProducerID >= 0 {
		e := m.producer(PartitionProducer{s.Partition, b.ProducerID})
		var known *producer
		if e.existed {
			known = &e.value
			if first := known.findDuplicate(b); first != nil {
				refusal.Duplicate, refusal.BaseOffset = true, first.baseOffset()
				if s.LogAppendTime {
					refusal.AppendTimestamp = first.timestamp
				}
				return refusal
			}
		}
		if refusal.Error = known.check(b); refusal.Error != 0 {
			return refusal
		}
		e.value.append(b, base+int64(b.Records)-1, timestamp, m.now)
		e.existed, e.dirty = true, true
	}
	p.value.HighWatermark += int64(b.Records)
	if s.LogAppendTime {
		p.value.LastAppendTime = appendTime
	}
	p.existed, p.dirty = true, true
	return rpc.BatchResult{BaseOffset: base, AppendTimestamp: appendTime}
}

// putCoordinate writes a new last coordinate of p.
func (m *Machine) putCoordinate(p *entry[kafka.TopicIDPartition, Partition], id kafka.ObjectID, c topics.CommittedCoordinate, out []topics.CommittedCoordinate) []topics.CommittedCoordinate {
	stored := coordinate{committed: m.now, Coordinate: rpc.Coordinate{
		Object: id, Position: c.Position, Bytes: c.Bytes, BaseOffset: c.BaseOffset, LastOffset: c.LastOffset,
		MaxTimestamp: c.MaxTimestamp, AppendTimestamp: c.AppendTimestamp, Batches: c.Batches,
	}}
	if m.readWorkLevel() == workJoining {
		stored.level = 1
		m.upkeep(p.key).add(&stored)
	}
	m.putValue(p.key, &stored)
	p.value.Bytes += int64(c.Bytes)
	p.value.Coordinates++
	if c.MaxTimestamp > p.value.MaxTimestamp {
		m.indexTime(p.key, c.MaxTimestamp, c.LastOffset)
		p.value.MaxTimestamp = c.MaxTimestamp
	}
	return append(out, c)
}

func (m *Machine) indexTime(tp kafka.TopicIDPartition, timestamp, lastOffset int64) {
	m.key = appendOffsetKey(m.key[:0], prefixTime, tp, timestamp)
	m.value = appendNumber(m.value[:0], lastOffset)
	m.tx.Set(m.key, m.value)
}
