package metadata

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

var _ rpc.ClusterAlterer = (*Node)(nil)

// AlterCluster implements rpc.ClusterAlterer. Limits are set first: a cluster that is resumed has them at once.
func (n *Node) AlterCluster(ctx context.Context, req *rpc.AlterClusterRequest) (_ *rpc.AlterClusterResponse, err error) {
	var altered *topics.InklessCluster
	if len(req.Limits) > 0 {
		changes := make([]topics.LimitChange, len(req.Limits))
		for i, l := range req.Limits {
			changes[i] = topics.LimitChange{Name: l.Name, Value: l.Value}
		}
		if altered, err = n.clusters.LimitCluster(ctx, req.Name, changes); err != nil {
			return nil, err
		}
	}
	switch req.State {
	case rpc.ClusterActive, rpc.ClusterSuspended:
		altered, err = n.clusters.SuspendCluster(ctx, req.Name, req.State == rpc.ClusterSuspended)
	case "":
		if altered == nil {
			altered, err = n.clusters.DescribeCluster(ctx, req.Name)
		}
	default:
		err = fmt.Errorf("state %q: want %s or %s: %w", req.State, rpc.ClusterActive, rpc.ClusterSuspended, kerr.InvalidRequest)
	}
	if err != nil {
		return nil, err
	}
	return &rpc.AlterClusterResponse{Cluster: summary(altered)}, nil
}

// RotateCredential implements rpc.ClusterAlterer.
func (n *Node) RotateCredential(ctx context.Context, req *rpc.RotateCredentialRequest) (*rpc.RotateCredentialResponse, error) {
	made, err := n.clusters.RotateCredential(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	return &rpc.RotateCredentialResponse{Password: made.Password}, nil
}

// ListFeatures implements rpc.ClusterAlterer.
func (n *Node) ListFeatures(ctx context.Context, _ *rpc.ListFeaturesRequest) (*rpc.ListFeaturesResponse, error) {
	return featureRanges(n.clusters.DescribeFeatures(ctx))
}

// UpgradeFeatures implements rpc.ClusterAlterer.
func (n *Node) UpgradeFeatures(ctx context.Context, req *rpc.UpgradeFeaturesRequest) (*rpc.ListFeaturesResponse, error) {
	return featureRanges(n.clusters.UpgradeFeatures(ctx, req.Level))
}

func featureRanges(f clustercontroller.Features, err error) (*rpc.ListFeaturesResponse, error) {
	if err != nil {
		return nil, err
	}
	return &rpc.ListFeaturesResponse{Features: []rpc.FeatureRange{{Name: topics.MetadataFeature, Level: f.Level, Most: f.Most}}}, nil
}

// limitsOf are a cluster's limits by name, those that are set.
func limitsOf(c *topics.InklessCluster) (named []rpc.NamedLimit) {
	c.Limits.Each(func(name string, value int64) {
		if value != 0 {
			named = append(named, rpc.NamedLimit{Name: name, Value: value})
		}
	})
	return named
}
