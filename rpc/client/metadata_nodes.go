package client

import (
	"context"

	"github.com/inkwell-project/inkwell/rpc"
)

// NodeClient implements rpc.NodePeers: the calls of one metadata node at another.
type NodeClient struct{ c *Client }

var _ rpc.NodePeers = (*NodeClient)(nil)

// NewNode makes a NodeClient of one address; it dials at the first call. cfg.Cluster is the user that nodes log in as.
func NewNode(cfg Config) *NodeClient { return &NodeClient{New(cfg)} }

// Close ends the connection; calls in flight are answered.
func (n *NodeClient) Close() error { return n.c.Close() }

// DescribeNodes implements rpc.NodePeers.
func (n *NodeClient) DescribeNodes(ctx context.Context, req *rpc.DescribeNodesRequest) (*rpc.DescribeNodesResponse, error) {
	answer := new(rpc.DescribeNodesResponse)
	return answer, call(ctx, n.c, reads, 0, rpc.KeyDescribeNodes, req, answer)
}

// RegisterNode implements rpc.NodePeers. Asking twice does no harm.
func (n *NodeClient) RegisterNode(ctx context.Context, req *rpc.RegisterNodeRequest) (*rpc.RegisterNodeResponse, error) {
	answer := new(rpc.RegisterNodeResponse)
	return answer, call(ctx, n.c, reads, 0, rpc.KeyRegisterNode, req, answer)
}

// NodeStatus implements rpc.NodePeers.
func (n *NodeClient) NodeStatus(ctx context.Context, req *rpc.NodeStatusRequest) (*rpc.NodeStatusResponse, error) {
	answer := new(rpc.NodeStatusResponse)
	return answer, call(ctx, n.c, reads, 0, rpc.KeyNodeStatus, req, answer)
}

// CompleteMove implements rpc.NodePeers. Asking twice does no harm.
func (n *NodeClient) CompleteMove(ctx context.Context, req *rpc.CompleteMoveRequest) (*rpc.CompleteMoveResponse, error) {
	answer := new(rpc.CompleteMoveResponse)
	return answer, call(ctx, n.c, reads, 0, rpc.KeyCompleteMove, req, answer)
}

// DescribeGroup implements rpc.NodePeers.
func (n *NodeClient) DescribeGroup(ctx context.Context, req *rpc.DescribeGroupRequest) (*rpc.DescribeGroupResponse, error) {
	answer := new(rpc.DescribeGroupResponse)
	return answer, call(ctx, n.c, reads, 0, rpc.KeyDescribeGroup, req, answer)
}

var _ rpc.NodeAdmin = (*AdminClient)(nil)

// ListNodes implements rpc.NodeAdmin.
func (a *AdminClient) ListNodes(ctx context.Context, req *rpc.ListNodesRequest) (*rpc.ListNodesResponse, error) {
	answer := new(rpc.ListNodesResponse)
	return answer, admin(ctx, a, reads, rpc.KeyListNodes, req, answer)
}

// SetNode implements rpc.NodeAdmin. Asking twice does no harm.
func (a *AdminClient) SetNode(ctx context.Context, req *rpc.SetNodeRequest) (*rpc.SetNodeResponse, error) {
	answer := new(rpc.SetNodeResponse)
	return answer, admin(ctx, a, reads, rpc.KeySetNode, req, answer)
}

// AddBatchCoordinators implements rpc.NodeAdmin. Asking twice does no harm.
func (a *AdminClient) AddBatchCoordinators(ctx context.Context, req *rpc.AddBatchCoordinatorsRequest) (*rpc.AddBatchCoordinatorsResponse, error) {
	answer := new(rpc.AddBatchCoordinatorsResponse)
	return answer, admin(ctx, a, reads, rpc.KeyAddBatchCoordinators, req, answer)
}
