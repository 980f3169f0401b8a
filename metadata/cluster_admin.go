package metadata

import (
	"context"
	"maps"
	"slices"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

var _ rpc.ClusterAdmin = (*Node)(nil)

// CreateCluster implements rpc.ClusterAdmin.
func (n *Node) CreateCluster(ctx context.Context, req *rpc.CreateClusterRequest) (*rpc.CreateClusterResponse, error) {
	made, err := n.clusters.CreateCluster(ctx, clustercontroller.Spec{Name: req.Name, BatchCoordinators: req.BatchCoordinators, GroupCoordinators: req.GroupCoordinators})
	if err != nil {
		return nil, err
	}
	return &rpc.CreateClusterResponse{
		UUID: made.Cluster.UUID, Password: made.Password, BatchCoordinators: made.Cluster.BatchCoordinatorPartitions, GroupCoordinators: made.Cluster.GroupCoordinatorPartitions,
	}, nil
}

// ListClusters implements rpc.ClusterAdmin.
func (n *Node) ListClusters(ctx context.Context, _ *rpc.ListClustersRequest) (*rpc.ListClustersResponse, error) {
	all, err := n.clusters.ListClusters(ctx)
	if err != nil {
		return nil, err
	}
	resp := &rpc.ListClustersResponse{}
	for _, c := range all {
		resp.Clusters = append(resp.Clusters, summary(c))
	}
	return resp, nil
}

func summary(c *topics.InklessCluster) rpc.InklessClusterSummary {
	return rpc.InklessClusterSummary{
		Name: c.Name, UUID: c.UUID, State: c.State.String(), CreatedMillis: c.CreatedMillis,
		BatchCoordinators: c.BatchCoordinatorPartitions, GroupCoordinators: c.GroupCoordinatorPartitions,
		Limits: limitsOf(c),
	}
}

// DescribeInklessCluster implements rpc.ClusterAdmin.
func (n *Node) DescribeInklessCluster(ctx context.Context, req *rpc.DescribeInklessClusterRequest) (*rpc.DescribeInklessClusterResponse, error) {
	c, err := n.clusters.DescribeCluster(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	resp := &rpc.DescribeInklessClusterResponse{Cluster: summary(c)}
	t := n.tenant(req.Name)
	if t == nil {
		return resp, nil
	}
	l := n.layout.Load()
	for _, topic := range []struct {
		name string
		logs []raftlog.Log
	}{{topics.BatchCoordinates(c.Name), t.batchLogs}, {topics.ConsumerOffsets(c.Name), t.groupLogs}, {topics.Metadata(c.Name), []raftlog.Log{t.metadataLog}}} {
		described := rpc.InternalTopic{Name: topic.name, Partitions: int32(len(topic.logs))}
		nodes := map[int32]*rpc.NodeReplicas{}
		at := func(node int32) *rpc.NodeReplicas {
			if nodes[node] == nil {
				nodes[node] = &rpc.NodeReplicas{Node: node}
			}
			return nodes[node]
		}
		for p, log := range topic.logs {
			if placed := l.placement(topic.name, int32(p)); placed != nil {
				for _, node := range placed.Voters {
					at(node).Replicas++
				}
			}
			if leader := log.Leadership().Leader; leader < 0 {
				described.Leaderless++
			} else {
				at(leader).Leads++
			}
		}
		for _, node := range slices.Sorted(maps.Keys(nodes)) {
			described.Nodes = append(described.Nodes, *nodes[node])
		}
		resp.Topics = append(resp.Topics, described)
	}
	return resp, nil
}

// DeleteCluster implements rpc.ClusterAdmin.
func (n *Node) DeleteCluster(ctx context.Context, req *rpc.DeleteClusterRequest) (*rpc.DeleteClusterResponse, error) {
	return &rpc.DeleteClusterResponse{}, n.clusters.DeleteCluster(ctx, req.Name)
}
