package metadata

import (
	"encoding/hex"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	batchstate "github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/controller"
	controllerstate "github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	groupstate "github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// __batch_coordinates keeps this much: brokers follow its tail, history is in the coordinator's state.
var batchCoordinatesTopic = raftlog.TopicConfig{RetainBytes: 64 << 20, RetainMillis: 24 * 60 * 60 * 1000}

// placements of one cluster's partitions, by topic and partition.
type placements map[string][]*topics.PartitionPlacement

// startTenant opens the logs that are placed on this node and starts their coordinators.
func (n *Node) startTenant(c *topics.InklessCluster, placed placements) (t *tenant, err error) {
	t = &tenant{cluster: c.Name, uuid: c.UUID, clock: n.cfg.Clock, logs: n.logs, directory: n}
	t.admission = n.newAdmission(c, t)
	defer func(started *tenant) { // `return nil, err` has t forget it
		if err != nil {
			_ = started.close() // err says what went wrong
		}
	}(t)
	metadataLogs, err := n.startLogs(t, placed[topics.Metadata(c.Name)], raftlog.TopicConfig{Compacted: true}, func() raftlog.StateMachine { return controllerstate.Machine{} })
	if err != nil {
		return nil, err
	}
	if len(metadataLogs) != 1 {
		return nil, fmt.Errorf("cluster %s: %s has %d partitions, not 1", c.Name, topics.Metadata(c.Name), len(metadataLogs))
	}
	t.metadataLog = metadataLogs[0]
	t.batchLogs, err = n.startLogs(t, placed[topics.BatchCoordinates(c.Name)], batchCoordinatesTopic, func() raftlog.StateMachine { return batchstate.New() }) // one for each: it holds scratch memory
	if err != nil {
		return nil, err
	}
	t.groupLogs, err = n.startLogs(t, placed[topics.ConsumerOffsets(c.Name)], raftlog.TopicConfig{Compacted: true}, func() raftlog.StateMachine { return groupstate.Machine{} })
	if err != nil {
		return nil, err
	}
	return t, n.startCoordinators(t)
}

// startLogs opens the partitions of one topic.
func (n *Node) startLogs(t *tenant, placed []*topics.PartitionPlacement, topic raftlog.TopicConfig, machine func() raftlog.StateMachine) ([]raftlog.Log, error) {
	logs := make([]raftlog.Log, len(placed))
	for _, p := range placed {
		log, err := n.logs.StartGroup(raftlog.GroupConfig{ID: p.RaftGroup, Name: fmt.Sprintf("%s-%d", p.Topic, p.Partition), Machine: machine(), Topic: topic, Voters: p.Voters})
		if err != nil {
			return nil, fmt.Errorf("%s-%d: %w", p.Topic, p.Partition, err)
		}
		t.groupIDs = append(t.groupIDs, p.RaftGroup)
		logs[p.Partition] = log
	}
	return logs, nil
}

func (n *Node) startCoordinators(t *tenant) error {
	var err error
	t.controller, err = controller.New(controller.Config{
		Cluster: t.cluster, ClusterUUID: t.uuid, Log: t.metadataLog, Clock: n.cfg.Clock, NewTopicID: func() kafka.TopicID { return n.cfg.NewUUID() },
		Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, BatchCoordinators: int32(len(t.batchLogs)),
		NumPartitions: n.cfg.Limits.NumPartitions, MaxPartitionsPerTopic: n.cfg.Limits.MaxTopicPartitions, PartitionLimit: t.admission.maxPartitions,
	})
	if err != nil {
		return err
	}
	t.image = controller.Follow(controller.FollowerConfig{Cluster: t.cluster, Log: t.metadataLog, Clock: n.cfg.Clock, Logger: n.cfg.Logger})
	for p, log := range t.batchLogs {
		c, err := batchcoordinator.New(batchcoordinator.Config{
			Cluster: t.cluster, Partition: int32(p), Log: log, Metadata: tenantImage{t.image}, Clock: n.cfg.Clock, Logger: n.cfg.Logger, Registerer: n.cfg.Registerer,
			RetentionCheckInterval: n.cfg.Limits.RetentionCheckInterval, ObjectDeleteDelay: n.cfg.Limits.ObjectDeleteDelay,
		})
		if err != nil {
			return err
		}
		t.batch = append(t.batch, c)
	}
	for p, log := range t.groupLogs {
		cfg := groupcoordinator.Config{
			Cluster: t.cluster, Partition: int32(p), Log: log, Clock: n.cfg.Clock, NewUUID: n.uuidText, Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, Settings: n.cfg.Groups,
		}
		cfg.SetDefaults()
		if err := cfg.Validate(); err != nil {
			return err
		}
		t.groups = append(t.groups, groupcoordinator.New(cfg))
	}
	t.watchTopics()
	return nil
}

// uuidText is a random UUID as text, for member ids.
func (n *Node) uuidText() string {
	id := n.cfg.NewUUID()
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
