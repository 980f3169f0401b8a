package client_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// TestAnotherClustersCredential: a client that the nodes take for another cluster than it means does not go on. With a password that cannot happen, with a certificate it can.
func TestAnotherClustersCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeNodes(t)
		c := client.New(client.Config{Addresses: []string{"n1:1"}, Dial: w.dial, Cluster: "c2"})
		_, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
		if !errors.Is(err, kerr.ClusterAuthorizationFailed) {
			t.Errorf("error %v, want CLUSTER_AUTHORIZATION_FAILED", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
