package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
)

// ClusterAdmin is the arrow `inkwell cluster` -> controller of the Metadata Kafka Cluster. Only its administrators may call it. All methods may return
// kerr.NotCoordinator (this node does not lead __cluster_metadata) and kerr.ClusterAuthorizationFailed.
type ClusterAdmin interface {
	// CreateCluster makes an Inkless cluster and its topics. kerr.DuplicateResource: the name is taken, if only by a cluster that was deleted.
	// kerr.InvalidRequest: the name is not a legal one. kerr.InvalidPartitions: a count is out of bounds. kafka.ErrUnknownOutcome: it may exist.
	CreateCluster(ctx context.Context, req *CreateClusterRequest) (*CreateClusterResponse, error)
	// ListClusters lists all clusters by name, also those that were deleted.
	ListClusters(ctx context.Context, req *ListClustersRequest) (*ListClustersResponse, error)
	// DescribeInklessCluster returns kerr.ResourceNotFound for a cluster that never was.
	DescribeInklessCluster(ctx context.Context, req *DescribeInklessClusterRequest) (*DescribeInklessClusterResponse, error)
	// DeleteCluster ends a cluster and removes its topics; the objects in its store stay. kerr.ResourceNotFound: there is no such cluster, or it was deleted before.
	DeleteCluster(ctx context.Context, req *DeleteClusterRequest) (*DeleteClusterResponse, error)
}

// CreateClusterRequest names a new cluster. A count of 0 leaves it to the node.
type CreateClusterRequest struct {
	Name              kafka.ClusterID
	BatchCoordinators int32 // partitions of __batch_coordinates.c
	GroupCoordinators int32 // partitions of __consumer_offsets.c
}

// CreateClusterResponse has the password of the cluster's brokers, which nobody can read again.
type CreateClusterResponse struct {
	UUID              string // cluster.id, as clients see it
	Password          string
	BatchCoordinators int32
	GroupCoordinators int32
}

// ListClustersRequest is empty.
type ListClustersRequest struct{}

// ListClustersResponse is sorted by name.
type ListClustersResponse struct {
	Clusters []InklessClusterSummary
}

// InklessClusterSummary is a cluster as __cluster_metadata has it, without its credential.
type InklessClusterSummary struct {
	Name              kafka.ClusterID
	UUID              string
	State             string // "active", "suspended" or "deleted"
	CreatedMillis     int64
	BatchCoordinators int32
	GroupCoordinators int32
	Limits            []NamedLimit // those that are set
}

// DescribeInklessClusterRequest names one cluster.
type DescribeInklessClusterRequest struct {
	Name kafka.ClusterID
}

// DescribeInklessClusterResponse says what a cluster has on the Metadata Kafka Cluster and where. Topics is empty for a deleted cluster.
type DescribeInklessClusterResponse struct {
	Cluster InklessClusterSummary
	Topics  []InternalTopic // by name
}

// InternalTopic is one topic of a cluster on the Metadata Kafka Cluster.
type InternalTopic struct {
	Name       string
	Partitions int32
	Leaderless int32 // partitions whose leader is not known
	Nodes      []NodeReplicas
}

// NodeReplicas counts the partitions of a topic that a node holds and leads.
type NodeReplicas struct {
	Node     int32
	Replicas int32
	Leads    int32
}

// DeleteClusterRequest names the cluster to end.
type DeleteClusterRequest struct {
	Name kafka.ClusterID
}

// DeleteClusterResponse is empty.
type DeleteClusterResponse struct{}
