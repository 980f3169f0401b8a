package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Machine applies commands. What it keeps between them is memory to reuse, never state: every replica's Machine behaves
// as a new one would.
type Machine struct {
	tx      statestore.Tx
	now     int64
	records []raftlog.Record

	// What the command touched so far, read once and written once, in the order of first touch: ranging over the maps
	// would differ between replicas.
	partitions loaded[kafka.TopicIDPartition, Partition]
	producers  loaded[PartitionProducer, producer]
	objects    loaded[kafka.ObjectID, object]
	upkeeps    loaded[kafka.TopicIDPartition, upkeep]
	deleted    map[kafka.TopicID]bool
	released   int
	workLevel  int64     // workLevelUnread: not read yet
	queued     QueueSize // by this command
	queueSize  QueueSize // after it, if it queued something

	key, key2, value []byte
}

// loaded is a write-back cache of the values that one command touches.
type loaded[K comparable, V any] struct {
	index   map[K]int
	entries []*entry[K, V]
	used    int
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	existed bool // in the state, or made by this command
	dirty   bool
}

func (l *loaded[K, V]) reset() {
	clear(l.index)
	l.used = 0
}

// get returns k's entry; load reads it the first time.
func (l *loaded[K, V]) get(k K, load func(K) (V, bool)) *entry[K, V] {
	if i, ok := l.index[k]; ok {
		return l.entries[i]
	}
	if l.used == len(l.entries) {
		l.entries = append(l.entries, new(entry[K, V]))
	}
	e := l.entries[l.used]
	v, existed := load(k)
	*e = entry[K, V]{key: k, value: v, existed: existed}
	l.index[k] = l.used
	l.used++
	return e
}

// New returns the state machine of one partition of __batch_coordinates.
func New() *Machine {
	m := &Machine{deleted: map[kafka.TopicID]bool{}}
	m.partitions.index = map[kafka.TopicIDPartition]int{}
	m.producers.index = map[PartitionProducer]int{}
	m.objects.index = map[kafka.ObjectID]int{}
	m.upkeeps.index = map[kafka.TopicIDPartition]int{}
	return m
}

// Results of the commands. Released counts objects that became garbage, More asks for the same command again.
type (
	// CommitResult is the result of CommitObjects. With Err nothing was done.
	CommitResult struct {
		Err      *kerr.Error
		Response *rpc.CommitObjectsResponse
		Released int
		// Queued is what waits to be merged now, Added what this command brought of it.
		Queued, Added QueueSize
	}
	// DeleteRecordsResult is the result of DeleteRecords.
	DeleteRecordsResult struct {
		Partitions []rpc.DeleteRecordsResult
		Released   int
		More       bool
	}
	// RetentionResult is the result of ApplyRetention.
	RetentionResult struct {
		Coordinates int64
		Bytes       int64
		Released    int
		More        bool
	}
	// DeleteTopicResult is the result of DeleteTopic.
	DeleteTopicResult struct {
		Released int
		More     bool
	}
	// FenceResult is the result of FenceBrokers: how many epochs it ended.
	FenceResult struct{ Fenced int }
	// LeaseResult is the result of LeaseWork. Without objects there is no lease.
	LeaseResult struct {
		Err   *kerr.Error
		Lease rpc.RequestWorkResponse
	}
	// CompleteResult is the result of CompleteWork.
	CompleteResult struct {
		Err      *kerr.Error
		Deleted  int
		Returned int
	}
	// EnableResult is the result of EnableWork: the level in force; below 1, there is another page.
	EnableResult struct{ Level int64 }
	// GrantResult is the result of GrantWork. Lease 0: there is nothing now. ReadWork tells what is to be done.
	GrantResult struct {
		Err     *kerr.Error
		Lease   int64
		Expired int // leases taken back
	}
	// RenewResult is the result of RenewWork.
	RenewResult struct {
		Err            *kerr.Error
		DeadlineMillis int64
	}
	// FinishResult is the result of FinishWork; Repeated when the lease had ended before and this is what was answered then.
	FinishResult struct {
		Err      *kerr.Error
		Kind     rpc.WorkKind
		Repeated bool
		Swapped  []bool
		Replaced int64 // coordinates that others took the place of
		Added    int64
		Deleted  int
		Returned int
		Released int
		Millis   int64 // since the work was granted
	}
	// FailResult is the result of FailWork.
	FailResult struct {
		Err      *kerr.Error
		Kind     rpc.WorkKind
		Response rpc.FailWorkResponse
	}
	// PlanResult is the result of PlanCompaction, RetryResult that of RetryWork.
	PlanResult  struct{ Planned int }
	RetryResult struct{ Items int64 }
	// ExpireResult is the result of ExpireProducers.
	ExpireResult struct{ Expired int }
)

