package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// DescribeLogDirs v1-5, answered from the Batch Coordinators. An Inkless broker has one log dir: the object store, whose size nobody knows.
var _ = registerCall(kmsg.DescribeLogDirs, 1, 5, (*Handlers).describeLogDirs)

func (h *Handlers) describeLogDirs(ctx context.Context, r *listener.Request, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	image := h.cfg.Image()
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.TotalBytes, dir.UsableBytes = h.cfg.Store, -1, -1
	wanted := wantedLogDirTopics(image, req)
	var all []Partition
	for _, want := range wanted {
		topic, ok := topicByName(image, want.Topic)
		for _, p := range want.Partitions {
			if ok && exists(topic, p) {
				all = append(all, h.partition(image, topic, p))
			}
		}
	}
	found, err := h.describePartitions(ctx, all, false)
	if err != nil {
		dir.ErrorCode = h.code(r, err)
		out.Dirs = append(out.Dirs, dir)
		return out
	}
	for _, want := range wanted {
		topic, ok := topicByName(image, want.Topic)
		if !ok {
			continue // Kafka is silent about what it does not have
		}
		rt := kmsg.NewDescribeLogDirsResponseDirTopic()
		rt.Topic = want.Topic
		for _, p := range want.Partitions {
			d, ok := found[kafka.TopicIDPartition{ID: topic.ID, Partition: p}]
			if !ok || d.Error != 0 {
				continue // deleted meanwhile
			}
			delete(found, kafka.TopicIDPartition{ID: topic.ID, Partition: p}) // is told once, as in Kafka
			rp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			rp.Partition, rp.Size = p, d.Bytes
			rt.Partitions = append(rt.Partitions, rp)
		}
		if len(rt.Partitions) > 0 {
			dir.Topics = append(dir.Topics, rt)
		}
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
	for _, t := range image.Topics() {
		want := kmsg.NewDescribeLogDirsRequestTopic()
		want.Topic = t.Name
		for p := range t.Coordinators {
			want.Partitions = append(want.Partitions, int32(p))
		}
		all = append(all, want)
	}
	return all
}
