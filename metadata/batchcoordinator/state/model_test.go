package state

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
)

// model is the dumb twin: every batch that was accepted, in a list for each partition.
type model struct {
	partitions map[kafka.TopicIDPartition]*modelPartition
	deleted    map[kafka.TopicID]bool
	accepted   map[string]bool // producer batches, which are appended once
	objects    map[kafka.ObjectID]bool
	gone       map[kafka.ObjectID]bool // reported as deleted
	sequence   int64
	lease      int64

	enabled bool
	second  int64 // epoch of the second broker
	clock   int64 // of drive
	leases  []*modelLease
	outputs map[kafka.ObjectID]bool // that jobs wrote
}

type modelPartition struct {
	logStart, end int64
	coordinates   []rpc.Coordinate
}

func (m *model) partition(tp kafka.TopicIDPartition) *modelPartition {
	if m.partitions[tp] == nil {
		m.partitions[tp] = &modelPartition{}
	}
	return m.partitions[tp]
}

var modelPartitions = []kafka.TopicIDPartition{
	{ID: kafka.TopicID{'a'}}, {ID: kafka.TopicID{'a'}, Partition: 1}, {ID: kafka.TopicID{'b'}}, {ID: kafka.TopicID{'c'}},
}

// TestModel: offsets are dense, references equal a recount, lookups by offset and time equal a linear scan, and replicas that apply
// the same commands reach the same bytes, whatever their machines did before.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{partitions: map[kafka.TopicIDPartition]*modelPartition{}, deleted: map[kafka.TopicID]bool{}, accepted: map[string]bool{},
			objects: map[kafka.ObjectID]bool{}, gone: map[kafka.ObjectID]bool{}, outputs: map[kafka.ObjectID]bool{}, second: 100}
		one, two := memstore.New(), memstore.New()
		machine := New()
		index := uint64(0)
		apply := func(c Command, now int64) any {
			index++
			command := Encode(now, c)
			result, records, err := machine.Apply(one, index, command)
			if err != nil {
				t.Fatal(err)
			}
			_, again, _ := New().Apply(two, index, command)
			if one.Hash() != two.Hash() || fmt.Sprint(records) != fmt.Sprint(again) {
				t.Fatalf("replicas differ after %+v", c)
			}
			return result
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit":    func(t *rapid.T) { m.commit(t, apply) },
			"delete":    func(t *rapid.T) { m.deleteRecords(t, apply) },
			"retention": func(t *rapid.T) { m.retention(t, apply) },
			"topic":     func(t *rapid.T) { m.deleteTopic(t, apply) },
			"work":      func(t *rapid.T) { m.work(t, apply) },
			"enable":    func(t *rapid.T) { m.enable(t, apply) },
			"grant":     func(t *rapid.T) { m.grant(t, apply, one) },
			"grant 2":   func(t *rapid.T) { m.grant(t, apply, one) },
			"finish":    func(t *rapid.T) { m.finishWork(t, apply) },
			"finish 2":  func(t *rapid.T) { m.finishWork(t, apply) },
			"fail":      func(t *rapid.T) { m.failWork(t, apply) },
			"fence":     func(t *rapid.T) { m.fenceSecond(t, apply) },
			"plan":      func(t *rapid.T) { m.plan(t, apply, one) },
			"drive":     func(t *rapid.T) { m.drive(t, apply, one) },
			"retry":     func(t *rapid.T) { m.retry(t, apply) },
			"":          func(t *rapid.T) { m.compare(t, one) },
		})
	})
}

type applyFunc func(c Command, now int64) any

func (m *model) commit(t *rapid.T, apply applyFunc) {
	c := &CommitObjects{Broker: 1, BrokerEpoch: 7}
	now := rapid.Int64Range(0, 100).Draw(t, "now")
	for range rapid.IntRange(1, 2).Draw(t, "objects") {
		o := rpc.ObjectCommit{Object: kafka.ObjectID{Epoch: 7, Sequence: m.sequence}, ObjectBytes: 100}
		m.sequence++
		for _, tp := range rapid.SliceOfNDistinct(rapid.SampledFrom(modelPartitions), 0, 3, rapid.ID).Draw(t, "partitions") {
			s := rpc.SegmentCommit{Partition: tp, LogAppendTime: rapid.Bool().Draw(t, "log append time")}
			for range rapid.IntRange(1, 4).Draw(t, "batches") {
				s.Batches = append(s.Batches, rpc.BatchCommit{
					Bytes: rapid.Int32Range(1, 9).Draw(t, "bytes"), Records: rapid.Int32Range(0, 3).Draw(t, "records"),
					MaxTimestamp: rapid.Int64Range(-1, 50).Draw(t, "timestamp"), ProducerID: rapid.Int64Range(-1, 1).Draw(t, "producer"),
					ProducerEpoch: rapid.Int16Range(0, 1).Draw(t, "epoch"), BaseSequence: rapid.Int32Range(0, 8).Draw(t, "sequence"),
				})
			}
			o.Segments = append(o.Segments, s)
		}
		c.Objects = append(c.Objects, o)
	}
	r := apply(c, now).(CommitResult)
	for i, o := range c.Objects {
		m.objects[o.Object] = true
		for j, s := range o.Segments {
			m.committed(t, o.Object, s, r.Response.Objects[i].Segments[j])
		}
	}
	again := apply(c, now+1).(CommitResult)
	if fmt.Sprint(*again.Response) != fmt.Sprint(*r.Response) || again.Released != 0 {
		t.Fatalf("asked again: %+v, first %+v", again.Response, r.Response)
	}
}

