package metadata

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

var _ rpc.NodeAdmin = (*Node)(nil)

// ListNodes implements rpc.NodeAdmin.
func (n *Node) ListNodes(ctx context.Context, _ *rpc.ListNodesRequest) (*rpc.ListNodesResponse, error) {
	l, err := n.clusters.Layout(ctx)
	if err != nil {
		return nil, err
	}
	resp := &rpc.ListNodesResponse{ClusterID: n.identity.ClusterID, Controller: n.clusterLog.Leadership().Leader}
	for _, node := range l.Nodes {
		resp.Nodes = append(resp.Nodes, n.describeNode(l, node))
	}
	slices.SortFunc(resp.Nodes, func(a, b rpc.NodeDescription) int { return int(a.ID - b.ID) })
	var moving []*topics.PartitionPlacement
	for _, p := range l.Placements {
		if len(p.Target) > 0 {
			moving = append(moving, p)
		}
	}
	resp.Moves = make([]rpc.MoveDescription, len(moving))
	var asking sync.WaitGroup
	for i, p := range moving {
		resp.Moves[i] = rpc.MoveDescription{Topic: p.Topic, Partition: p.Partition, From: p.Voters, To: p.Target, Lag: -1}
		asking.Go(func() { resp.Moves[i].Lag = n.moveLag(ctx, p) })
	}
	asking.Wait()
	return resp, nil
}

func (n *Node) describeNode(l clustercontroller.Layout, node *topics.Node) rpc.NodeDescription {
	d := rpc.NodeDescription{
		ID: node.ID, Address: addressOf(node), RaftAddress: node.RaftAddress, Version: node.Version, State: node.Condition(), ReplacedBy: node.ReplacedBy,
		Alive: n.alive(node.ID),
	}
	for _, p := range l.Placements {
		if !p.Holds(node.ID) {
			continue
		}
		d.Replicas++
		switch {
		case len(p.Target) == 0:
		case !slices.Contains(p.Voters, node.ID):
			d.Arriving++
		case !slices.Contains(p.Target, node.ID):
			d.Leaving++
		}
		if n.leaderOf(p.RaftGroup) == node.ID {
			d.Leads++
		}
	}
	return d
}

// leaderOf is the node that leads a group as far as this one knows, -1 for nobody.
func (n *Node) leaderOf(group uint64) int32 {
	told, ok := n.peers.leader(group)
	if s, err := n.logs.Status(group); err == nil && (!ok || s.Term >= told.Term) && s.Leader >= 0 {
		return s.Leader
	}
	if !ok {
		return -1
	}
	return told.Leader
}

// moveLag is how far the farthest new replica is behind, -1 when the leader does not say.
func (n *Node) moveLag(ctx context.Context, p *topics.PartitionPlacement) int64 {
	ctx, cancel := within(ctx, n.cfg.Clock, statusTimeout)
	defer cancel()
	req := &rpc.DescribeGroupRequest{Group: p.RaftGroup}
	var resp *rpc.DescribeGroupResponse
	var err error
	if leader := n.leaderOf(p.RaftGroup); leader == n.cfg.ID {
		resp, err = n.DescribeGroup(ctx, req)
	} else if peer := n.peers.get(leader); peer != nil {
		resp, err = peer.client.DescribeGroup(ctx, req)
	} else {
		return -1
	}
	if err != nil {
		return -1
	}
	lag := int64(0)
	for _, node := range p.Target {
		end := int64(0) // not even a learner yet
		for _, r := range resp.Replicas {
			if r.Node == node {
				end = r.LogEnd
			}
		}
		lag = max(lag, resp.LogEnd-end)
	}
	return lag
}

// SetNode implements rpc.NodeAdmin.
func (n *Node) SetNode(ctx context.Context, req *rpc.SetNodeRequest) (*rpc.SetNodeResponse, error) {
	if req.Force && (req.Action == rpc.NodeRemove || req.Action == rpc.NodeReplace) {
		if err := n.mayLose(req.Node); err != nil {
			return nil, err
		}
	}
	var err error
	switch req.Action {
	case rpc.NodeAdd:
		err = n.clusters.AddNode(ctx, req.Node)
	case rpc.NodeDrain:
		err = n.clusters.DrainNode(ctx, req.Node)
	case rpc.NodeRemove:
		err = n.clusters.RemoveNode(ctx, req.Node, req.Force)
	case rpc.NodeReplace:
		err = n.clusters.ReplaceNode(ctx, req.Node, req.By, req.Force)
	default:
		err = fmt.Errorf("node action %d: %w", req.Action, kerr.InvalidRequest)
	}
	if err != nil {
		return nil, err
	}
	return &rpc.SetNodeResponse{}, nil
}

// AddBatchCoordinators implements rpc.NodeAdmin.
func (n *Node) AddBatchCoordinators(ctx context.Context, req *rpc.AddBatchCoordinatorsRequest) (*rpc.AddBatchCoordinatorsResponse, error) {
	if err := n.clusters.AddBatchCoordinators(ctx, req.Name, req.Count); err != nil {
		return nil, err
	}
	return &rpc.AddBatchCoordinatorsResponse{}, nil
}
