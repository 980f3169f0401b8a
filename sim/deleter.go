package sim

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// deleter deletes records from the front of partitions now and then.
type deleter struct{ reader }

func (d *deleter) run(ctx context.Context, partitions int32) {
	for sleep(ctx, time.Duration(d.random.Int64N(int64(20*time.Second)))) == nil {
		p := d.random.Int32N(partitions)
		start, high, err := d.bounds(ctx, p)
		if err != nil || high == start {
			continue
		}
		if below, err := d.delete(ctx, p, start+d.random.Int64N(high-start+1)); err == nil {
			d.w.trace.Add("deleted", d.name, d.where(p), below)
		}
	}
	d.disconnect()
}

// delete deletes what is before an offset, or everything for -1, and returns the new start.
func (d *deleter) delete(ctx context.Context, partition int32, before int64) (int64, error) {
	allowed := before
	if before < 0 {
		allowed = 1 << 62
	}
	d.w.history.Deleting(d.where(partition), allowed)
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.SetVersion(2)
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = d.topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = partition, before
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := d.do(ctx, req)
	if err != nil {
		return 0, err
	}
	p := answer.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		d.w.trace.Add("refused", d.name, "DeleteRecords", d.where(partition), before, err.Error())
		if !kerr.IsRetriable(err) && !errors.Is(err, kerr.OffsetOutOfRange) {
			return 0, d.w.violation("%s: deleting records of %s before %d: %v", d.name, d.where(partition), before, err)
		}
		return 0, err
	}
	if p.LowWatermark < before {
		return 0, d.w.violation("%s: records of %s before %d are deleted, and it starts at %d", d.name, d.where(partition), before, p.LowWatermark)
	}
	return p.LowWatermark, nil
}

// emptyStore deletes every record and waits until the stores have no object left: everything was referenced, leased, deleted, or swept.
func (w *World) emptyStore() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), w.plan.Empty, errors.New("took too long"))
	defer cancel()
	w.endEpochs()
	for _, cl := range w.clusters {
		d := &deleter{reader{kafkaClient: w.newClient(string(cl.name)+"-empty", cl), topic: cl.topic}}
		for p := range cl.count {
			for {
				_, err := d.delete(ctx, p, -1)
				if err == nil {
					break
				}
				if !d.backoff(ctx) {
					w.violation("no progress: deleting all records of %s: %v", d.where(p), err)
					return
				}
			}
		}
		d.disconnect()
	}
	for _, cl := range w.clusters {
		for {
			left, err := w.objects(cl)
			if err == nil && len(left) == 0 {
				break
			}
			if sleep(ctx, 5*time.Second) != nil {
				w.violation("objects stay: %s after all records of %s were deleted there are %d objects, such as %v (%v)", w.plan.Empty, cl.name, len(left), left[:min(3, len(left))], err)
				return
			}
		}
	}
}
