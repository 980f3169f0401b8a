package soak

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// entry is an acknowledged record.
type entry struct {
	offset int64
	written
	sum       uint32
	atMillis  int64
	bytes     int
	key       string
	tombstone bool
}

// partitionModel is what producers and administrators were told of one partition.
type partitionModel struct {
	topic     *topic
	partition int32
	entries   []entry // by offset
	latest    map[string]int64
	cutAsked  int64 // DeleteRecords up to here was asked for: these may be gone
	cut       int64 // and confirmed: these must be gone
	doubts    []entry
}

// model is what must be there.
type model struct {
	t     *testing.T
	began time.Time

	mu         sync.Mutex // guards what follows
	partitions map[string]map[int32]*partitionModel
	acked      int64
	ackedBytes int64
	violations int
	told       []string      // the first of them
	overdue    time.Duration // how long after its retention a record was still there, at most
}

func newModel(t *testing.T, topics []*topic) *model {
	m := &model{t: t, began: time.Now(), partitions: map[string]map[int32]*partitionModel{}}
	for _, topic := range topics {
		m.add(topic)
	}
	return m
}

func (m *model) add(t *topic) {
	byPartition := map[int32]*partitionModel{}
	for p := range t.partitions {
		byPartition[p] = &partitionModel{topic: t, partition: p, latest: map[string]int64{}}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.partitions[t.name] = byPartition
}

func (m *model) say(format string, args ...any) {
	m.t.Logf("%8s %s", time.Since(m.began).Round(time.Second), fmt.Sprintf(format, args...))
}

const mostTold = 50

// violated notes a broken promise; the story goes on, for what happens next often explains it.
func (m *model) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	m.mu.Lock()
	m.violations++
	tell := m.violations <= mostTold
	if tell {
		m.told = append(m.told, text)
	}
	m.mu.Unlock()
	switch {
	case m.t == nil: // a test of the checkers
	case tell:
		m.t.Errorf("%8s VIOLATION %s", time.Since(m.began).Round(time.Second), text)
	default:
		m.t.Fail()
	}
}

func (m *model) at(topic string, partition int32) *partitionModel {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.partitions[topic][partition]
}

// acknowledged keeps what a producer was told.
func (m *model) acknowledged(w written, r *kgo.Record) {
	e := entry{offset: r.Offset, written: w, sum: checksum(r), atMillis: r.Timestamp.UnixMilli(), bytes: len(r.Key) + len(r.Value), key: string(r.Key), tombstone: r.Value == nil}
	p := m.at(r.Topic, r.Partition)
	m.mu.Lock()
	i, taken := slices.BinarySearchFunc(p.entries, e.offset, func(e entry, offset int64) int { return int(min(max(e.offset-offset, -1), 1)) })
	if !taken {
		p.entries = slices.Insert(p.entries, i, e)
		p.latest[e.key] = max(p.latest[e.key], e.offset)
		m.acked++
		m.ackedBytes += int64(e.bytes)
	}
	m.mu.Unlock()
	if taken {
		m.violated("%s-%d offset %d was acknowledged twice, the second time to producer %d for its record %d", r.Topic, r.Partition, e.offset, w.producer, w.number)
	}
}

// forget drops what readers can have no more, so that an hour of it fits into memory.
func (p *partitionModel) forget(below int64) {
	if !p.topic.compact() {
		i := 0
		for i < len(p.entries) && p.entries[i].offset < below {
			i++
		}
		p.entries = slices.Delete(p.entries, 0, i)
	}
}

// seen checks a record that any reader got, wherever it is.
func (m *model) seen(who string, r *kgo.Record) {
	w, sum, err := readWritten(r)
	if err != nil {
		m.violated("%s: %s-%d offset %d: %v", who, r.Topic, r.Partition, r.Offset, err)
		return
	}
	p := m.at(r.Topic, r.Partition)
	m.mu.Lock()
	i, known := slices.BinarySearchFunc(p.entries, r.Offset, func(e entry, offset int64) int { return int(min(max(e.offset-offset, -1), 1)) })
	var e entry
	if known {
		e = p.entries[i]
	}
	m.mu.Unlock()
	if known && (e.written != w || e.sum != sum) {
		m.violated("%s: %s-%d offset %d is record %d of producer %d, it was acknowledged as record %d of producer %d", who, r.Topic, r.Partition, r.Offset, w.number, w.producer, e.number, e.producer)
	}
}

// skipped checks that what a reader was not given, from one offset to another, may be gone.
func (m *model) skipped(who string, topic string, partition int32, from, to int64) {
	p := m.at(topic, partition)
	if p.topic.compact() {
		return // the view is what counts, and is read as a whole
	}
	m.mu.Lock()
	entries := p.between(from, to)
	why := ""
	if len(entries) > 0 {
		why = p.mayBeGone(entries[len(entries)-1], time.Now())
	}
	m.mu.Unlock()
	if why != "" {
		m.violated("%s: %s-%d was read up to %d and then from %d on, offset %d in between %s", who, topic, partition, from, to, entries[len(entries)-1].offset, why)
	}
}

func (p *partitionModel) between(from, to int64) []entry {
	search := func(offset int64) int {
		i, _ := slices.BinarySearchFunc(p.entries, offset, func(e entry, offset int64) int { return int(min(max(e.offset-offset, -1), 1)) })
		return i
	}
	return slices.Clone(p.entries[search(from):search(to)])
}

// mayBeGone is empty when a job may have removed the entry by now, and otherwise says why not.
func (p *partitionModel) mayBeGone(e entry, now time.Time) string {
	t := p.topic
	age := now.Sub(time.UnixMilli(e.atMillis))
	switch {
	case e.offset < p.cutAsked:
		return ""
	case t.retention > 0 && age > t.retention:
		return ""
	case t.compact() && p.latest[e.key] > e.offset:
		return ""
	case t.compact() && e.tombstone && age > t.tombstones:
		return ""
	case t.retentionBytes > 0:
		after := int64(0)
		for i := len(p.entries) - 1; i >= 0 && p.entries[i].offset > e.offset; i-- {
			after += int64(p.entries[i].bytes)
		}
		// Frames of batches and records count as bytes of the partition, and are a tenth of it at most.
		if after*10 >= t.retentionBytes*8 {
			return ""
		}
		return fmt.Sprintf("is %s old and has %d bytes behind it, of %d to be kept", age.Round(time.Millisecond), after, t.retentionBytes)
	}
	return fmt.Sprintf("is %s old, and nothing allows its removal", age.Round(time.Millisecond))
}
