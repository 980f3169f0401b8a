package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// NodeAdmin is the arrow `inkwell metadata nodes` -> controller of the Metadata Kafka Cluster. Only its administrators may call it. All methods may return
// kerr.NotCoordinator (another node leads __cluster_metadata) and kerr.ClusterAuthorizationFailed.
type NodeAdmin interface {
	// ListNodes lists all nodes by id, those that were removed, too, and the moves under way.
	ListNodes(ctx context.Context, req *ListNodesRequest) (*ListNodesResponse, error)
	// SetNode adds, drains, removes or replaces a node. kerr.ResourceNotFound: there is no such node. kerr.InvalidRequest: the node's state does not allow it, and the text
	// says what does. Asking twice does no harm.
	SetNode(ctx context.Context, req *SetNodeRequest) (*SetNodeResponse, error)
	// AddBatchCoordinators gives a cluster more partitions of __batch_coordinates. kerr.InvalidPartitions: it has more than that.
	AddBatchCoordinators(ctx context.Context, req *AddBatchCoordinatorsRequest) (*AddBatchCoordinatorsResponse, error)
}

// ListNodesRequest is empty.
type ListNodesRequest struct{}

// ListNodesResponse describes the nodes as the controller sees them now.
type ListNodesResponse struct {
	ClusterID  string // of the Metadata Kafka Cluster
	Controller int32
	Nodes      []NodeDescription
	Moves      []MoveDescription
}

// NodeDescription is one node.
type NodeDescription struct {
	ID          int32
	Address     string // where brokers and administrators reach it
	RaftAddress string // where the other nodes reach it
	Version     string
	State       string // "active", "draining" or "removed"
	Alive       bool
	Replicas    int32 // partitions that it holds or is to hold
	Leads       int32
	Arriving    int32 // replicas that are on their way to it
	Leaving     int32 // replicas that are on their way from it
	ReplacedBy  int32 // 0 for none
}

// MoveDescription is one partition whose replicas change.
type MoveDescription struct {
	Topic     string
	Partition int32
	From      []int32
	To        []int32
	Lag       int64 // entries that the farthest new replica is behind, -1 when that is not known
}

// NodeAction is what SetNode does.
type NodeAction int8

// The actions.
const (
	NodeAdd     NodeAction = iota + 1 // admit a node, again after a drain
	NodeDrain                         // move its replicas and leaders away
	NodeRemove                        // end its membership; it must be drained
	NodeReplace                       // end the membership of a dead node and rebuild its replicas on another
)

// SetNodeRequest names a node.
type SetNodeRequest struct {
	Action NodeAction
	Node   int32
	By     int32 // NodeReplace: the node that takes over
	Force  bool  // NodeRemove, NodeReplace: even though it has replicas, or is alive
}

// SetNodeResponse is empty.
type SetNodeResponse struct{}

// AddBatchCoordinatorsRequest asks for Count partitions in all.
type AddBatchCoordinatorsRequest struct {
	Name  kafka.ClusterID
	Count int32
}

// AddBatchCoordinatorsResponse is empty.
type AddBatchCoordinatorsResponse struct{}
