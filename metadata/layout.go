package metadata

import (
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// layout is an immutable picture of __cluster_metadata, as this node's replica shows it.
type layout struct {
	clusterID  string
	level      int32 // of topics.MetadataFeature
	nodes      map[int32]*topics.Node
	clusters   map[kafka.ClusterID]*topics.InklessCluster
	placements map[string]map[int32]*topics.PartitionPlacement
}

func (v *clusterView) layout() *layout {
	l := &layout{clusterID: v.clusterID, level: max(v.level, topics.FeatureLevel1), nodes: maps.Clone(v.nodes), clusters: maps.Clone(v.clusters), placements: make(map[string]map[int32]*topics.PartitionPlacement, len(v.placements))}
	for topic, partitions := range v.placements {
		l.placements[topic] = maps.Clone(partitions)
	}
	return l
}

func (l *layout) placement(topic string, partition int32) *topics.PartitionPlacement {
	return l.placements[topic][partition]
}

// own are the placements of the Metadata cluster's own topics. A replica that has not seen them yet knows where they began.
func (l *layout) own(topic string, group uint64) *topics.PartitionPlacement {
	if p := l.placement(topic, 0); p != nil {
		return p
	}
	return &topics.PartitionPlacement{Topic: topic, RaftGroup: group}
}

func (l *layout) clusterMetadata() *topics.PartitionPlacement {
	return l.own(topics.ClusterMetadata, state.ClusterMetadataGroup)
}

func (l *layout) ownOffsets() *topics.PartitionPlacement {
	return l.own(state.OwnOffsetsTopic, state.OwnOffsetsGroup)
}

// members are the nodes that were not removed, by id.
func (l *layout) members() []*topics.Node {
	var out []*topics.Node
	for _, id := range slices.Sorted(maps.Keys(l.nodes)) {
		if n := l.nodes[id]; n.State != topics.NodeRemoved {
			out = append(out, n)
		}
	}
	return out
}

// present are the nodes that others have to do with, by id: members, and those that were removed and still have replicas. One of these may live and lead: it must be told where its
// replicas are to go, and be found until they are there. A node that lost its log is as good as dead, and what still arrives from before that is not heard.
func (l *layout) present() []*topics.Node {
	var out []*topics.Node
	for _, id := range slices.Sorted(maps.Keys(l.nodes)) {
		if n := l.nodes[id]; !n.Lost() && (n.State != topics.NodeRemoved || l.holds(id)) {
			out = append(out, n)
		}
	}
	return out
}

// connected are the nodes that others must reach by Raft.
func (l *layout) connected() map[int32]string {
	out := map[int32]string{}
	for _, n := range l.present() {
		if n.RaftAddress != "" {
			out[n.ID] = n.RaftAddress
		}
	}
	return out
}

func (l *layout) holds(node int32) bool {
	for _, partitions := range l.placements {
		for _, p := range partitions {
			if p.Holds(node) {
				return true
			}
		}
	}
	return false
}

// addressOf is where brokers and administrators reach a node, empty for nowhere.
func addressOf(n *topics.Node) string {
	if len(n.Listeners) == 0 {
		return ""
	}
	return net.JoinHostPort(n.Listeners[0].Host, strconv.Itoa(int(n.Listeners[0].Port)))
}

func peerNode(n *topics.Node) rpc.PeerNode {
	return rpc.PeerNode{ID: n.ID, Address: addressOf(n), RaftAddress: n.RaftAddress}
}
