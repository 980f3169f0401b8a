package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// OwnOffsetsTopic and its Raft group hold the groups of consumers that read the Metadata cluster's own topics. Groups of Inkless clusters are numbered from below.
const (
	OwnOffsetsTopic        = "__consumer_offsets"
	OwnOffsetsGroup uint64 = 1 << 60
	// ClusterMetadataGroup is the Raft group of __cluster_metadata itself.
	ClusterMetadataGroup uint64 = 1
)

// InitCluster gives the Metadata cluster its id and places its own topics on its first node. A second one changes nothing.
type InitCluster struct {
	ID   string
	Node int32
}

// SetNodeState admits, drains or removes a node.
type SetNodeState struct {
	Node  int32
	State topics.NodeState
	// Force removes a node that still has replicas: they are lost with it and are rebuilt elsewhere, on ReplacedBy if that is not 0.
	Force      bool
	ReplacedBy int32
}

func (*InitCluster) field() int    { return 6 }
func (*SetNodeState) field() int   { return 7 }
func (*InitCluster) level() int32  { return topics.FeatureLevel1 }
func (*SetNodeState) level() int32 { return topics.FeatureLevel1 }

func (c *InitCluster) append(b []byte) []byte {
	return wire.AppendSint(wire.AppendString(b, 1, c.ID), 2, int64(c.Node))
}

func (c *InitCluster) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.ID = d.String()
		case 2:
			c.Node = int32(d.Sint())
		}
	}
	return d.Err()
}

func (c *SetNodeState) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Node))
	b = wire.AppendUint(b, 2, uint64(c.State))
	b = wire.AppendBool(b, 3, c.Force)
	return wire.AppendSint(b, 4, int64(c.ReplacedBy))
}

func (c *SetNodeState) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Node = int32(d.Sint())
		case 2:
			c.State = topics.NodeState(d.Uint() & 0x7f)
		case 3:
			c.Force = d.Bool()
		case 4:
			c.ReplacedBy = int32(d.Sint())
		}
	}
	return d.Err()
}

var clusterIDKey = []byte{'i'}

func (a *apply) initCluster(c *InitCluster) {
	if _, ok := a.tx.Get(clusterIDKey); ok {
		return
	}
	for _, own := range []topics.PartitionPlacement{{Topic: topics.ClusterMetadata, RaftGroup: ClusterMetadataGroup}, {Topic: OwnOffsetsTopic, RaftGroup: OwnOffsetsGroup}} {
		own.Voters = []int32{c.Node}
		a.put(placementKey(own.Topic, 0), &own)
	}
	a.put(clusterIDKey, &topics.MetadataCluster{ID: c.ID, CreatedMillis: a.now})
}

func (a *apply) registerNode(c *RegisterNode) error {
	node := c.Node
	node.CreatedMillis, node.State, node.ReplacedBy = a.now, topics.NodeActive, 0
	if old, ok := Node(a.tx, node.ID); ok {
		switch {
		case old.State == topics.NodeRemoved:
			return fmt.Errorf("node %d was removed from the Metadata cluster, and an id is used once: start it with an empty --data folder and another --node.id: %w", node.ID, kerr.DuplicateBrokerRegistration)
		case old.Lost():
			if err := a.mayReturn(old, node.DirectoryID); err != nil {
				return err
			}
		case old.DirectoryID != "" && old.DirectoryID != node.DirectoryID:
			return fmt.Errorf("node %d is known with another data folder (%s), this one is %s: choose another --node.id; if the old folder is lost, join under a new id and run `inkwell metadata nodes replace %d NEW`: %w",
				node.ID, old.DirectoryID, node.DirectoryID, node.ID, kerr.DuplicateBrokerRegistration)
		}
		node.CreatedMillis, node.State, node.ReplacedBy = old.CreatedMillis, old.State, old.ReplacedBy
	}
	a.put(nodeKey(node.ID), &node)
	return nil
}

func (a *apply) setNodeState(c *SetNodeState) error {
	node, ok := Node(a.tx, c.Node)
	if !ok {
		return fmt.Errorf("there is no node %d: %w", c.Node, kerr.ResourceNotFound)
	}
	if node.State == topics.NodeRemoved {
		return fmt.Errorf("node %d was removed before, and does not come back: %w", c.Node, kerr.InvalidRequest)
	}
	switch c.State {
	case topics.NodeActive:
	case topics.NodeDraining, topics.NodeRemoved:
		if a.activeNodesBut(c.Node) == 0 {
			return fmt.Errorf("node %d is the last one that may hold replicas: add another before: %w", c.Node, kerr.InvalidRequest)
		}
	default:
		return fmt.Errorf("a node cannot be made %s: %w", c.State, kerr.InvalidRequest)
	}
	if c.ReplacedBy != 0 {
		if by, ok := Node(a.tx, c.ReplacedBy); !ok || !by.MayHold() || c.ReplacedBy == c.Node {
			return fmt.Errorf("node %d cannot be replaced by node %d, which is not an active node that joined: %w", c.Node, c.ReplacedBy, kerr.InvalidRequest)
		}
	}
	if c.State == topics.NodeRemoved && !c.Force {
		if n := a.replicasOn(c.Node); n > 0 {
			return fmt.Errorf("node %d has %d replicas: `inkwell metadata nodes drain %d` moves them away; for a node that is dead, `inkwell metadata nodes replace %d NEW`: %w", c.Node, n, c.Node, c.Node, kerr.InvalidRequest)
		}
	}
	node.State, node.ReplacedBy = c.State, c.ReplacedBy
	a.put(nodeKey(node.ID), node)
	return nil
}

func (a *apply) activeNodesBut(id int32) (n int) {
	for _, node := range Nodes(a.tx) {
		if node.ID != id && node.MayHold() {
			n++
		}
	}
	return n
}

func (a *apply) replicasOn(id int32) (n int) {
	for _, p := range Placements(a.tx) {
		if p.Holds(id) {
			n++
		}
	}
	return n
}

// MetadataCluster reads the Metadata cluster's own record.
func MetadataCluster(r statestore.Reader) (*topics.MetadataCluster, bool) {
	value, ok := r.Get(clusterIDKey)
	if !ok {
		return nil, false
	}
	return decodeAs[*topics.MetadataCluster](value), true
}

// Node reads one node.
func Node(r statestore.Reader, id int32) (*topics.Node, bool) {
	value, ok := r.Get(nodeKey(id))
	if !ok {
		return nil, false
	}
	return decodeAs[*topics.Node](value), true
}

// Nodes reads all nodes, those that were removed, too.
func Nodes(r statestore.Reader) (all []*topics.Node) {
	r.Scan([]byte{'n'}, []byte{'n' + 1}, func(_, value []byte) bool {
		all = append(all, decodeAs[*topics.Node](value))
		return true
	})
	return all
}

// decodeAs reads what this machine wrote; damage is the store's failure.
func decodeAs[T topics.ClusterMetadataRecord](value []byte) T {
	record, err := topics.DecodeClusterMetadata(value)
	as, ok := record.(T)
	if err != nil || !ok {
		panic(&statestore.Failure{Op: "reading a record", Err: fmt.Errorf("%T: %w", record, err)})
	}
	return as
}
