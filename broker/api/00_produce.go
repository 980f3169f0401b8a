package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/topics"
)

// Produce v3-13 (v13 names topics by id). Batches are validated here, on the connection's goroutine; the answer leaves when the commit is
// replicated, whatever acks says, but acks=0 gets none. Transactional batches are refused. producedOnce says what becomes of a partition that is named twice.
var _ = register(kmsg.Produce, 3, 13, (*Handlers).produce)

// produceSlot is where the result of one appended batch goes in the answer.
type produceSlot struct{ topic, partition int }

func (h *Handlers) produce(ctx context.Context, r *listener.Request) {
	req := r.Message.(*kmsg.ProduceRequest)
	out := req.ResponseKind().(*kmsg.ProduceResponse)
	refuseAll := produceRefusal(req)
	image := h.cfg.Image()
	var batches []AppendBatch
	var slots []produceSlot
	failed := false
	now := h.cfg.Clock.Now().UnixMilli()
	asked, spoiled := producedOnce(req)
	asked = slices.DeleteFunc(asked, func(t kmsg.ProduceRequestTopic) bool { return len(t.Partitions) == 0 }) // named in vain, as in Kafka
	for ti := range asked {
		t := &asked[ti]
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		rt.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(t.Partitions))
		topic, topicErr := produceTopic(image, req.Version, t)
		for pi := range t.Partitions {
			p := &t.Partitions[pi]
			rp := &rt.Partitions[pi]
			*rp = kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.BaseOffset, rp.LogAppendTime, rp.LogStartOffset = p.Partition, -1, -1, -1
			err := refuseAll
			if err == nil {
				err = topicErr
			}
			if err == nil && (p.Partition < 0 || int(p.Partition) >= len(topic.Coordinators)) {
				err = kerr.UnknownTopicOrPartition
			}
			if err == nil {
				settings := h.settings(image, topic)
				var batch recordbatch.Batch
				if batch, err = validateProduced(p.Records, req.Version, settings, now); err == nil {
					batches = append(batches, AppendBatch{Partition: h.partition(image, topic, p.Partition), Batch: batch, LogAppendTime: settings.limits.LogAppendTime})
					slots = append(slots, produceSlot{ti, pi})
					if spoiled.of(t, p.Partition) == nil {
						continue
					}
				}
				if spoil := spoiled.of(t, p.Partition); spoil != nil {
					err = spoil
				}
			}
			failed = true
			refuseProduced(rp, err)
			if topicErr == nil && !errors.Is(err, kerr.UnknownTopicOrPartition) { // what was deleted, or is not known here yet, is nobody's mistake
				h.refused(r, err, "topic", topic.Name, "partition", p.Partition)
			}
		}
		out.Topics = append(out.Topics, rt)
	}
	reply := func() {
		switch {
		case req.Acks != 0:
			r.Reply(out)
		default: // as Kafka: with acks=0 the only way to tell of an error is to close the connection
			r.ReplyWith(listener.Response{None: true, Close: failed})
		}
	}
	if len(batches) == 0 {
		reply()
		return
	}
	// A client that hung up may have sent acks=0 before: what was read is appended.
	h.cfg.Appender.Append(context.WithoutCancel(ctx), r.Frame, batches, time.Duration(max(req.TimeoutMillis, 0))*time.Millisecond, func(results []AppendResult) {
		for i, res := range results {
			rp := &out.Topics[slots[i].topic].Partitions[slots[i].partition]
			if rp.ErrorCode != 0 { // spoiled by another batch
				continue
			}
			if res.Err != nil {
				failed = true
				refuseProduced(rp, res.Err)
				rp.ErrorCode, rp.LogStartOffset = h.code(r, res.Err), res.LogStartOffset
				continue
			}
			rp.BaseOffset, rp.LogAppendTime, rp.LogStartOffset = res.BaseOffset, res.AppendTime, res.LogStartOffset
		}
		reply()
	})
}

// produceRefusal is the error of a request that is refused as a whole.
func produceRefusal(req *kmsg.ProduceRequest) error {
	switch {
	case req.TransactionID != nil:
		return fmt.Errorf("%w: transactions are not supported by this release of Inkwell", kerr.InvalidRequest)
	case req.Acks < -1 || req.Acks > 1:
		return fmt.Errorf("%w: acks is %d; it must be -1, 0 or 1", kerr.InvalidRequiredAcks, req.Acks)
	}
	return spoilsAll(req)
}

// spoilsAll is the error that one batch brings on the whole request: as Kafka's broker does, the first batch of every partition is looked at before any is appended.
func spoilsAll(req *kmsg.ProduceRequest) error {
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			batch, _, err := recordbatch.Next(req.Topics[i].Partitions[j].Records)
			switch {
			case errors.Is(err, recordbatch.ErrTruncated): // none; its partition's own mistake
			case err != nil:
				return err
			case batch.Magic() == 2 && batch.IsTransactional():
				return fmt.Errorf("%w: a batch belongs to a transaction, the request has no transactional id", kerr.TransactionalIDAuthorizationFailed)
			}
		}
	}
	return nil
}

func produceTopic(image *clusterimage.Image, version int16, t *kmsg.ProduceRequestTopic) (*topics.Topic, error) {
	if version >= 13 {
		if topic, ok := topicByID(image, t.TopicID); ok {
			return topic, nil
		}
		return nil, kerr.UnknownTopicID
	}
	if topic, ok := topicByName(image, t.Topic); ok {
		return topic, nil
	}
	return nil, kerr.UnknownTopicOrPartition
}

// validateProduced checks the one batch that a partition of a Produce request must have.
func validateProduced(records []byte, version int16, s topicSettings, now int64) (recordbatch.Batch, error) {
	batch, err := recordbatch.Single(records, version)
	if err != nil {
		return nil, err
	}
	limits := s.limits
	limits.NowMillis = now
	return batch, recordbatch.Validate(batch, &limits, kafka.LeaderEpoch)
}

func refuseProduced(rp *kmsg.ProduceResponseTopicPartition, err error) {
	rp.ErrorCode, rp.BaseOffset, rp.ErrorMessage = kafka.ErrorCode(err), -1, detail(err)
	var records *recordbatch.RecordsError
	if errors.As(err, &records) {
		for _, refused := range records.Records {
			er := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			er.RelativeOffset, er.ErrorMessage = refused.Index, kmsg.StringPtr(refused.Message)
			rp.ErrorRecords = append(rp.ErrorRecords, er)
		}
	}
}
