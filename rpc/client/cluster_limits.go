package client

import (
	"context"

	"github.com/inkwell-project/inkwell/rpc"
)

var _ rpc.ClusterAlterer = (*AdminClient)(nil)

// AlterCluster implements rpc.ClusterAlterer. Doing it twice has one effect, so a lost answer is asked again by who asked.
func (a *AdminClient) AlterCluster(ctx context.Context, req *rpc.AlterClusterRequest) (*rpc.AlterClusterResponse, error) {
	answer := new(rpc.AlterClusterResponse)
	return answer, admin(ctx, a, changes, rpc.KeyAlterCluster, req, answer)
}

// RotateCredential implements rpc.ClusterAlterer.
func (a *AdminClient) RotateCredential(ctx context.Context, req *rpc.RotateCredentialRequest) (*rpc.RotateCredentialResponse, error) {
	answer := new(rpc.RotateCredentialResponse)
	return answer, admin(ctx, a, changes, rpc.KeyRotateCredential, req, answer)
}

// ListFeatures implements rpc.ClusterAlterer.
func (a *AdminClient) ListFeatures(ctx context.Context, req *rpc.ListFeaturesRequest) (*rpc.ListFeaturesResponse, error) {
	answer := new(rpc.ListFeaturesResponse)
	return answer, admin(ctx, a, reads, rpc.KeyListFeatures, req, answer)
}

// UpgradeFeatures implements rpc.ClusterAlterer.
func (a *AdminClient) UpgradeFeatures(ctx context.Context, req *rpc.UpgradeFeaturesRequest) (*rpc.ListFeaturesResponse, error) {
	answer := new(rpc.ListFeaturesResponse)
	return answer, admin(ctx, a, changes, rpc.KeyUpgradeFeatures, req, answer)
}
