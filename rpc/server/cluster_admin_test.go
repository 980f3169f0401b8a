package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

// adminNode is a listener with SASL and a ClusterAdmin that answers with what it was asked.
type adminNode struct {
	address string
	calls   atomic.Int32
	dies    atomic.Bool // connections end instead of an answer
	mu      sync.Mutex
	conns   []net.Conn
}

func (n *adminNode) called() error {
	n.calls.Add(1)
	if n.dies.Load() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, c := range n.conns {
			_ = c.Close()
		}
	}
	return nil
}

func (n *adminNode) CreateCluster(_ context.Context, req *rpc.CreateClusterRequest) (*rpc.CreateClusterResponse, error) {
	if req.Name == "taken" {
		return nil, fmt.Errorf("cluster %s: %w", req.Name, kerr.DuplicateResource)
	}
	return &rpc.CreateClusterResponse{UUID: "of " + string(req.Name), Password: "p", BatchCoordinators: req.BatchCoordinators, GroupCoordinators: req.GroupCoordinators}, n.called()
}

func (n *adminNode) ListClusters(context.Context, *rpc.ListClustersRequest) (*rpc.ListClustersResponse, error) {
	return &rpc.ListClustersResponse{Clusters: []rpc.InklessClusterSummary{{Name: "a", State: "active"}, {Name: "b", State: "deleted", CreatedMillis: 5}}}, n.called()
}

func (n *adminNode) DescribeInklessCluster(_ context.Context, req *rpc.DescribeInklessClusterRequest) (*rpc.DescribeInklessClusterResponse, error) {
	return &rpc.DescribeInklessClusterResponse{
		Cluster: rpc.InklessClusterSummary{Name: req.Name}, Topics: []rpc.InternalTopic{{Name: "t", Partitions: 2, Nodes: []rpc.NodeReplicas{{Node: 1, Replicas: 2, Leads: 1}}}},
	}, n.called()
}

func (n *adminNode) DeleteCluster(context.Context, *rpc.DeleteClusterRequest) (*rpc.DeleteClusterResponse, error) {
	return &rpc.DeleteClusterResponse{}, n.called()
}

// tracked remembers accepted connections.
type tracked struct {
	net.Listener
	n *adminNode
}

func (l tracked) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.n.mu.Lock()
		l.n.conns = append(l.n.conns, nc)
		l.n.mu.Unlock()
	}
	return nc, err
}

func startAdminNode(t *testing.T) *adminNode {
	t.Helper()
	users := map[string]topics.ScramCredential{}
	for i, user := range []string{"admin", "orders"} { // the administrator, and an Inkless cluster's brokers
		credential, err := authentication.NewCredential(user, "password of "+user, fmt.Appendf(nil, "%024d", i))
		if err != nil {
			t.Fatal(err)
		}
		users[user] = credential
	}
	var nonces atomic.Int32
	sasl, err := authentication.New(authentication.Config{
		Lookup: func(user string) (topics.ScramCredential, bool) { c, ok := users[user]; return c, ok },
		Nonce:  func() string { return fmt.Sprintf("nonce-of-at-least-18-bytes-%d", nonces.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &adminNode{address: nl.Addr().String()}
	s, err := listener.New(listener.Config{
		Name: "METADATA", Listener: tracked{nl, n}, OutOfOrder: true, Authenticator: sasl, RequireAuth: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		APIs: server.AdminAPIs(n, func(principal string) bool { return principal == "User:admin" }),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return n
}

func (n *adminNode) connect(t *testing.T, user, password string) *client.AdminClient {
	c := client.NewAdmin(client.AdminConfig{Addresses: []string{n.address}, User: user, Password: password, Dial: new(net.Dialer).DialContext, Timeout: time.Second})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAdministratorsManageClusters(t *testing.T) {
	n, ctx := startAdminNode(t), t.Context()
	c := n.connect(t, "admin", "password of admin")
	want := func(got any, err error, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	created, err := c.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: "x", BatchCoordinators: 3, GroupCoordinators: 2})
	want(created, err, &rpc.CreateClusterResponse{UUID: "of x", Password: "p", BatchCoordinators: 3, GroupCoordinators: 2})
	listed, err := c.ListClusters(ctx, &rpc.ListClustersRequest{})
	want(listed, err, &rpc.ListClustersResponse{Clusters: []rpc.InklessClusterSummary{{Name: "a", State: "active"}, {Name: "b", State: "deleted", CreatedMillis: 5}}})
	described, err := c.DescribeInklessCluster(ctx, &rpc.DescribeInklessClusterRequest{Name: "y"})
	want(described, err, &rpc.DescribeInklessClusterResponse{
		Cluster: rpc.InklessClusterSummary{Name: "y"}, Topics: []rpc.InternalTopic{{Name: "t", Partitions: 2, Nodes: []rpc.NodeReplicas{{Node: 1, Replicas: 2, Leads: 1}}}},
	})
	deleted, err := c.DeleteCluster(ctx, &rpc.DeleteClusterRequest{Name: "x"})
	want(deleted, err, &rpc.DeleteClusterResponse{})
	if _, err := c.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: "taken"}); !errors.Is(err, kerr.DuplicateResource) {
		t.Error(err)
	}
}

func TestOthersDoNotManageClusters(t *testing.T) {
	n := startAdminNode(t)
	for _, step := range []struct {
		user, password string
		want           error
	}{
		{"orders", "password of orders", kerr.ClusterAuthorizationFailed},
		{"admin", "wrong", kerr.SaslAuthenticationFailed},
		{"", "", kerr.CoordinatorNotAvailable}, // the node ends the connection
	} {
		c := n.connect(t, step.user, step.password)
		if _, err := c.ListClusters(t.Context(), &rpc.ListClustersRequest{}); !errors.Is(err, step.want) {
			t.Errorf("%q: %v", step.user, err)
		}
		if _, err := c.DeleteCluster(t.Context(), &rpc.DeleteClusterRequest{Name: "x"}); err == nil {
			t.Errorf("%q deletes", step.user)
		}
	}
	if n.calls.Load() != 0 {
		t.Errorf("%d calls came through", n.calls.Load())
	}
}

// A cluster whose creation was not answered may exist: its password is lost, and asking again would only hide that.
func TestALostAnswerIsAnUnknownOutcome(t *testing.T) {
	n := startAdminNode(t)
	c := n.connect(t, "admin", "password of admin")
	n.dies.Store(true)
	_, err := c.CreateCluster(t.Context(), &rpc.CreateClusterRequest{Name: "x"})
	if !errors.Is(err, kafka.ErrUnknownOutcome) || n.calls.Load() != 1 {
		t.Fatalf("%v after %d calls", err, n.calls.Load())
	}
}
