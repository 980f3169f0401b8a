package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
)

// producer is an idempotent producer of one partition with several requests in flight, as Kafka's own: what fails is sent again, in order, until
// its outcome is known.
type producer struct {
	*kafkaClient
	topic     string
	partition int32
	id        int64
	epoch     int16
	sequence  int32 // of the next new record
	made      int   // values so far
	waiting   []*sentBatch
	acks      int // batches that were acknowledged
	life      int // how often it began anew, with another producer id
}

type sentBatch struct {
	sequence int32
	values   []string
	bytes    recordbatch.Batch
	sent     int // how often
}

const maxInFlight = 5

func (p *producer) where() string {
	return fmt.Sprintf("%s/%s/%d", p.cluster.name, p.topic, p.partition)
}

// identity of the producer in the history: one for each producer id.
func (p *producer) identity() string { return fmt.Sprintf("%s.%d", p.name, p.life) }

// run produces until produce ends, then settles what is under way until ctx ends. It says whether everything is settled.
func (p *producer) run(ctx, produce context.Context) bool {
	if !p.begin(ctx) {
		return false
	}
	for ctx.Err() == nil {
		if produce.Err() == nil {
			p.fill()
		} else if len(p.waiting) == 0 {
			p.disconnect()
			return true
		}
		if !p.exchange(ctx) {
			p.disconnect()
			if !p.backoff(ctx) {
				break
			}
		} else if produce.Err() == nil && p.random.IntN(3) == 0 {
			_ = sleep(produce, time.Duration(p.random.Int64N(int64(p.w.plan.Pace))))
		}
	}
	p.disconnect()
	return len(p.waiting) == 0
}

func (p *producer) begin(ctx context.Context) bool {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	resp, err := until(ctx, p.kafkaClient, req, func(r *kmsg.InitProducerIDResponse) int16 { return r.ErrorCode })
	if err != nil {
		return false
	}
	p.id, p.epoch, p.sequence = resp.ProducerID, resp.ProducerEpoch, 0
	return true
}

// fill makes new batches up to the bound of those in flight.
func (p *producer) fill() {
	for range 1 + p.random.IntN(maxInFlight) {
		if len(p.waiting) >= maxInFlight {
			return
		}
		b := &sentBatch{sequence: p.sequence}
		n := 1 + p.random.IntN(4)
		records := recordbatchtest.Records(n, 0, time.Now().UnixMilli())
		for i := range records {
			p.made++
			v := fmt.Sprintf("%s.%d:%d", p.name, p.life, p.made)
			b.values = append(b.values, v)
			records[i].Key, records[i].Value = nil, append([]byte(v), make([]byte, p.random.IntN(200))...)
		}
		b.bytes = recordbatchtest.Build(recordbatchtest.Spec{Records: records, Producer: &recordbatchtest.Producer{ID: p.id, Epoch: p.epoch, Sequence: p.sequence}})
		p.sequence += int32(n)
		p.waiting = append(p.waiting, b)
		p.w.history.Sent(p.where(), p.identity(), b.values...)
	}
}

// exchange sends everything that waits and reads the answers. False: something must be sent again.
func (p *producer) exchange(ctx context.Context) bool {
	if p.connect(ctx) != nil {
		return false
	}
	reqs := make([]*kmsg.ProduceRequest, len(p.waiting))
	for i, b := range p.waiting {
		reqs[i] = p.request(b)
		b.sent++
		if p.send(reqs[i]) != nil {
			return false
		}
	}
	var left []*sentBatch
	whole := true
	for i, b := range p.waiting {
		code, offset, err := p.answer(ctx, reqs[i])
		if err != nil {
			p.waiting = append(left, p.waiting[i:]...)
			return false
		}
		switch e := kerr.TypedErrorForCode(code); {
		case e == nil:
			p.acked(b, offset)
		case errors.Is(e, kerr.DuplicateSequenceNumber):
			p.acked(b, -1)
		default:
			p.w.trace.Add("refused", p.name, "Produce", b.sequence, e.Message)
			if !kerr.IsRetriable(e) && !(errors.Is(e, kerr.OutOfOrderSequenceNumber) && (len(left) > 0 || !whole)) {
				// With a batch before it unresolved, an out-of-order sequence is what a client expects; otherwise the broker lost something.
				p.w.violation("%s: batch with sequence %d, sent %d times, of %s: %v", p.name, b.sequence, b.sent, p.where(), e)
			}
			left, whole = append(left, b), false
		}
	}
	p.waiting = left
	return whole
}

func (p *producer) answer(ctx context.Context, req *kmsg.ProduceRequest) (code int16, offset int64, err error) {
	r, err := p.receive(ctx, requestTimeout+5*time.Second, req)
	if err != nil {
		return 0, 0, err
	}
	resp := r.(*kmsg.ProduceResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, 0, p.w.violation("%s: an answer to Produce of %d topics", p.name, len(resp.Topics))
	}
	rp := resp.Topics[0].Partitions[0]
	return rp.ErrorCode, rp.BaseOffset, nil
}

func (p *producer) acked(b *sentBatch, offset int64) {
	p.acks++
	p.w.trace.Add("acked", p.name, p.where(), b.sequence, len(b.values), offset)
	p.w.check(p.w.history.Acked(p.where(), p.identity(), offset, b.values...))
}

func (p *producer) request(b *sentBatch) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, int32(requestTimeout.Milliseconds())
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = p.topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = p.partition, b.bytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}
