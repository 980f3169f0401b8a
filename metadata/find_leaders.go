package metadata

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// directory is what a node knows of the nodes of the Metadata Kafka Cluster.
type directory interface {
	nodeID() int32
	// liveNodes are the live ones with the addresses that brokers reach them at.
	liveNodes() []rpc.MetadataNode
}

func (n *Node) nodeID() int32 { return n.cfg.ID }

// liveNodes implements directory.
func (n *Node) liveNodes() []rpc.MetadataNode {
	if n.cfg.Listener == nil {
		return []rpc.MetadataNode{{ID: n.cfg.ID}}
	}
	self, err := n.self()
	if err != nil { // serve has refused to start
		return nil
	}
	nodes := []rpc.MetadataNode{{ID: self.ID, Address: net.JoinHostPort(self.Host, strconv.Itoa(int(self.Port)))}}
	for _, m := range n.layout.Load().present() {
		if address := addressOf(m); address != "" && m.ID != self.ID && n.alive(m.ID) {
			nodes = append(nodes, rpc.MetadataNode{ID: m.ID, Address: address})
		}
	}
	return nodes
}

// FindLeaders implements rpc.LeaderFinder. It is answered from what this node knows, leader or not.
func (t *tenant) FindLeaders(context.Context, *rpc.FindLeadersRequest) (*rpc.FindLeadersResponse, error) {
	resp := &rpc.FindLeadersResponse{Self: t.directory.nodeID(), Nodes: t.directory.liveNodes()}
	add := func(kind rpc.TargetKind, logs ...raftlog.Log) {
		for p, log := range logs {
			l := log.Leadership()
			resp.Leaders = append(resp.Leaders, rpc.PartitionLeader{Kind: kind, Partition: int32(p), Node: l.Leader, Term: int64(l.Term)})
		}
	}
	add(rpc.TargetController, t.metadataLog)
	add(rpc.TargetBatchCoordinator, t.batchLogs...)
	add(rpc.TargetGroupPartition, t.groupLogs...)
	return resp, nil
}

// LeadsController is nil on the node that leads __cluster_metadata, and says elsewhere where that is.
func (n *Node) LeadsController() error {
	l := n.clusterLog.Leadership()
	if l.IsLeader {
		return nil
	}
	hint := &rpc.NotLeader{Node: -1, Term: int64(l.Term), Err: fmt.Errorf("node %d does not lead %s: %w", n.cfg.ID, topics.ClusterMetadata, kerr.NotCoordinator)}
	if m := n.layout.Load().nodes[l.Leader]; m != nil && l.Leader != n.cfg.ID {
		hint.Node, hint.Address = l.Leader, addressOf(m)
	}
	return hint
}

// leads refuses what belongs to another node before anything is done.
func (t *tenant) leads(name string, partition int32, log raftlog.Log) error {
	if log.Leadership().IsLeader {
		return nil
	}
	return t.hinted(log, fmt.Errorf("%s-%d is led by another node: %w", name, partition, kerr.NotCoordinator))
}

// hinted adds to a NOT_COORDINATOR where the leader is.
func (t *tenant) hinted(log raftlog.Log, err error) error {
	if !errors.Is(err, kerr.NotCoordinator) {
		return err
	}
	l := log.Leadership()
	hint := &rpc.NotLeader{Node: -1, Term: int64(l.Term), Err: err}
	if l.IsLeader || l.Leader == t.directory.nodeID() { // it leads and has not applied all yet, or it led until now
		return hint
	}
	for _, n := range t.directory.liveNodes() {
		if n.ID == l.Leader {
			hint.Node, hint.Address = n.ID, n.Address
		}
	}
	return hint
}
