package server

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// controller is what a callee that is one node of several has: it says who leads __cluster_metadata, where it is not this node.
type controller interface {
	LeadsController() error
}

// leads refuses calls that belong to another node, with a hint.
func leads(admin any) error {
	if c, ok := admin.(controller); ok {
		return c.LeadsController()
	}
	return nil
}

// AdminAPIs is the part of a metadata node's table that `inkwell cluster` uses. Who is no administrator gets CLUSTER_AUTHORIZATION_FAILED.
func AdminAPIs(admin rpc.ClusterAdmin, isAdmin func(principal string) bool) []listener.API {
	callee := func(principal string) (rpc.ClusterAdmin, error) {
		if !isAdmin(principal) {
			return nil, fmt.Errorf("%s is no administrator of the Metadata cluster: %w", principal, kerr.ClusterAuthorizationFailed)
		}
		return admin, leads(admin)
	}
	return []listener.API{
		serve(rpc.KeyCreateCluster, callee, rpc.ClusterAdmin.CreateCluster),
		serve(rpc.KeyListClusters, callee, rpc.ClusterAdmin.ListClusters),
		serve(rpc.KeyDescribeInklessCluster, callee, rpc.ClusterAdmin.DescribeInklessCluster),
		serve(rpc.KeyDeleteCluster, callee, rpc.ClusterAdmin.DeleteCluster),
	}
}
