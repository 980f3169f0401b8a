package state

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Machine implements raftlog.StateMachine; it has no state outside its store.
type Machine struct {
	// MaxFeatureLevel is the highest level of topics.MetadataFeature that this replica knows; 0 is the newest.
	MaxFeatureLevel int32
}

// Result is what the proposer learns: nil, or why nothing was changed.
type Result struct {
	Err error
}

// firstGroup is the first Raft group that a cluster may get; 1 is __cluster_metadata itself.
const firstGroup = 2

var nextGroupKey = []byte{'g'}

func clusterKey(name kafka.ClusterID) []byte { return append([]byte{'c'}, name...) }
func nodeKey(id int32) []byte                { return fmt.Appendf(nil, "n%d", id) }
func placementKey(topic string, partition int32) []byte {
	return fmt.Appendf(nil, "p%s/%d", topic, partition)
}

// Apply implements raftlog.StateMachine.
func (m Machine) Apply(tx statestore.Tx, _ uint64, command []byte) (any, []raftlog.Record, error) {
	now, cmd, err := Decode(command)
	if err != nil {
		return nil, nil, err
	}
	if most := m.MaxFeatureLevel; most != 0 && cmd.level() > most {
		return nil, nil, newerCommand(uint64(cmd.level()), uint64(most))
	}
	a := apply{tx: tx, now: now}
	switch c := cmd.(type) {
	case *CreateCluster:
		err = a.createCluster(c)
	case *DeleteCluster:
		err = a.deleteCluster(c)
	case *RegisterNode:
		err = a.registerNode(c)
	case *InitCluster:
		a.initCluster(c)
	case *SetNodeState:
		err = a.setNodeState(c)
	case *LoseNode:
		err = a.loseNode(c)
	case *PlanMoves:
		a.planMoves(c)
	case *CompleteMove:
		a.completeMove(c)
	case *SetClusterNodes:
		err = a.setClusterNodes(c)
	case *AddBatchCoordinators:
		err = a.addBatchCoordinators(c)
	case *AlterCluster:
		err = a.alterCluster(c)
	case *SetFeatureLevel:
		err = a.setFeatureLevel(c)
	}
	return Result{Err: err}, a.records, nil
}

type apply struct {
	tx      statestore.Tx
	now     int64
	records []raftlog.Record
}

// put writes a record to the state and to the topic.
func (a *apply) put(key []byte, r topics.ClusterMetadataRecord) {
	value := topics.AppendClusterMetadata(nil, r)
	a.tx.Set(key, value)
	a.records = append(a.records, raftlog.Record{TimestampMillis: a.now, Key: r.ClusterMetadataKey(), Value: value})
}

func (a *apply) createCluster(c *CreateCluster) error {
	if old, ok := Cluster(a.tx, c.Name); ok {
		return fmt.Errorf("cluster %s is %s: %w", c.Name, old.State, kerr.DuplicateResource)
	}
	for _, t := range partitionsOf(c.Name, c.BatchCoordinators, c.GroupCoordinators) {
		for p := range t.partitions {
			group := a.takeGroup()
			a.put(placementKey(t.topic, p), &topics.PartitionPlacement{Topic: t.topic, Partition: p, RaftGroup: group, Voters: Rotated(c.Voters, group)})
		}
	}
	// Last: who reads the topic in order finds the placements before the cluster that needs them.
	a.put(clusterKey(c.Name), &topics.InklessCluster{
		Name: c.Name, UUID: c.UUID, CreatedMillis: a.now, BatchCoordinatorPartitions: c.BatchCoordinators, GroupCoordinatorPartitions: c.GroupCoordinators,
		State: topics.ClusterActive, Credential: c.Credential, Nodes: Sorted(c.Voters),
	})
	return nil
}

func (a *apply) deleteCluster(c *DeleteCluster) error {
	old, ok := Cluster(a.tx, c.Name)
	if !ok || old.State == topics.ClusterDeleted {
		return fmt.Errorf("there is no cluster %s: %w", c.Name, kerr.ResourceNotFound)
	}
	old.State, old.Credential = topics.ClusterDeleted, topics.ScramCredential{}
	a.put(clusterKey(c.Name), old)
	for _, t := range partitionsOf(old.Name, old.BatchCoordinatorPartitions, old.GroupCoordinatorPartitions) {
		for p := range t.partitions {
			a.tx.Delete(placementKey(t.topic, p))
			gone := topics.PartitionPlacement{Topic: t.topic, Partition: p}
			a.records = append(a.records, raftlog.Record{TimestampMillis: a.now, Key: gone.ClusterMetadataKey()})
		}
	}
	return nil
}

// takeGroup hands out Raft groups; none is used twice.
func (a *apply) takeGroup() uint64 {
	next := uint64(firstGroup)
	if b, ok := a.tx.Get(nextGroupKey); ok {
		next = binary.BigEndian.Uint64(b)
	}
	a.tx.Set(nextGroupKey, binary.BigEndian.AppendUint64(nil, next+1))
	return next
}

type topicPartitions struct {
	topic      string
	partitions int32
}

// partitionsOf are the topics of one cluster, in a fixed order.
func partitionsOf(name kafka.ClusterID, batch, groups int32) []topicPartitions {
	return []topicPartitions{{topics.Metadata(name), 1}, {topics.BatchCoordinates(name), batch}, {topics.ConsumerOffsets(name), groups}}
}

// Cluster reads one cluster.
func Cluster(r statestore.Reader, name kafka.ClusterID) (*topics.InklessCluster, bool) {
	value, ok := r.Get(clusterKey(name))
	if !ok {
		return nil, false
	}
	return decodeCluster(value), true
}

// Clusters reads all clusters by name.
func Clusters(r statestore.Reader) (all []*topics.InklessCluster) {
	r.Scan([]byte{'c'}, []byte{'c' + 1}, func(_, value []byte) bool {
		all = append(all, decodeCluster(value))
		return true
	})
	return all
}

// decodeCluster reads what this machine wrote; damage is the store's failure.
func decodeCluster(value []byte) *topics.InklessCluster {
	record, err := topics.DecodeClusterMetadata(value)
	cluster, ok := record.(*topics.InklessCluster)
	if err != nil || !ok {
		panic(&statestore.Failure{Op: "reading a cluster", Err: fmt.Errorf("%T: %w", record, err)})
	}
	return cluster
}
