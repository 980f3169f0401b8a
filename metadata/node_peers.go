package metadata

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

var _ rpc.NodePeers = (*Node)(nil)

// DescribeNodes implements rpc.NodePeers.
func (n *Node) DescribeNodes(context.Context, *rpc.DescribeNodesRequest) (*rpc.DescribeNodesResponse, error) {
	l := n.layout.Load()
	resp := &rpc.DescribeNodesResponse{ClusterID: l.clusterID, Controller: n.clusterLog.Leadership().Leader}
	for _, m := range l.members() {
		resp.Nodes = append(resp.Nodes, peerNode(m))
	}
	return resp, nil
}

// RegisterNode implements rpc.NodePeers.
func (n *Node) RegisterNode(ctx context.Context, req *rpc.RegisterNodeRequest) (*rpc.RegisterNodeResponse, error) {
	if !n.clusterLog.Leadership().IsLeader {
		return nil, fmt.Errorf("node %d does not lead %s: %w", n.cfg.ID, topics.ClusterMetadata, kerr.NotCoordinator)
	}
	id := n.clusters.ClusterID()
	if id == "" {
		return nil, fmt.Errorf("the Metadata cluster is just being made: %w", kerr.NotCoordinator)
	}
	if req.ClusterID != "" && req.ClusterID != id {
		return nil, fmt.Errorf("the node's data folder is of the Metadata cluster %s, this one is %s: check --join and --data: %w", req.ClusterID, id, kerr.InconsistentClusterID)
	}
	node, err := registration(req)
	if err != nil {
		return nil, err
	}
	if err := n.knowsLevel(ctx, node); err != nil {
		return nil, err
	}
	if req.LostDirectoryID != "" {
		return n.registerLost(ctx, req, node)
	}
	if old := n.layout.Load().nodes[node.ID]; old != nil && old.DirectoryID != "" && old.DirectoryID != node.DirectoryID && n.alive(node.ID) {
		return nil, fmt.Errorf("node %d is alive at %s: choose another --node.id: %w", node.ID, addressOf(old), kerr.DuplicateBrokerRegistration)
	}
	if err := n.clusters.RegisterNode(ctx, node); err != nil {
		return nil, err
	}
	return n.registered(ctx)
}

// registered is the answer to a node that is let in.
func (n *Node) registered(ctx context.Context) (*rpc.RegisterNodeResponse, error) {
	layout, err := n.clusters.Layout(ctx)
	if err != nil {
		return nil, err
	}
	resp := &rpc.RegisterNodeResponse{ClusterID: n.clusters.ClusterID()}
	for _, m := range layout.Nodes {
		if m.State != topics.NodeRemoved {
			resp.Nodes = append(resp.Nodes, peerNode(m))
		}
	}
	return resp, nil
}

// knowsLevel refuses a node of a release that cannot read what the others write.
func (n *Node) knowsLevel(ctx context.Context, node topics.Node) error {
	f, err := n.clusters.DescribeFeatures(ctx)
	if err != nil {
		return err
	}
	if knows := max(node.FeatureLevel, topics.FeatureLevel1); knows < f.Level {
		return fmt.Errorf("node %d (version %q) knows levels of %s up to %d and the Metadata cluster is at level %d: start the node with a release that knows level %d, such as this node's %q: %w",
			node.ID, node.Version, topics.MetadataFeature, knows, f.Level, f.Level, n.cfg.Version, kerr.InvalidRegistration)
	}
	return nil
}

// registration is the record of a node that registers.
func registration(req *rpc.RegisterNodeRequest) (topics.Node, error) {
	node := topics.Node{ID: req.Node.ID, RaftAddress: req.Node.RaftAddress, Rack: req.Rack, Version: req.Version, DirectoryID: req.DirectoryID, FeatureLevel: req.FeatureLevel}
	if node.ID < 1 || node.DirectoryID == "" {
		return node, fmt.Errorf("node %d with the data folder %q: %w", node.ID, node.DirectoryID, kerr.InvalidRegistration)
	}
	if req.Node.Address != "" {
		host, port, err := hostPort(req.Node.Address)
		if err != nil {
			return node, fmt.Errorf("%w: %w", err, kerr.InvalidRegistration)
		}
		node.Listeners = []topics.BrokerListener{{Name: listenerName, Host: host, Port: port}}
	}
	return node, nil
}

