package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// reader reads partitions in order and holds what it sees against the history.
type reader struct {
	*kafkaClient
	topic string
	next  map[int32]int64
}

func (r *reader) where(partition int32) string {
	return fmt.Sprintf("%s/%s/%d", r.cluster.name, r.topic, partition)
}

// seek begins at an offset.
func (r *reader) seek(partition int32, offset int64) {
	if r.next == nil {
		r.next = map[int32]int64{}
	}
	r.next[partition] = offset
	r.w.history.Seek(r.where(partition), r.name, offset)
}

// fetch reads once from a partition and says how many records came. Where records were deleted it goes on behind them.
func (r *reader) fetch(ctx context.Context, partition int32, waitMillis int32) (int, error) {
	n, err := r.fetchOnce(ctx, partition, waitMillis)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		start, _, e := r.bounds(ctx, partition)
		if e != nil {
			return n, e
		}
		if start > r.next[partition] {
			r.seek(partition, start)
		}
		err = nil
	}
	return n, err
}

func (r *reader) fetchOnce(ctx context.Context, partition int32, waitMillis int32) (int, error) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = waitMillis, 1, 1<<20
	req.SessionID, req.SessionEpoch = 0, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = r.topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = partition, r.next[partition], 1<<10<<r.random.IntN(8), -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := r.do(ctx, req)
	if err != nil {
		return 0, err
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, r.w.violation("%s: an answer to Fetch of %d topics", r.name, len(resp.Topics))
	}
	return r.take(partition, &resp.Topics[0].Partitions[0])
}

func (r *reader) take(partition int32, p *kmsg.FetchResponseTopicPartition) (int, error) {
	where, at := r.where(partition), r.next[partition]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		r.w.trace.Add("refused", r.name, "Fetch", where, at, err.Error())
		if errors.Is(err, kerr.OffsetOutOfRange) && r.w.history.MayBeGone(where, at) {
			return 0, err
		}
		if errors.Is(err, kerr.OffsetOutOfRange) {
			return 0, r.w.violation("%s: offset %d of %s is out of range", r.name, at, where)
		}
		if !kerr.IsRetriable(err) {
			return 0, r.w.violation("%s: fetch at offset %d of %s: %v", r.name, at, where, err)
		}
		return 0, err
	}
	n := 0
	for batch, err := range recordbatch.All(p.RecordBatches) {
		if errors.Is(err, recordbatch.ErrTruncated) {
			break
		}
		if err != nil {
			return n, r.w.violation("%s: at offset %d of %s: %v", r.name, at, where, err)
		}
		if batch.CRC() != batch.ComputeCRC() {
			return n, r.w.violation("%s: the batch at offset %d of %s has a wrong checksum", r.name, batch.BaseOffset(), where)
		}
		for record, err := range batch.Records() {
			if err != nil {
				return n, r.w.violation("%s: in the batch at offset %d of %s: %v", r.name, batch.BaseOffset(), where, err)
			}
			offset := batch.BaseOffset() + int64(record.OffsetDelta)
			if offset < at {
				continue // the batch began before
			}
			value, _, _ := bytes.Cut(record.Value, []byte{0})
			if err := r.w.history.Read(where, r.name, offset, string(value)); err != nil {
				return n, r.w.check(err)
			}
			n++
			r.next[partition] = offset + 1
		}
	}
	if n > 0 {
		r.w.trace.Add("read", r.name, where, at, n)
	}
	if r.next[partition] > p.HighWatermark {
		return n, r.w.violation("%s: read up to %d of %s above the high watermark %d", r.name, r.next[partition], where, p.HighWatermark)
	}
	if p.LastStableOffset > p.HighWatermark {
		return n, r.w.violation("%s: last stable offset %d of %s above the high watermark %d", r.name, p.LastStableOffset, where, p.HighWatermark)
	}
	return n, nil
}

// bounds asks for the first offset and the end of a partition.
func (r *reader) bounds(ctx context.Context, partition int32) (start, high int64, err error) {
	for _, ask := range []struct {
		timestamp int64
		to        *int64
	}{{-2, &start}, {-1, &high}} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.SetVersion(7)
		req.ReplicaID = -1
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = r.topic
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = partition, ask.timestamp, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := r.do(ctx, req)
		if err != nil {
			return 0, 0, err
		}
		topics := resp.(*kmsg.ListOffsetsResponse).Topics
		if len(topics) != 1 || len(topics[0].Partitions) != 1 {
			return 0, 0, r.w.violation("%s: an answer to ListOffsets of %d topics", r.name, len(topics))
		}
		if err := kerr.ErrorForCode(topics[0].Partitions[0].ErrorCode); err != nil {
			return 0, 0, err
		}
		*ask.to = topics[0].Partitions[0].Offset
	}
	return start, high, nil
}

// watch asks for a partition's bounds, which never go back, whoever is asked.
func (r *reader) watch(ctx context.Context, partition int32) {
	start, high, err := r.bounds(ctx, partition)
	if err == nil {
		r.w.check(r.w.history.Watermarks(r.where(partition), r.name, start, high))
	}
}

// run tails all partitions until ctx ends.
func (r *reader) run(ctx context.Context, partitions int32) {
	for p := range partitions {
		r.seek(p, 0)
	}
	for ctx.Err() == nil {
		p := r.random.Int32N(partitions)
		switch r.random.IntN(12) {
		case 0:
			r.watch(ctx, p)
			continue
		case 1:
			r.seek(p, r.random.Int64N(r.next[p]+1)) // a second look
		}
		if _, err := r.fetch(ctx, p, r.random.Int32N(500)); err != nil {
			if r.random.IntN(2) == 0 {
				r.disconnect()
			}
			r.backoff(ctx)
		}
	}
	r.disconnect()
}

// readAll reads a partition from its start to its end.
func (r *reader) readAll(ctx context.Context, partition int32) (start, high int64, err error) {
	for {
		if start, high, err = r.bounds(ctx, partition); err == nil {
			break
		}
		if !r.backoff(ctx) {
			return 0, 0, errors.Join(err, context.Cause(ctx))
		}
	}
	r.seek(partition, start)
	for r.next[partition] < high {
		if _, err = r.fetch(ctx, partition, 100); err != nil {
			r.disconnect()
			if !r.backoff(ctx) {
				return 0, 0, errors.Join(err, context.Cause(ctx))
			}
		}
		if ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%s: at offset %d of %s, which ends at %d: %w", r.name, r.next[partition], r.where(partition), high, context.Cause(ctx))
		}
	}
	return start, high, nil
}