// committed appends what the machine accepted and checks that the offsets go on without a gap.
func (m *model) committed(t *rapid.T, id kafka.ObjectID, s rpc.SegmentCommit, r rpc.SegmentResult) {
	if (r.Error != 0) != m.deleted[s.Partition.ID] {
		t.Fatalf("segment of %s: error %d, deleted %v", s.Partition, r.Error, m.deleted[s.Partition.ID])
	}
	if r.Error != 0 {
		return
	}
	p := m.partition(s.Partition)
	position, open := int64(0), false
	for i, b := range s.Batches {
		result := r.Batches[i]
		if result.Error != 0 || result.Duplicate {
			if result.Duplicate && result.BaseOffset >= p.end {
				t.Fatalf("duplicate of offset %d, the end is %d", result.BaseOffset, p.end)
			}
			position, open = position+int64(b.Bytes), false
			continue
		}
		if result.BaseOffset != p.end {
			t.Fatalf("base offset %d, want %d", result.BaseOffset, p.end)
		}
		if b.ProducerID >= 0 {
			key := fmt.Sprint(s.Partition, b.ProducerID, b.ProducerEpoch, b.BaseSequence)
			if m.accepted[key] {
				t.Fatalf("appended twice: %s", key)
			}
			m.accepted[key] = true
		}
		timestamp := b.MaxTimestamp
		if s.LogAppendTime {
			timestamp = result.AppendTimestamp
		}
		if !open {
			p.coordinates = append(p.coordinates, rpc.Coordinate{Object: id, Position: position, BaseOffset: p.end, MaxTimestamp: -1, AppendTimestamp: result.AppendTimestamp})
			open = true
		}
		c := &p.coordinates[len(p.coordinates)-1]
		p.end += int64(b.Records)
		c.LastOffset, c.Bytes, c.Batches, c.MaxTimestamp = p.end-1, c.Bytes+b.Bytes, c.Batches+1, max(c.MaxTimestamp, timestamp)
		position += int64(b.Bytes)
	}
}

func (m *model) deleteRecords(t *rapid.T, apply applyFunc) {
	tp := rapid.SampledFrom(modelPartitions).Draw(t, "partition")
	if m.deleted[tp.ID] {
		return
	}
	m.deleteBefore(t, apply, tp, rapid.Int64Range(0, m.partition(tp).end).Draw(t, "before"))
}

func (m *model) deleteBefore(t *rapid.T, apply applyFunc, tp kafka.TopicIDPartition, before int64) {
	p := m.partition(tp)
	for {
		r := apply(&DeleteRecords{MaxCoordinates: 2, Partitions: []rpc.DeleteRecords{{Partition: tp, Before: before}}}, 0).(DeleteRecordsResult)
		if r.More {
			continue
		}
		p.logStart = max(p.logStart, before)
		if r.Partitions[0].LogStartOffset != p.logStart {
			t.Fatalf("log start %d, want %d", r.Partitions[0].LogStartOffset, p.logStart)
		}
		break
	}
	for len(p.coordinates) > 0 && p.coordinates[0].LastOffset < p.logStart {
		p.coordinates = p.coordinates[1:]
	}
}

func (m *model) retention(t *rapid.T, apply applyFunc) {
	tp := rapid.SampledFrom(modelPartitions).Draw(t, "partition")
	if m.deleted[tp.ID] {
		return
	}
	keep := PartitionRetention{Partition: tp, Cutoff: -1, MaxBytes: rapid.Int64Range(0, 40).Draw(t, "max bytes")}
	for apply(&ApplyRetention{MaxCoordinates: 3, Partitions: []PartitionRetention{keep}}, 0).(RetentionResult).More {
	}
	p := m.partition(tp)
	bytes := int64(0)
	for _, c := range p.coordinates {
		bytes += int64(c.Bytes)
	}
	for len(p.coordinates) > 0 && bytes-int64(p.coordinates[0].Bytes) >= keep.MaxBytes {
		bytes -= int64(p.coordinates[0].Bytes)
		p.logStart = p.coordinates[0].LastOffset + 1
		p.coordinates = p.coordinates[1:]
	}
}

func (m *model) deleteTopic(t *rapid.T, apply applyFunc) {
	if rapid.IntRange(0, 5).Draw(t, "dice") > 0 { // seldom, or nothing is left
		return
	}
	id := rapid.SampledFrom(modelPartitions).Draw(t, "topic").ID
	for apply(&DeleteTopic{ID: id, MaxCoordinates: 2}, 0).(DeleteTopicResult).More {
	}
	m.deleted[id] = true
	for _, tp := range modelPartitions {
		if tp.ID == id {
			delete(m.partitions, tp)
		}
	}
}