// Apply is raftlog.StateMachine.
func (m *Machine) Apply(tx statestore.Tx, index uint64, command []byte) (result any, records []raftlog.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			damaged, ok := p.(*Damaged)
			if !ok {
				panic(p)
			}
			result, records, err = nil, nil, fmt.Errorf("index %d: %w: %w", index, raftlog.ErrHalt, damaged)
		}
		m.tx, m.records = nil, nil
	}()
	now, c, err := Decode(command)
	if err != nil {
		return nil, nil, fmt.Errorf("index %d: %w: %w", index, raftlog.ErrHalt, err)
	}
	m.begin(tx, now)
	result = m.execute(c)
	return result, m.records, nil
}

func (m *Machine) begin(tx statestore.Tx, now int64) {
	m.tx, m.now, m.records, m.released = tx, now, nil, 0
	m.partitions.reset()
	m.producers.reset()
	m.objects.reset()
	m.upkeeps.reset()
	m.workLevel = workLevelUnread
	clear(m.deleted)
}

func (m *Machine) execute(c Command) any {
	switch c := c.(type) {
	case *CommitObjects:
		m.queued = QueueSize{}
		r := m.commitObjects(c)
		m.flush()
		r.Queued, r.Added = m.queueSize, m.queued
		r.Released = m.released
		return r
	case *DeleteRecords:
		r := m.deleteRecords(c)
		m.flush()
		r.Released = m.released
		return r
	case *ApplyRetention:
		r := m.applyRetention(c)
		m.flush()
		r.Released = m.released
		return r
	case *DeleteTopic:
		r := m.deleteTopic(c)
		m.flush()
		r.Released = m.released
		return r
	case *FenceBrokers:
		r := m.fenceBrokers(c)
		m.flush()
		return r
	case *LeaseWork:
		return m.leaseWork(c)
	case *CompleteWork:
		return m.completeWork(c)
	case *ExpireProducers:
		return m.expireProducers(c)
	}
	return m.executeWork(c)
}

// executeWork is execute for the second feature level.
func (m *Machine) executeWork(c Command) any {
	switch c := c.(type) {
	case *EnableWork:
		r := m.enableWork(c)
		m.flush()
		return r
	case *GrantWork:
		r := m.grantWork(c)
		m.flush()
		return r
	case *RenewWork:
		return m.renewWork(c)
	case *FinishWork:
		r := m.finishWork(c)
		m.flush()
		r.Released = m.released
		return r
	case *FailWork:
		r := m.failWork(c)
		m.flush()
		return r
	case *PlanCompaction:
		r := m.planCompaction(c)
		m.flush()
		return r
	case *RetryWork:
		r := m.retryWork(c)
		m.flush()
		return r
	}
	panic(&Damaged{fmt.Sprintf("command %T", c)}) // Decode makes no other
}

func (m *Machine) partition(tp kafka.TopicIDPartition) *entry[kafka.TopicIDPartition, Partition] {
	return m.partitions.get(tp, m.loadPartition)
}

