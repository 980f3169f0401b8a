package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// ListOffsets v1-11, exact to the record: records are read one after the other, for these topics are short or compacted. The earliest local offset is the
// log start; the latest tiered one and the earliest pending upload are unknown (-1), as Kafka answers for a topic without remote storage.
var _ = register(kmsg.ListOffsets, 1, 11, (*Handlers).listOffsets)

const (
	latestTimestamp                = -1
	earliestTimestamp              = -2
	maxTimestamp                   = -3
	earliestLocalTimestamp         = -4
	latestTieredTimestamp          = -5
	earliestPendingUploadTimestamp = -6
)

// scanBytes is how much of a log is in memory at a time while it is searched.
const scanBytes = 1 << 20

func (h *Handlers) listOffsets(ctx context.Context, r *listener.Request, req *kmsg.ListOffsetsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	topics := h.cfg.Topics()
	seen := map[kafka.TopicPartition]int{}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			seen[kafka.TopicPartition{Topic: t.Topic, Partition: p.Partition}]++
		}
	}
	for _, t := range req.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		found, known := topics.named(t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Timestamp, rp.Offset, rp.LeaderEpoch = p.Partition, -1, -1, -1
			partition, code := h.partition(r, found, known, p.Partition, p.CurrentLeaderEpoch)
			switch {
			case seen[kafka.TopicPartition{Topic: t.Topic, Partition: p.Partition}] > 1:
				rp.ErrorCode = kerr.InvalidRequest.Code
			case code != 0:
				rp.ErrorCode = code
			case !timestampKnown(p.Timestamp, req.Version):
				rp.ErrorCode = kerr.UnsupportedVersion.Code
			default:
				rp.ErrorCode = h.code(r, notLeader(h.listOffset(ctx, partition.Log, p.Timestamp, &rp)))
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

// timestampKnown says whether a special timestamp is known in a version of the request.
func timestampKnown(timestamp int64, version int16) bool {
	switch timestamp {
	case maxTimestamp:
		return version >= 7
	case earliestLocalTimestamp:
		return version >= 8
	case latestTieredTimestamp:
		return version >= 9
	case earliestPendingUploadTimestamp:
		return version >= 11
	}
	return timestamp >= earliestTimestamp
}

func (h *Handlers) listOffset(ctx context.Context, log raftlog.Log, timestamp int64, rp *kmsg.ListOffsetsResponseTopicPartition) error {
	if err := h.barrier(ctx, log); err != nil {
		return err
	}
	start, end := log.Bounds()
	var found *raftlog.Record
	var err error
	switch timestamp {
	case latestTieredTimestamp, earliestPendingUploadTimestamp:
		return nil
	case earliestTimestamp, earliestLocalTimestamp:
		rp.Offset, rp.LeaderEpoch = start, kafka.LeaderEpoch
		return nil
	case latestTimestamp:
		rp.Offset, rp.LeaderEpoch = end, kafka.LeaderEpoch
		return nil
	case maxTimestamp:
		err = scan(ctx, log, start, end, func(r *raftlog.Record) bool {
			if found == nil || r.TimestampMillis > found.TimestampMillis {
				found = r
			}
			return true
		})
	default:
		err = scan(ctx, log, start, end, func(r *raftlog.Record) bool {
			if r.TimestampMillis >= timestamp {
				found = r
			}
			return found == nil
		})
	}
	if err == nil && found != nil {
		rp.Offset, rp.Timestamp, rp.LeaderEpoch = found.Offset, found.TimestampMillis, kafka.LeaderEpoch
	}
	return err
}

// scan calls fn with the records from offset to below end until it returns false.
func scan(ctx context.Context, log raftlog.Log, offset, end int64, fn func(*raftlog.Record) bool) error {
	for offset < end {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		records, err := log.Read(offset, scanBytes)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return nil // the rest was compacted away
		}
		for i := range records {
			if records[i].Offset >= end || !fn(&records[i]) {
				return nil
			}
		}
		offset = records[len(records)-1].Offset + 1
	}
	return nil
}
