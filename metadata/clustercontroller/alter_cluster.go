package clustercontroller

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/topics"
)

// LimitCluster changes limits of a cluster and returns it as it is then. kerr.InvalidConfig: there is no such limit, or its value is out of bounds.
func (c *Controller) LimitCluster(ctx context.Context, name kafka.ClusterID, limits []topics.LimitChange) (*topics.InklessCluster, error) {
	var checked topics.ClusterLimits
	for _, l := range limits {
		if err := checked.Set(l); err != nil {
			return nil, fmt.Errorf("%w: %w", err, kerr.InvalidConfig)
		}
	}
	return c.alter(ctx, &state.AlterCluster{Name: name, Limits: limits})
}

// SuspendCluster refuses what a cluster's brokers ask, or with suspended false serves them again. Doing it twice is no error.
func (c *Controller) SuspendCluster(ctx context.Context, name kafka.ClusterID, suspended bool) (*topics.InklessCluster, error) {
	to := topics.ClusterActive
	if suspended {
		to = topics.ClusterSuspended
	}
	return c.alter(ctx, &state.AlterCluster{Name: name, State: to})
}

// RotateCredential gives the cluster's brokers a new password, which nobody can read again. The old one is refused from the next connection on.
func (c *Controller) RotateCredential(ctx context.Context, name kafka.ClusterID) (*Created, error) {
	if _, err := c.DescribeCluster(ctx, name); err != nil {
		return nil, err
	}
	password := c.secret()
	credential, err := c.cfg.NewCredential(string(name), password, []byte(c.secret())[:24])
	if err != nil {
		return nil, err
	}
	cluster, err := c.alter(ctx, &state.AlterCluster{Name: name, Credential: credential})
	if err != nil {
		return nil, err
	}
	return &Created{Cluster: cluster, Password: password}, nil
}

func (c *Controller) alter(ctx context.Context, cmd *state.AlterCluster) (*topics.InklessCluster, error) {
	if err := c.propose(ctx, cmd); err != nil {
		return nil, err
	}
	altered, err := c.DescribeCluster(ctx, cmd.Name)
	if err == nil {
		c.cfg.Logger.Info("altered an Inkless cluster", "cluster", cmd.Name, "state", altered.State.String(), "limits", fmt.Sprintf("%+v", altered.Limits), "credential", cmd.Credential.StoredKey != nil)
	}
	return altered, err
}
