package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// DeleteRecords v0-2: the log start moves at once, exact to the offset. The answer's low watermark is the new log start.
var _ = registerCall(kmsg.DeleteRecords, 0, 2, (*Handlers).deleteRecords)

func (h *Handlers) deleteRecords(ctx context.Context, r *listener.Request, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	image := h.cfg.Image()
	last := map[kafka.TopicPartition]int64{} // of a partition that is named twice, as in Kafka: one answer, to what was asked last
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			last[kafka.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = p.Offset
		}
	}
	for _, t := range req.Topics {
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		topic, known := topicByName(image, t.Topic)
		for _, p := range t.Partitions {
			tp := kafka.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			offset, ok := last[tp]
			if !ok {
				continue
			}
			delete(last, tp)
			rp := kmsg.NewDeleteRecordsResponseTopicPartition()
			rp.Partition, rp.LowWatermark = p.Partition, -1
			switch {
			case !known || p.Partition < 0 || int(p.Partition) >= len(topic.Coordinators):
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case h.settings(image, topic).compactedOnly:
				rp.ErrorCode = kerr.PolicyViolation.Code // as Kafka: only topics whose cleanup.policy has delete
			default:
				result, err := h.deleteRecordsOf(ctx, h.partition(image, topic, p.Partition), offset)
				if rp.ErrorCode = h.code(r, err); err == nil {
					rp.ErrorCode, rp.LowWatermark = result.Error, result.LogStartOffset
				}
				if rp.ErrorCode != 0 {
					rp.LowWatermark = -1
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		if len(rt.Partitions) > 0 || len(t.Partitions) == 0 {
			out.Topics = append(out.Topics, rt)
		}
	}
	return out
}

func (h *Handlers) deleteRecordsOf(ctx context.Context, p Partition, before int64) (rpc.DeleteRecordsResult, error) {
	resp, err := h.cfg.Coordinator.DeleteRecords(ctx, &rpc.DeleteRecordsRequest{
		Coordinator: p.Coordinator, MetadataOffset: p.MetadataOffset,
		Partitions: []rpc.DeleteRecords{{Partition: p.TopicIDPartition, Before: before}},
	})
	if err != nil {
		return rpc.DeleteRecordsResult{}, err
	}
	if len(resp.Partitions) != 1 {
		return rpc.DeleteRecordsResult{}, kafka.ErrUnknownOutcome
	}
	return resp.Partitions[0], nil
}
