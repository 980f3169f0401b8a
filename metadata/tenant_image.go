package metadata

import (
	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/controller"
	"github.com/inkwell-project/inkwell/topics"
)

// tenantImage is a cluster's image as its Batch Coordinators look at it.
type tenantImage struct{ *controller.Follower }

var _ batchcoordinator.MetadataImage = tenantImage{}

// Partition implements batchcoordinator.MetadataImage.
func (i tenantImage) Partition(tp kafka.TopicIDPartition) (batchcoordinator.PartitionInfo, bool) {
	image := i.Image()
	t, ok := image.TopicByID(tp.ID)
	if !ok || tp.Partition < 0 || int(tp.Partition) >= len(t.Coordinators) {
		return batchcoordinator.PartitionInfo{}, false
	}
	return partitionInfo(image, t, tp.Partition), true
}

func partitionInfo(image *clusterimage.Image, t *topics.Topic, partition int32) batchcoordinator.PartitionInfo {
	s := image.TopicSettings(t)
	return batchcoordinator.PartitionInfo{
		Coordinator: t.Coordinators[partition], RetentionMs: s.RetentionMillis, RetentionBytes: s.RetentionBytes, Delete: s.Delete, Compact: s.Compact,
		Compaction: state.CompactionSettings{MinLagMillis: s.MinCompactionLagMillis, MaxLagMillis: s.MaxCompactionLagMillis,
			DirtyRatio: s.MinCleanableDirtyRatio, DeleteRetentionMillis: s.DeleteRetentionMillis},
	}
}

// HasTopic implements batchcoordinator.MetadataImage.
func (i tenantImage) HasTopic(id kafka.TopicID) bool {
	_, ok := i.Image().TopicByID(id)
	return ok
}

// Partitions implements batchcoordinator.MetadataImage.
func (i tenantImage) Partitions(coordinator int32, fn func(kafka.TopicIDPartition, batchcoordinator.PartitionInfo) bool) {
	image := i.Image()
	for _, t := range image.Topics() {
		for p, owner := range t.Coordinators {
			if owner == coordinator && !fn(kafka.TopicIDPartition{ID: t.ID, Partition: int32(p)}, partitionInfo(image, t, int32(p))) {
				return
			}
		}
	}
}

// LiveBrokers implements batchcoordinator.MetadataImage.
func (i tenantImage) LiveBrokers() (int64, []state.BrokerEpoch) {
	asOf, brokers := i.Follower.LiveBrokers()
	live := make([]state.BrokerEpoch, len(brokers))
	for n, b := range brokers {
		live[n] = state.BrokerEpoch{Broker: b.ID, Epoch: b.Epoch}
	}
	return asOf, live
}
