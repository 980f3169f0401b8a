package metadata

import (
	"encoding/hex"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/controller"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// __batch_coordinates keeps this much: brokers follow its tail, history is in the coordinator's state.
var batchCoordinatesTopic = raftlog.TopicConfig{RetainBytes: 64 << 20, RetainMillis: 24 * 60 * 60 * 1000}

// placements of one cluster's partitions, by topic and partition.
type placements map[string][]*topics.PartitionPlacement

// newTenant is a cluster that has nothing on this node yet.
func (n *Node) newTenant(c *topics.InklessCluster) *tenant {
	t := &tenant{cluster: c.Name, uuid: c.UUID, clock: n.cfg.Clock, logs: n.logs, directory: n}
	t.admission = n.newAdmission(c)
	return t
}

// startController starts what works with the cluster's __metadata.
func (n *Node) startController(t *tenant) (err error) {
	t.controller, err = controller.New(controller.Config{
		Cluster: t.cluster, ClusterUUID: t.uuid, Log: t.metadataLog, Clock: n.cfg.Clock, NewTopicID: func() kafka.TopicID { return n.cfg.NewUUID() },
		Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, BatchCoordinators: t.admission.record.Load().BatchCoordinatorPartitions,
		NumPartitions: n.cfg.Limits.NumPartitions, MaxPartitionsPerTopic: n.cfg.Limits.MaxTopicPartitions, PartitionLimit: t.admission.maxPartitions,
		AllowCost: func() bool { return n.layout.Load().level >= topics.FeatureLevel2 },
	})
	if err != nil {
		return err
	}
	t.image = controller.Follow(controller.FollowerConfig{Cluster: t.cluster, Log: t.metadataLog, Clock: n.cfg.Clock, Logger: n.cfg.Logger})
	t.watch = n.watchTopics(t.cluster, t.image)
	return nil
}

// uuidText is a random UUID as text, for member ids.
func (n *Node) uuidText() string {
	id := n.cfg.NewUUID()
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