func (m *Machine) loadPartition(tp kafka.TopicIDPartition) (Partition, bool) {
	m.key = appendPartitionKey(m.key[:0], prefixPartition, tp)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return newPartition(), false
	}
	return readPartition(v), true
}

func (m *Machine) producer(p PartitionProducer) *entry[PartitionProducer, producer] {
	return m.producers.get(p, m.loadProducer)
}

func (m *Machine) loadProducer(p PartitionProducer) (producer, bool) {
	m.key = appendOffsetKey(m.key[:0], prefixProducer, p.Partition, p.ProducerID)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return producer{}, false
	}
	return readProducer(v), true
}

func (m *Machine) object(id kafka.ObjectID) *entry[kafka.ObjectID, object] {
	return m.objects.get(id, m.loadObject)
}

func (m *Machine) loadObject(id kafka.ObjectID) (object, bool) {
	m.key = appendObjectKey(m.key[:0], prefixObject, id)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return object{}, false
	}
	return readObject(v), true
}

func noObject(kafka.ObjectID) (object, bool) { return object{}, false }

// topicDeleted says whether the deletion of the topic id was followed here.
func (m *Machine) topicDeleted(id kafka.TopicID) bool {
	d, ok := m.deleted[id]
	if !ok {
		m.key = appendTopicKey(m.key[:0], prefixDeleted, id)
		_, d = m.tx.Get(m.key)
		m.deleted[id] = d
	}
	return d
}

// flush writes what the command touched. An object that lost its last coordinate becomes garbage here, so that one that
// loses and gains within a command is judged once.
func (m *Machine) flush() {
	for _, e := range m.partitions.entries[:m.partitions.used] {
		if e.dirty {
			m.key = appendPartitionKey(m.key[:0], prefixPartition, e.key)
			m.value = e.value.appendValue(m.value[:0])
			m.tx.Set(m.key, m.value)
		}
	}
	for _, e := range m.producers.entries[:m.producers.used] {
		if e.dirty {
			m.key = appendOffsetKey(m.key[:0], prefixProducer, e.key.Partition, e.key.ProducerID)
			m.value = e.value.appendValue(m.value[:0])
			m.tx.Set(m.key, m.value)
		}
	}
	m.flushUpkeep()
	var garbage []kafka.ObjectID
	for _, e := range m.objects.entries[:m.objects.used] {
		if !e.dirty {
			continue
		}
		if e.value.refs == 0 {
			garbage = append(garbage, e.key)
			e.value.released, e.value.since = m.now, max(m.now, 0)
			m.key = appendGarbageKey(m.key[:0], e.value.since, e.key)
			m.tx.Set(m.key, nil)
		}
		m.setObject(e.key, &e.value)
	}
	m.released = len(garbage)
	if len(garbage) > 0 {
		m.record(&topics.ObjectsReleased{Objects: garbage})
	}
}

func (m *Machine) setObject(id kafka.ObjectID, o *object) {
	m.key = appendObjectKey(m.key[:0], prefixObject, id)
	m.value = o.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
}

// record appends a record to the topic.
func (m *Machine) record(r topics.BatchCoordinateRecord) {
	m.records = append(m.records, raftlog.Record{
		TimestampMillis: m.now, Key: r.BatchCoordinateKey(), Value: topics.AppendBatchCoordinate(nil, r),
	})
}

// Scalars, by name.
const (
	scalarFence          = "fence"
	scalarLastLease      = "lease"
	scalarLastDeadline   = "deadline"
	scalarMetadataOffset = "metadata-offset"
)

func scalarKey(b []byte, name string) []byte { return append(append(b, prefixScalar), name...) }

func (m *Machine) scalar(name string, absent int64) int64 {
	m.key = scalarKey(m.key[:0], name)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return absent
	}
	return readNumber(v, name)
}

func (m *Machine) setScalar(name string, n int64) {
	m.key = scalarKey(m.key[:0], name)
	m.value = appendNumber(m.value[:0], n)
	m.tx.Set(m.key, m.value)
}
