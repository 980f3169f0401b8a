package batchprocessor

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// A partition takes any first sequence of a producer that it does not know. So a producer's first batch that was refused here, because its object could not be
// uploaded or there was no room in time, must hold back those that were sent behind it: if one of them were committed, the first would be out of order
// for ever. Producers send them all again, in order, when the later ones are refused as out of order, as Kafka refuses them.

const (
	maxRefusals = 10_000
	// refusedFor is long enough for what was on its way behind the refused batch, and for the refused one to come again. It is not longer because that one may
	// have gone to another broker instead, where the producer went on.
	refusedFor = 30 * time.Second
)

// refusalKey is one producer's order in one partition.
type refusalKey struct {
	partition     kafka.TopicIDPartition
	producerID    int64
	producerEpoch int16
}

// refusal is the earliest batch of a key that was refused and has not come again.
type refusal struct {
	baseSequence int32
	at           time.Time
}

// refusals is guarded by Processor.mu. Bounded: beyond maxRefusals only what is remembered is held back.
type refusals map[refusalKey]refusal

func keyOf(partition kafka.TopicIDPartition, b recordbatch.Batch) refusalKey {
	return refusalKey{partition, b.ProducerID(), b.ProducerEpoch()}
}

// note remembers a refused batch.
func (r refusals) note(partition kafka.TopicIDPartition, b recordbatch.Batch, now time.Time) {
	if b.ProducerID() < 0 {
		return
	}
	key, sequence := keyOf(partition, b), b.BaseSequence()
	if earlier, ok := r[key]; ok && !sequenceBefore(sequence, earlier.baseSequence) {
		sequence = earlier.baseSequence
	}
	if len(r) >= maxRefusals {
		r.dropOld(now)
	}
	if _, ok := r[key]; ok || len(r) < maxRefusals {
		r[key] = refusal{sequence, now}
	}
}

func (r refusals) dropOld(now time.Time) {
	for key, e := range r {
		if now.Sub(e.at) > refusedFor {
			delete(r, key)
		}
	}
}

// admit says whether a batch may go on: it does not come after one that was refused. The refused one itself, come again, ends that.
func (r refusals) admit(partition kafka.TopicIDPartition, b recordbatch.Batch, now time.Time) bool {
	if len(r) == 0 || b.ProducerID() < 0 {
		return true
	}
	key := keyOf(partition, b)
	e, ok := r[key]
	switch {
	case !ok:
		return true
	case e.baseSequence == b.BaseSequence(), now.Sub(e.at) > refusedFor:
		delete(r, key)
		return true
	}
	return sequenceBefore(b.BaseSequence(), e.baseSequence)
}

// sequenceBefore compares sequences, which begin again at 0 after the greatest int32.
func sequenceBefore(a, b int32) bool {
	const half = 1 << 30
	d := (b - a) & (1<<31 - 1)
	return d > 0 && d < half
}

// refuseRequest remembers the batches of a request that was not placed.
func (p *Processor) refuseRequest(req *AppendRequest) {
	now := p.deps.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range req.Partitions {
		p.refusals.note(req.Partitions[i].Partition, req.Partitions[i].Batch, now)
	}
}

// refuseObject remembers the batches of an object that could not be uploaded, and takes what was sent behind them out of later objects: a whole segment, whose bytes
// are dead then. It returns those segments, to be answered without mu. Called with mu.
func (p *Processor) refuseObject(o *object) (behind []*segment) {
	now := p.deps.Clock.Now()
	for _, part := range o.parts {
		for _, s := range part.segments {
			p.noteSegment(s, now)
		}
	}
	if len(p.refusals) == 0 {
		return nil
	}
	if p.open != nil && p.sharesPartition(o, p.open) {
		p.rotate(causeFull) // what comes again belongs into another object
	}
	for _, later := range p.unsettled {
		if later.id.Sequence <= o.id.Sequence {
			continue
		}
		for _, part := range later.parts {
			for _, s := range part.segments {
				// Of another partition nothing can be behind o, and a commit of it may be under way. One of this partition has waited for o.
				if _, ok := o.segments[s.partition]; ok && !s.refused && !p.admitSegment(s, now) {
					s.refused = true
					p.noteSegment(s, now)
					behind = append(behind, s)
				}
			}
		}
	}
	return behind
}

func (p *Processor) noteSegment(s *segment, now time.Time) {
	for i := range s.entries {
		p.refusals.note(s.partition, s.entries[i].batch, now)
	}
}

func (p *Processor) admitSegment(s *segment, now time.Time) bool {
	for i := range s.entries {
		if !p.refusals.admit(s.partition, s.entries[i].batch, now) {
			return false
		}
	}
	return true
}

func (p *Processor) sharesPartition(a, b *object) bool {
	for partition := range a.segments {
		if _, ok := b.segments[partition]; ok {
			return true
		}
	}
	return false
}

// answerRefused tells the producers of segments that refuseObject returned. Called without mu.
func answerRefused(behind []*segment) {
	for _, s := range behind {
		for i := range s.entries {
			s.entries[i].pending.resolve(s.entries[i].index, failed(kerr.OutOfOrderSequenceNumber.Code))
		}
	}
}

func (part *part) hasRefused() bool {
	for _, s := range part.segments {
		if s.refused {
			return true
		}
	}
	return false
}

// withoutRefused is what a part has left to commit. The upload has ended: nobody else reads the slice. Called with mu.
func (part *part) withoutRefused() []*segment {
	left := make([]*segment, 0, len(part.segments))
	for _, s := range part.segments {
		if !s.refused {
			left = append(left, s)
		}
	}
	return left
}
