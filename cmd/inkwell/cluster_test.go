package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
)

// clusters is a Metadata cluster's administration in memory.
type clusters struct{ all []rpc.InklessClusterSummary }

func (c *clusters) find(name kafka.ClusterID) (*rpc.InklessClusterSummary, error) {
	for i := range c.all {
		if c.all[i].Name == name {
			return &c.all[i], nil
		}
	}
	return nil, fmt.Errorf("there is no cluster %s: %w", name, kerr.ResourceNotFound)
}

func (c *clusters) CreateCluster(_ context.Context, req *rpc.CreateClusterRequest) (*rpc.CreateClusterResponse, error) {
	if _, err := c.find(req.Name); err == nil {
		return nil, fmt.Errorf("cluster %s: %w", req.Name, kerr.DuplicateResource)
	}
	c.all = append(c.all, rpc.InklessClusterSummary{Name: req.Name, UUID: "uuid-" + string(req.Name), State: "active", CreatedMillis: 1, BatchCoordinators: req.BatchCoordinators, GroupCoordinators: req.GroupCoordinators})
	return &rpc.CreateClusterResponse{UUID: "uuid-" + string(req.Name), Password: "secret", BatchCoordinators: req.BatchCoordinators, GroupCoordinators: req.GroupCoordinators}, nil
}

func (c *clusters) ListClusters(context.Context, *rpc.ListClustersRequest) (*rpc.ListClustersResponse, error) {
	return &rpc.ListClustersResponse{Clusters: c.all}, nil
}

func (c *clusters) DescribeInklessCluster(_ context.Context, req *rpc.DescribeInklessClusterRequest) (*rpc.DescribeInklessClusterResponse, error) {
	s, err := c.find(req.Name)
	if err != nil {
		return nil, err
	}
	return &rpc.DescribeInklessClusterResponse{Cluster: *s, Topics: []rpc.InternalTopic{
		{Name: "__batch_coordinates." + string(s.Name), Partitions: s.BatchCoordinators, Nodes: []rpc.NodeReplicas{{Node: 1, Replicas: s.BatchCoordinators, Leads: s.BatchCoordinators}}},
	}}, nil
}

func (c *clusters) DeleteCluster(_ context.Context, req *rpc.DeleteClusterRequest) (*rpc.DeleteClusterResponse, error) {
	s, err := c.find(req.Name)
	if err != nil {
		return nil, err
	}
	s.State = "deleted"
	return &rpc.DeleteClusterResponse{}, nil
}

func TestClustersAreAdministeredOverTheWire(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var stranger atomic.Bool
	s, err := listener.New(listener.Config{
		Name: "METADATA", Listener: nl, OutOfOrder: true, Logger: slog.New(slog.DiscardHandler), APIs: server.AdminAPIs(&clusters{}, func(string) bool { return !stranger.Load() }),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	c := clusterCommand{metadata: nl.Addr().String(), batchCoordinators: 3, groupCoordinators: 2, out: &out}
	remote := client.NewAdmin(client.AdminConfig{Addresses: []string{"127.0.0.1:1", c.metadata}, Dial: new(net.Dialer).DialContext}) // nobody listens at the first
	defer remote.Close()
	c.admin = remote
	run := func(args ...string) (string, error) {
		out.Reset()
		do, name, err := c.parse(args)
		if err == nil {
			err = c.explain(name, do(t.Context(), name))
		}
		return out.String(), err
	}
	for _, step := range []struct {
		args  string
		shows []string
		fails error
		says  string
	}{
		{args: "list", shows: []string{"no clusters"}},
		{args: "create orders", shows: []string{"uuid-orders", "3 batch coordinators and 2 group coordinators", "INKWELL_CLUSTER_PASSWORD=secret inkwell broker --metadata " + c.metadata + " --cluster orders"}},
		{args: "create orders", fails: kerr.DuplicateResource, says: "another name"},
		{args: "describe orders", shows: []string{"State:", "active", "__batch_coordinates.orders  3", "1 (holds 3, leads 3)"}},
		{args: "describe other", fails: kerr.ResourceNotFound, says: "inkwell cluster list"},
		{args: "delete orders", shows: []string{"orders was deleted"}},
		{args: "list", shows: []string{"orders", "deleted", "1970-01-01T00:00:00Z  3"}},
		{args: "delete", says: "name is missing"},
		{args: "list orders", says: `unexpected "orders"`},
		{args: "drop orders", says: `cannot "drop"`},
		{args: "", says: "say what to do"},
	} {
		got, err := run(strings.Fields(step.args)...)
		if (err != nil) != (step.says != "") || err != nil && !strings.Contains(err.Error(), step.says) || step.fails != nil && !errors.Is(err, step.fails) {
			t.Errorf("%q: %v", step.args, err)
		}
		for _, want := range step.shows {
			if !strings.Contains(got, want) {
				t.Errorf("%q does not show %q:\n%s", step.args, want, got)
			}
		}
	}
	stranger.Store(true)
	if _, err := run("list"); !errors.Is(err, kerr.ClusterAuthorizationFailed) || !strings.Contains(err.Error(), "INKWELL_ADMIN_PASSWORD") {
		t.Errorf("a stranger lists clusters: %v", err)
	}
}
