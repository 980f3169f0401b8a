package rpc

import "context"

// NodePeers are the calls of one metadata node at another. The connection proves itself with the Metadata cluster's shared secret, or is an administrator's.
type NodePeers interface {
	// DescribeNodes says what cluster this is and who is in it. Every node answers from what it knows.
	DescribeNodes(ctx context.Context, req *DescribeNodesRequest) (*DescribeNodesResponse, error)
	// RegisterNode joins the cluster, or says again where a node is. kerr.InconsistentClusterID: it is of another cluster. kerr.DuplicateBrokerRegistration: the id is taken, or was
	// taken by a data folder that is not this one. kerr.NotCoordinator: the node does not lead __cluster_metadata.
	RegisterNode(ctx context.Context, req *RegisterNodeRequest) (*RegisterNodeResponse, error)
	// NodeStatus says who leads the groups that a node holds, and tells that the node is alive.
	NodeStatus(ctx context.Context, req *NodeStatusRequest) (*NodeStatusResponse, error)
	// CompleteMove tells the controller that the voters of a group are the target of its move. Saying it twice, or late, does no harm.
	CompleteMove(ctx context.Context, req *CompleteMoveRequest) (*CompleteMoveResponse, error)
	// DescribeGroup says how far the replicas of a group are that the asked node leads. kerr.NotCoordinator: it does not lead it.
	DescribeGroup(ctx context.Context, req *DescribeGroupRequest) (*DescribeGroupResponse, error)
}

// DescribeNodesRequest is empty.
type DescribeNodesRequest struct{}

// DescribeNodesResponse lists the nodes that were not removed.
type DescribeNodesResponse struct {
	ClusterID  string // empty: the cluster is just being made
	Controller int32  // -1 when unknown
	Nodes      []PeerNode
}

// PeerNode is one node and where it is.
type PeerNode struct {
	ID          int32
	Address     string
	RaftAddress string
}

// RegisterNodeRequest describes a node. An empty ClusterID is a node that has none yet.
type RegisterNodeRequest struct {
	ClusterID    string
	Node         PeerNode
	DirectoryID  string
	Version      string
	Rack         string
	FeatureLevel int32
	// LostDirectoryID is set by a node that lost the Raft log of the folder of this id, and that is to come back with DirectoryID.
	LostDirectoryID string
}

// RegisterNodeResponse says which cluster the node is in now.
type RegisterNodeResponse struct {
	ClusterID string
	Nodes     []PeerNode
	// Waiting is why a node that lost its Raft log may not come back yet, empty if it may.
	Waiting string
}

// NodeStatusRequest names the version of the status that the caller knows.
type NodeStatusRequest struct {
	Known uint64
}

// NodeStatusResponse has no groups when the version is the one that was known.
type NodeStatusResponse struct {
	Version uint64
	Groups  []GroupStatus
}

// GroupStatus is what a node knows of one group that it holds. The last three are told by the leader only.
type GroupStatus struct {
	Group    uint64
	Term     uint64
	Leader   int32 // -1 when unknown
	Voters   []int32
	Learners []int32
	InSync   []int32
}

// CompleteMoveRequest names a move by its number.
type CompleteMoveRequest struct {
	Topic     string
	Partition int32
	Move      uint64
	Voters    []int32
}

// CompleteMoveResponse is empty.
type CompleteMoveResponse struct{}

// DescribeGroupRequest names a group.
type DescribeGroupRequest struct {
	Group uint64
}

// DescribeGroupResponse is the leader's view.
type DescribeGroupResponse struct {
	Term     uint64
	Leader   int32
	Commit   int64 // of the Raft log
	LogEnd   int64
	Replicas []GroupReplica
}

// GroupReplica is one replica.
type GroupReplica struct {
	Node              int32
	Learner           bool
	LogEnd            int64
	LastContactMillis int64 // 0 for never
	InSync            bool
}
