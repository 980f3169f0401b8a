package server

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// NodeAPIs is the part of a metadata node's table that other nodes and `inkwell metadata nodes` use.
func NodeAPIs(admin rpc.NodeAdmin, peers rpc.NodePeers, isAdmin, isNode func(principal string) bool) []listener.API {
	asAdmin := func(principal string) (rpc.NodeAdmin, error) {
		if !isAdmin(principal) {
			return nil, fmt.Errorf("%s is no administrator of the Metadata cluster: %w", principal, kerr.ClusterAuthorizationFailed)
		}
		return admin, leads(admin)
	}
	asNode := func(principal string) (rpc.NodePeers, error) {
		if !isNode(principal) && !isAdmin(principal) {
			return nil, fmt.Errorf("%s is no node of the Metadata cluster: %w", principal, kerr.ClusterAuthorizationFailed)
		}
		return peers, nil
	}
	return []listener.API{
		serve(rpc.KeyListNodes, asAdmin, rpc.NodeAdmin.ListNodes),
		serve(rpc.KeySetNode, asAdmin, rpc.NodeAdmin.SetNode),
		serve(rpc.KeyAddBatchCoordinators, asAdmin, rpc.NodeAdmin.AddBatchCoordinators),
		serve(rpc.KeyDescribeNodes, asNode, rpc.NodePeers.DescribeNodes),
		serve(rpc.KeyRegisterNode, asNode, rpc.NodePeers.RegisterNode),
		serve(rpc.KeyNodeStatus, asNode, rpc.NodePeers.NodeStatus),
		serve(rpc.KeyCompleteMove, asNode, rpc.NodePeers.CompleteMove),
		serve(rpc.KeyDescribeGroup, asNode, rpc.NodePeers.DescribeGroup),
	}
}
