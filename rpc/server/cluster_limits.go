package server

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// AlterAPIs is the part of a metadata node's table that changes clusters and features. Who is no administrator gets CLUSTER_AUTHORIZATION_FAILED.
func AlterAPIs(alterer rpc.ClusterAlterer, isAdmin func(principal string) bool) []listener.API {
	callee := func(principal string) (rpc.ClusterAlterer, error) {
		if !isAdmin(principal) {
			return nil, fmt.Errorf("%s is no administrator of the Metadata cluster: %w", principal, kerr.ClusterAuthorizationFailed)
		}
		return alterer, leads(alterer)
	}
	return []listener.API{
		serve(rpc.KeyAlterCluster, callee, rpc.ClusterAlterer.AlterCluster),
		serve(rpc.KeyRotateCredential, callee, rpc.ClusterAlterer.RotateCredential),
		serve(rpc.KeyListFeatures, callee, rpc.ClusterAlterer.ListFeatures),
		serve(rpc.KeyUpgradeFeatures, callee, rpc.ClusterAlterer.UpgradeFeatures),
	}
}