func (m *model) work(t *rapid.T, apply applyFunc) {
	now := rapid.Int64Range(0, 200).Draw(t, "now")
	r := apply(&LeaseWork{Broker: 1, BrokerEpoch: 7, MaxObjects: 3, TimeoutMillis: 50, DelayMillis: 10}, now).(LeaseResult)
	if len(r.Lease.Objects) == 0 {
		return
	}
	if r.Lease.Lease <= m.lease {
		t.Fatalf("lease %d after %d", r.Lease.Lease, m.lease)
	}
	m.lease = r.Lease.Lease
	complete := &CompleteWork{Broker: 1, BrokerEpoch: 7, Lease: r.Lease.Lease, RetryMillis: 1}
	for _, o := range r.Lease.Objects {
		if rapid.Bool().Draw(t, "deleted") {
			complete.Deleted = append(complete.Deleted, o.Object)
		}
	}
	if rapid.Bool().Draw(t, "completed") {
		if done := apply(complete, now).(CompleteResult); done.Err == nil {
			for _, id := range complete.Deleted {
				m.gone[id] = true
			}
		}
	}
}

func (m *model) compare(t *rapid.T, s *memstore.Store) {
	m.checkWork(t, s)
	refs := map[kafka.ObjectID]int64{}
	for _, tp := range modelPartitions {
		if m.deleted[tp.ID] {
			continue
		}
		m.comparePartition(t, s, tp)
		for _, c := range m.partition(tp).coordinates {
			refs[c.Object]++
		}
	}
	for id := range m.objects {
		v, ok := s.Get(appendObjectKey(nil, prefixObject, id))
		if ok == m.gone[id] {
			t.Fatalf("object %s: entry %v, deleted %v", id, ok, m.gone[id])
		}
		if ok {
			if o := readObject(v); o.refs != refs[id] {
				t.Fatalf("object %s: %d references, recount %d", id, o.refs, refs[id])
			}
		}
		if m.gone[id] && refs[id] > 0 {
			t.Fatalf("object %s was deleted with %d references", id, refs[id])
		}
		if !ok && m.outputs[id] {
			continue // a job's output that is gone was known here alone: nobody asks
		}
		if Released(s, id) != (refs[id] == 0) {
			t.Fatalf("object %s: released %v with %d references", id, refs[id] != 0, refs[id])
		}
	}
}

func (m *model) comparePartition(t *rapid.T, s *memstore.Store, tp kafka.TopicIDPartition) {
	p := m.partition(tp)
	state, _ := ReadPartition(s, tp)
	bytes := int64(0)
	for _, c := range p.coordinates {
		bytes += int64(c.Bytes)
	}
	if state.LogStartOffset != p.logStart || state.HighWatermark != p.end || state.Bytes != bytes || state.Coordinates != int64(len(p.coordinates)) {
		t.Fatalf("%s: %+v, want %+v with %d bytes", tp, state, p, bytes)
	}
	offset := rapid.Int64Range(p.logStart, p.end).Draw(t, "offset")
	var want []rpc.Coordinate
	for _, c := range p.coordinates {
		if c.LastOffset >= offset {
			want = append(want, c)
		}
	}
	got := FindSegment(s, &rpc.FindSegment{Partition: tp, Offset: offset, MaxBytes: 1 << 30, MaxCoordinates: 1000})
	if fmt.Sprint(got.Coordinates) != fmt.Sprint(want) {
		t.Fatalf("%s from %d: %v, want %v", tp, offset, got.Coordinates, want)
	}
	greatest, greatestTimestamp := rpc.ListOffsetResult{}, int64(-1)
	for _, c := range p.coordinates {
		if c.MaxTimestamp > greatestTimestamp {
			greatest, greatestTimestamp = rpc.ListOffsetResult{Found: true, Coordinate: c}, c.MaxTimestamp
		}
	}
	if got := ListOffset(s, &rpc.ListOffset{Partition: tp, Timestamp: rpc.MaxTimestamp}); got.Found != greatest.Found || got.Coordinate != greatest.Coordinate {
		t.Fatalf("%s: greatest timestamp in %+v, want %+v", tp, got, greatest)
	}
	for timestamp := int64(0); timestamp < 110; timestamp += 7 {
		var first rpc.ListOffsetResult
		for _, c := range p.coordinates {
			if c.MaxTimestamp >= timestamp {
				first = rpc.ListOffsetResult{Found: true, Coordinate: c}
				break
			}
		}
		if got := ListOffset(s, &rpc.ListOffset{Partition: tp, Timestamp: timestamp}); got.Found != first.Found || got.Coordinate != first.Coordinate {
			t.Fatalf("%s: time %d in %+v, want %+v", tp, timestamp, got, first)
		}
	}
}
