package state

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Move is the plan for one partition. Number is the count of moves that the planner saw: a plan that was made before another one is passed over.
type Move struct {
	Topic     string
	Partition int32
	Number    uint64
	Target    []int32
}

// PlanMoves begins moves.
type PlanMoves struct {
	Moves []Move
}

// CompleteMove says that the voters of a partition's Raft group are the target of its move. It says nothing of any other move.
type CompleteMove struct {
	Move Move
}

// SetClusterNodes says on which nodes the partitions of a cluster are to be.
type SetClusterNodes struct {
	Name  kafka.ClusterID
	Nodes []int32
}

// AddBatchCoordinators adds partitions to a cluster's __batch_coordinates. What the others hold stays there.
type AddBatchCoordinators struct {
	Name  kafka.ClusterID
	Count int32 // in all
}

func (*PlanMoves) field() int                  { return 8 }
func (*CompleteMove) field() int               { return 9 }
func (*SetClusterNodes) field() int            { return 10 }
func (*AddBatchCoordinators) field() int       { return 11 }
func (*PlanMoves) level() int32                { return topics.FeatureLevel1 }
func (*CompleteMove) level() int32             { return topics.FeatureLevel1 }
func (*SetClusterNodes) level() int32          { return topics.FeatureLevel1 }
func (*AddBatchCoordinators) level() int32     { return topics.FeatureLevel1 }
func (c *CompleteMove) append(b []byte) []byte { return c.Move.append(b) }

func (c *CompleteMove) decode(d *wire.Decoder) error { return c.Move.decode(d) }

func (c *PlanMoves) append(b []byte) []byte {
	for _, m := range c.Moves {
		b = wire.AppendMessage(b, 1, m.append)
	}
	return b
}

func (c *PlanMoves) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			var m Move
			d.Embedded(m.decode)
			c.Moves = append(c.Moves, m)
		}
	}
	return d.Err()
}

func (m *Move) append(b []byte) []byte {
	b = wire.AppendString(b, 1, m.Topic)
	b = wire.AppendSint(b, 2, int64(m.Partition))
	b = wire.AppendUint(b, 3, m.Number)
	return wire.AppendPackedSint(b, 4, m.Target)
}

func (m *Move) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			m.Topic = d.String()
		case 2:
			m.Partition = int32(d.Sint())
		case 3:
			m.Number = d.Uint()
		case 4:
			m.Target = wire.PackedSint(d, m.Target)
		}
	}
	return d.Err()
}

func (c *SetClusterNodes) append(b []byte) []byte {
	return wire.AppendPackedSint(wire.AppendString(b, 1, string(c.Name)), 2, c.Nodes)
}

func (c *SetClusterNodes) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Name = kafka.ClusterID(d.String())
		case 2:
			c.Nodes = wire.PackedSint(d, c.Nodes)
		}
	}
	return d.Err()
}

func (c *AddBatchCoordinators) append(b []byte) []byte {
	return wire.AppendSint(wire.AppendString(b, 1, string(c.Name)), 2, int64(c.Count))
}

func (c *AddBatchCoordinators) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Name = kafka.ClusterID(d.String())
		case 2:
			c.Count = int32(d.Sint())
		}
	}
	return d.Err()
}

func (a *apply) planMoves(c *PlanMoves) {
	for _, m := range c.Moves {
		p, ok := placement(a.tx, m.Topic, m.Partition)
		if !ok || p.Move != m.Number || len(m.Target) == 0 {
			continue // planned with an older view
		}
		p.Target, p.Move = m.Target, p.Move+1
		a.put(placementKey(p.Topic, p.Partition), p)
	}
}

func (a *apply) completeMove(c *CompleteMove) {
	p, ok := placement(a.tx, c.Move.Topic, c.Move.Partition)
	if !ok || p.Move != c.Move.Number || len(p.Target) == 0 || !sameNodes(p.Target, c.Move.Target) {
		return
	}
	p.Voters, p.Target = p.Target, nil
	a.put(placementKey(p.Topic, p.Partition), p)
}

func sameNodes(a, b []int32) bool { return slices.Equal(Sorted(a), Sorted(b)) }

// Sorted is nodes by id.
func Sorted(nodes []int32) []int32 {
	out := slices.Clone(nodes)
	slices.Sort(out)
	return out
}

func (a *apply) setClusterNodes(c *SetClusterNodes) error {
	cluster, err := a.liveCluster(c.Name)
	if err != nil {
		return err
	}
	cluster.Nodes = Sorted(c.Nodes)
	a.put(clusterKey(c.Name), cluster)
	return nil
}

func (a *apply) addBatchCoordinators(c *AddBatchCoordinators) error {
	cluster, err := a.liveCluster(c.Name)
	if err != nil {
		return err
	}
	topic, have := topics.BatchCoordinates(c.Name), cluster.BatchCoordinatorPartitions
	if c.Count < have {
		return fmt.Errorf("cluster %s has %d batch coordinators, and they cannot become fewer: %w", c.Name, have, kerr.InvalidPartitions)
	}
	nodes := cluster.Nodes
	if len(nodes) == 0 {
		first, _ := placement(a.tx, topics.Metadata(c.Name), 0)
		nodes = Sorted(first.Voters)
	}
	for p := have; p < c.Count; p++ {
		group := a.takeGroup()
		a.put(placementKey(topic, p), &topics.PartitionPlacement{Topic: topic, Partition: p, RaftGroup: group, Voters: Rotated(nodes, group)})
	}
	if cluster.BatchCoordinatorPartitions = c.Count; c.Count > have {
		a.put(clusterKey(c.Name), cluster)
	}
	return nil
}

func (a *apply) liveCluster(name kafka.ClusterID) (*topics.InklessCluster, error) {
	cluster, ok := Cluster(a.tx, name)
	if !ok || cluster.State == topics.ClusterDeleted {
		return nil, fmt.Errorf("there is no cluster %s: %w", name, kerr.ResourceNotFound)
	}
	return cluster, nil
}

// Rotated puts another of nodes first for each group, so that leaders are spread evenly: the first is the one that had better lead.
func Rotated(nodes []int32, group uint64) []int32 {
	if len(nodes) == 0 {
		return nil
	}
	n := int(group % uint64(len(nodes)))
	return append(slices.Clone(nodes[n:]), nodes[:n]...)
}

func placement(r statestore.Reader, topic string, partition int32) (*topics.PartitionPlacement, bool) {
	value, ok := r.Get(placementKey(topic, partition))
	if !ok {
		return nil, false
	}
	return decodeAs[*topics.PartitionPlacement](value), true
}

// Placements reads where all partitions are, by topic.
func Placements(r statestore.Reader) (all []*topics.PartitionPlacement) {
	r.Scan([]byte{'p'}, []byte{'p' + 1}, func(_, value []byte) bool {
		all = append(all, decodeAs[*topics.PartitionPlacement](value))
		return true
	})
	return all
}
