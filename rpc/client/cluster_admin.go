package client

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// AdminConfig of an AdminClient.
type AdminConfig struct {
	Addresses []string // of metadata nodes, tried in turn
	User      string   // an administrator; with an empty Password the connection is nobody's (User:ANONYMOUS)
	Password  string
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	Nonce     func() string // for SCRAM; nil uses crypto/rand
	Timeout   time.Duration // of one call; default 30 s
	ClientID  string
	Logger    *slog.Logger
}

// AdminClient implements rpc.ClusterAdmin. It is a Client that authenticates as an administrator and belongs to no Inkless cluster.
type AdminClient struct{ c *Client }

var _ rpc.ClusterAdmin = (*AdminClient)(nil)

// adminUnreachable is how long an administrator waits where no node can be reached: longer than a failover, shorter than patience.
const adminUnreachable = 5 * time.Second

// NewAdmin makes an AdminClient; it dials at the first call.
func NewAdmin(cfg AdminConfig) *AdminClient {
	return &AdminClient{New(Config{
		Addresses: cfg.Addresses, Cluster: kafka.ClusterID(cfg.User), Password: cfg.Password, Dial: cfg.Dial, Nonce: cfg.Nonce, Timeout: cfg.Timeout,
		ClientID: cfg.ClientID, Logger: cfg.Logger, unreachable: adminUnreachable,
	})}
}

// Close ends the connection; calls in flight are answered.
func (a *AdminClient) Close() error { return a.c.Close() }

// admin makes one call at the controller of the Metadata cluster. Any node that is not it says who is.
func admin(ctx context.Context, a *AdminClient, k kind, key int16, req, answer rpc.Message) error {
	return callAt(ctx, a.c, clusterController, k, 0, key, req, answer)
}

// CreateCluster implements rpc.ClusterAdmin.
func (a *AdminClient) CreateCluster(ctx context.Context, req *rpc.CreateClusterRequest) (*rpc.CreateClusterResponse, error) {
	answer := new(rpc.CreateClusterResponse)
	return answer, admin(ctx, a, changes, rpc.KeyCreateCluster, req, answer)
}

// ListClusters implements rpc.ClusterAdmin.
func (a *AdminClient) ListClusters(ctx context.Context, req *rpc.ListClustersRequest) (*rpc.ListClustersResponse, error) {
	answer := new(rpc.ListClustersResponse)
	return answer, admin(ctx, a, reads, rpc.KeyListClusters, req, answer)
}

// DescribeInklessCluster implements rpc.ClusterAdmin.
func (a *AdminClient) DescribeInklessCluster(ctx context.Context, req *rpc.DescribeInklessClusterRequest) (*rpc.DescribeInklessClusterResponse, error) {
	answer := new(rpc.DescribeInklessClusterResponse)
	return answer, admin(ctx, a, reads, rpc.KeyDescribeInklessCluster, req, answer)
}

// DeleteCluster implements rpc.ClusterAdmin.
func (a *AdminClient) DeleteCluster(ctx context.Context, req *rpc.DeleteClusterRequest) (*rpc.DeleteClusterResponse, error) {
	answer := new(rpc.DeleteClusterResponse)
	return answer, admin(ctx, a, changes, rpc.KeyDeleteCluster, req, answer)
}
