package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// DescribeProducers v0 and DescribeLogDirs v1-5 are answered from the Batch Coordinators. An Inkless broker has one log dir: the object store.
var (
	_ = registerCall(kmsg.DescribeProducers, 0, 0, (*Handlers).describeProducers)
	_ = registerCall(kmsg.DescribeLogDirs, 1, 5, (*Handlers).describeLogDirs)
)

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
			if !known || p < 0 || int(p) >= len(topic.Coordinators) {
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else {
				h.describeProducersOf(ctx, r, image, topic, &rp)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

func (h *Handlers) describeProducersOf(ctx context.Context, r *listener.Request, image *clusterimage.Image, topic *topics.Topic, rp *kmsg.DescribeProducersResponseTopicPartition) {
	found, err := h.describePartitions(ctx, image, topic, []int32{rp.Partition}, true)
	if rp.ErrorCode = h.code(r, err); err != nil {
		return
	}
	d := found[rp.Partition]
	rp.ErrorCode = d.Error
	for _, p := range d.Producers {
		ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		ap.ProducerID, ap.ProducerEpoch, ap.LastSequence, ap.LastTimestamp = p.ProducerID, int32(p.ProducerEpoch), p.LastSequence, p.LastTimestamp
		ap.CoordinatorEpoch, ap.CurrentTxnStartOffset = -1, -1
		rp.ActiveProducers = append(rp.ActiveProducers, ap)
	}
}

// describePartitions asks the owning coordinators about partitions of one topic.
func (h *Handlers) describePartitions(ctx context.Context, image *clusterimage.Image, topic *topics.Topic, partitions []int32, producers bool) (map[int32]rpc.PartitionDescription, error) {
	byCoordinator := map[int32][]kafka.TopicIDPartition{}
	for _, p := range partitions {
		c := topic.Coordinators[p]
		byCoordinator[c] = append(byCoordinator[c], kafka.TopicIDPartition{ID: topic.ID, Partition: p})
	}
	found := map[int32]rpc.PartitionDescription{}
	for c, ps := range byCoordinator {
		resp, err := h.cfg.Coordinator.DescribePartitions(ctx, &rpc.DescribePartitionsRequest{Coordinator: c, MetadataOffset: image.Offset(), Producers: producers, Partitions: ps})
		if err != nil {
			return nil, err
		}
		for i, d := range resp.Partitions {
			found[ps[i].Partition] = d
		}
	}
	return found, nil
}

func (h *Handlers) describeLogDirs(ctx context.Context, r *listener.Request, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	image := h.cfg.Image()
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.TotalBytes, dir.UsableBytes = h.cfg.Store, -1, -1 // a bucket has no size
	for _, want := range wantedLogDirTopics(image, req) {
		topic, ok := topicByName(image, want.Topic)
		if !ok {
			continue
		}
		rt := kmsg.NewDescribeLogDirsResponseDirTopic()
		rt.Topic = want.Topic
		partitions := want.Partitions[:0:0]
		for _, p := range want.Partitions {
			if p >= 0 && int(p) < len(topic.Coordinators) {
				partitions = append(partitions, p)
			}
		}
		found, err := h.describePartitions(ctx, image, topic, partitions, false)
		if err != nil {
			dir.ErrorCode = h.code(r, err)
			break
		}
		for _, p := range partitions {
			rp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			rp.Partition, rp.Size = p, found[p].Bytes
			rt.Partitions = append(rt.Partitions, rp)
		}
		dir.Topics = append(dir.Topics, rt)
	}
	out.Dirs = append(out.Dirs, dir)
	return out
}

// wantedLogDirTopics is what req names, or everything.
func wantedLogDirTopics(image *clusterimage.Image, req *kmsg.DescribeLogDirsRequest) []kmsg.DescribeLogDirsRequestTopic {
	if req.Topics != nil {
		return req.Topics
	}
	var all []kmsg.DescribeLogDirsRequestTopic
	for _, t := range sortedTopics(image) {
		want := kmsg.NewDescribeLogDirsRequestTopic()
		want.Topic = t.Name
		for p := range t.Coordinators {
			want.Partitions = append(want.Partitions, int32(p))
		}
		all = append(all, want)
	}
	return all
}