// statusAge is for how long an answer to NodeStatus is good: looking at all groups takes the event loop's time.
const statusAge = 400 * time.Millisecond

// ownStatus is what this node tells its peers.
type ownStatus struct {
	turn    chan struct{} // holds one; in it: whoever looks at what follows. Not a mutex: looking waits for the event loop, and with it for the disk
	at      time.Time
	version uint64
	groups  []rpc.GroupStatus
}

// NodeStatus implements rpc.NodePeers.
func (n *Node) NodeStatus(ctx context.Context, req *rpc.NodeStatusRequest) (*rpc.NodeStatusResponse, error) {
	s := &n.status
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("node %d is busy: %w", n.cfg.ID, context.Cause(ctx))
	}
	if now := n.cfg.Clock.Now(); s.version == 0 || now.Sub(s.at) >= statusAge || now.Before(s.at) {
		groups, err := n.groupStatuses()
		if err != nil {
			return nil, fmt.Errorf("node %d is about to stop: %w", n.cfg.ID, err)
		}
		s.at = now
		if s.version == 0 {
			s.version = n.cfg.NewRand().Uint64() | 1 // another one than before a restart
		}
		if !reflect.DeepEqual(groups, s.groups) {
			s.groups = groups
			s.version++
		}
	}
	if req.Known == s.version {
		return &rpc.NodeStatusResponse{Version: s.version}, nil
	}
	return &rpc.NodeStatusResponse{Version: s.version, Groups: s.groups}, nil
}

func (n *Node) groupStatuses() ([]rpc.GroupStatus, error) {
	statuses, err := n.logs.Statuses()
	if err != nil {
		return nil, err
	}
	groups := make([]rpc.GroupStatus, 0, len(statuses))
	for _, s := range statuses {
		g := rpc.GroupStatus{Group: s.Group, Term: s.Term, Leader: s.Leader}
		if s.IsLeader {
			g.Voters, g.Learners, g.InSync = s.Voters, s.Learners, n.inSync(&s)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// inSyncLag is how many entries an in-sync replica may be behind: as many as are on their way under load.
const inSyncLag = 10_000

// inSync are the voters that follow, as their leader sees them.
func (n *Node) inSync(s *raftlog.Status) (nodes []int32) {
	for _, r := range s.Replicas {
		if !r.Learner && (r.Node == n.cfg.ID || (r.Active || s.Quiesced) && !r.Snapshot && r.Lag <= inSyncLag && n.alive(r.Node)) {
			nodes = append(nodes, r.Node)
		}
	}
	return nodes
}

// CompleteMove implements rpc.NodePeers.
func (n *Node) CompleteMove(ctx context.Context, req *rpc.CompleteMoveRequest) (*rpc.CompleteMoveResponse, error) {
	return &rpc.CompleteMoveResponse{}, n.clusters.CompleteMove(ctx, state.Move{Topic: req.Topic, Partition: req.Partition, Number: req.Move, Target: req.Voters})
}

// DescribeGroup implements rpc.NodePeers.
func (n *Node) DescribeGroup(_ context.Context, req *rpc.DescribeGroupRequest) (*rpc.DescribeGroupResponse, error) {
	s, err := n.logs.Status(req.Group)
	if err != nil {
		return nil, err
	}
	if !s.IsLeader {
		return nil, fmt.Errorf("%s is led by node %d: %w", s.Name, s.Leader, kerr.NotCoordinator)
	}
	return n.describeGroup(&s), nil
}

func (n *Node) describeGroup(s *raftlog.Status) *rpc.DescribeGroupResponse {
	resp := &rpc.DescribeGroupResponse{Term: s.Term, Leader: s.Leader, Commit: int64(s.Commit), LogEnd: int64(s.LastIndex)}
	now := n.cfg.Clock.Now()
	for _, r := range s.Replicas {
		replica := rpc.GroupReplica{Node: r.Node, Learner: r.Learner, LogEnd: int64(r.Match), InSync: r.Active && !r.Snapshot}
		if contact := r.LastContact; r.Node == n.cfg.ID {
			replica.LastContactMillis = now.UnixMilli()
		} else if !contact.IsZero() {
			replica.LastContactMillis = contact.UnixMilli()
		}
		resp.Replicas = append(resp.Replicas, replica)
	}
	return resp
}

// alive says whether a node was heard of lately.
func (n *Node) alive(id int32) bool { return id == n.cfg.ID || n.peers.alive(id) }
