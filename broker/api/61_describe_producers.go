package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// DescribeProducers v0, answered from the Batch Coordinators.
var _ = registerCall(kmsg.DescribeProducers, 0, 0, (*Handlers).describeProducers)

func (h *Handlers) describeProducers(ctx context.Context, r *listener.Request, req *kmsg.DescribeProducersRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	image := h.cfg.Image()
	for _, t := range req.Topics {
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = t.Topic
		topic, known := topicByName(image, t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			rp.Partition = p
			switch {
			case !known:
				rp.ErrorCode = unknownTopic(t.Topic)
			case !exists(topic, p):
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				h.describeProducersOf(ctx, r, h.partition(image, topic, p), &rp)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

func (h *Handlers) describeProducersOf(ctx context.Context, r *listener.Request, p Partition, rp *kmsg.DescribeProducersResponseTopicPartition) {
	found, err := h.describePartitions(ctx, []Partition{p}, true)
	if rp.ErrorCode = h.code(r, err); err != nil {
		return
	}
	d := found[p.TopicIDPartition]
	rp.ErrorCode = d.Error
	for _, p := range d.Producers {
		ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		ap.ProducerID, ap.ProducerEpoch, ap.LastSequence, ap.LastTimestamp = p.ProducerID, int32(p.ProducerEpoch), p.LastSequence, p.LastTimestamp
		ap.CoordinatorEpoch, ap.CurrentTxnStartOffset = -1, -1
		rp.ActiveProducers = append(rp.ActiveProducers, ap)
	}
}

// maxDescribed bounds the partitions of one call to a coordinator.
const maxDescribed = 1000

// describePartitions asks the owning coordinators, in pages.
func (h *Handlers) describePartitions(ctx context.Context, partitions []Partition, producers bool) (map[kafka.TopicIDPartition]rpc.PartitionDescription, error) {
	byCoordinator := map[int32][]kafka.TopicIDPartition{}
	offset := int64(-1)
	for _, p := range partitions {
		byCoordinator[p.Coordinator] = append(byCoordinator[p.Coordinator], p.TopicIDPartition)
		offset = max(offset, p.MetadataOffset)
	}
	found := make(map[kafka.TopicIDPartition]rpc.PartitionDescription, len(partitions))
	for _, c := range slices.Sorted(maps.Keys(byCoordinator)) { // one order, so that a simulation repeats itself
		for page := range slices.Chunk(byCoordinator[c], maxDescribed) {
			resp, err := h.cfg.Coordinator.DescribePartitions(ctx, &rpc.DescribePartitionsRequest{Coordinator: c, MetadataOffset: offset, Producers: producers, Partitions: page})
			if err != nil {
				return nil, err
			}
			if len(resp.Partitions) != len(page) {
				return nil, fmt.Errorf("__batch_coordinates-%d described %d partitions of %d", c, len(resp.Partitions), len(page))
			}
			for i, d := range resp.Partitions {
				found[page[i]] = d
			}
		}
	}
	return found, nil
}
