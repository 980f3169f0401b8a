package state

import (
	"encoding/binary"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/rpc"
)

// rememberedBatches is how many batches of a producer and partition are known again when they are retried, as in Kafka.
const rememberedBatches = 5

// producer is the state of one producer in one partition.
type producer struct {
	epoch         int16
	lastTimestamp int64 // of the last batch, as DescribeProducers tells it
	// lastAppend is the coordinator's time of the last batch. Expiry goes by it and not, as Kafka's, by the record's
	// timestamp: a producer that copies old records would be forgotten while it runs, and its retries appended twice.
	lastAppend int64
	count      int
	batches    [rememberedBatches]producerBatch // oldest first
}

type producerBatch struct {
	lastSequence int32
	offsetDelta  int32
	lastOffset   int64
	timestamp    int64
}

func (b *producerBatch) firstSequence() int32 {
	return decrementSequence(b.lastSequence, b.offsetDelta)
}

func (b *producerBatch) baseOffset() int64 { return b.lastOffset - int64(b.offsetDelta) }

// Sequences go from 0 to the greatest int32 and begin again at 0.
func incrementSequence(sequence, by int32) int32 {
	if sequence > math.MaxInt32-by {
		return by - (math.MaxInt32 - sequence) - 1
	}
	return sequence + by
}

func decrementSequence(sequence, by int32) int32 {
	if sequence < by {
		return math.MaxInt32 - (by - sequence) + 1
	}
	return sequence - by
}

// lastSequence is that of the newest batch, -1 when no batch of this epoch is known.
func (p *producer) lastSequence() int32 {
	if p.count == 0 {
		return -1
	}
	return p.batches[p.count-1].lastSequence
}

// findDuplicate returns the remembered batch with the same epoch and sequences as b.
func (p *producer) findDuplicate(b *rpc.BatchCommit) *producerBatch {
	if p.epoch != b.ProducerEpoch {
		return nil
	}
	last := incrementSequence(b.BaseSequence, b.Records-1)
	for i := range p.batches[:p.count] {
		if r := &p.batches[i]; r.lastSequence == last && r.firstSequence() == b.BaseSequence {
			return r
		}
	}
	return nil
}

// check is Kafka's checkProducerEpoch and checkSequence: the error code for appending b next, 0 for none. A nil p is a
// producer that the partition does not know: it may begin with any sequence. A batch that is older than the remembered
// ones is out of order, too.
func (p *producer) check(b *rpc.BatchCommit) int16 {
	switch {
	case p == nil:
		return 0
	case b.ProducerEpoch < p.epoch:
		return kerr.InvalidProducerEpoch.Code
	case b.ProducerEpoch > p.epoch:
		if b.BaseSequence != 0 {
			return kerr.OutOfOrderSequenceNumber.Code
		}
		return 0
	}
	last := p.lastSequence()
	if int64(b.BaseSequence) == int64(last)+1 || b.BaseSequence == 0 && last == math.MaxInt32 {
		return 0
	}
	return kerr.OutOfOrderSequenceNumber.Code
}

// append remembers b, which check accepted.
func (p *producer) append(b *rpc.BatchCommit, lastOffset, timestamp, now int64) {
	if p.epoch != b.ProducerEpoch {
		p.epoch, p.count = b.ProducerEpoch, 0
	}
	if p.count == rememberedBatches {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = producerBatch{
		lastSequence: incrementSequence(b.BaseSequence, b.Records-1), offsetDelta: b.Records - 1,
		lastOffset: lastOffset, timestamp: timestamp,
	}
	p.count++
	p.lastTimestamp, p.lastAppend = timestamp, now
}

func (p *producer) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	b = binary.AppendVarint(b, int64(p.epoch))
	b = binary.AppendVarint(b, p.lastTimestamp)
	b = binary.AppendVarint(b, p.lastAppend)
	b = binary.AppendUvarint(b, uint64(p.count))
	for i := range p.batches[:p.count] {
		r := &p.batches[i]
		b = binary.AppendVarint(b, int64(r.lastSequence))
		b = binary.AppendVarint(b, int64(r.offsetDelta))
		b = binary.AppendVarint(b, r.lastOffset)
		b = binary.AppendVarint(b, r.timestamp)
	}
	return b
}

func readProducer(v []byte) producer {
	r := readValue(v, "producer")
	p := producer{epoch: int16(r.int()), lastTimestamp: r.int(), lastAppend: r.int(), count: r.count()}
	if p.count > rememberedBatches {
		panic(&Damaged{r.what})
	}
	for i := range p.batches[:p.count] {
		p.batches[i] = producerBatch{int32(r.int()), int32(r.int()), r.int(), r.int()}
	}
	return p
}
