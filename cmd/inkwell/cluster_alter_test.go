package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

func (c *clusters) AlterCluster(_ context.Context, req *rpc.AlterClusterRequest) (*rpc.AlterClusterResponse, error) {
	s, err := c.find(req.Name)
	if err != nil {
		return nil, err
	}
	for _, l := range req.Limits {
		if err := new(topics.ClusterLimits).Set(topics.LimitChange(l)); err != nil {
			return nil, fmt.Errorf("%w: %w", err, kerr.InvalidConfig)
		}
		s.Limits = append(s.Limits, l)
	}
	if req.State != "" {
		s.State = req.State
	}
	return &rpc.AlterClusterResponse{Cluster: *s}, nil
}

func (c *clusters) RotateCredential(_ context.Context, req *rpc.RotateCredentialRequest) (*rpc.RotateCredentialResponse, error) {
	_, err := c.find(req.Name)
	return &rpc.RotateCredentialResponse{Password: "another"}, err
}

func (c *clusters) ListFeatures(context.Context, *rpc.ListFeaturesRequest) (*rpc.ListFeaturesResponse, error) {
	return &rpc.ListFeaturesResponse{Features: []rpc.FeatureRange{{Name: topics.MetadataFeature, Level: 1, Most: 2}}}, nil
}

func (c *clusters) UpgradeFeatures(_ context.Context, req *rpc.UpgradeFeaturesRequest) (*rpc.ListFeaturesResponse, error) {
	return &rpc.ListFeaturesResponse{Features: []rpc.FeatureRange{{Name: topics.MetadataFeature, Level: req.Level, Most: 2}}}, nil
}

func TestClustersAreAlteredOverTheWire(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := &clusters{}
	everybody := func(string) bool { return true }
	s, err := listener.New(listener.Config{
		Name: "METADATA", Listener: nl, OutOfOrder: true, Logger: slog.New(slog.DiscardHandler), APIs: append(server.AdminAPIs(all, everybody), server.AlterAPIs(all, everybody)...),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	run := func(args string) error {
		admin := client.NewAdmin(client.AdminConfig{Addresses: []string{nl.Addr().String()}, User: "admin", Dial: new(net.Dialer).DialContext})
		defer admin.Close()
		c := clusterCommand{out: &out, admin: admin, alterer: admin, user: "admin"}
		set := settings.New("cluster", clusterIntro)
		c.defineLimits(set)
		if err := set.Load(strings.Fields(args), nil, &out); err != nil {
			return err
		}
		do, name, err := c.parse(set.Args())
		if err != nil {
			return err
		}
		return c.explain(name, do(t.Context(), name))
	}
	for _, step := range []struct{ args, want string }{
		{"create orders", "was created"},
		{"limit orders --commits.per.second 5 --max.partitions 100", "commits.per.second=5 max.partitions=100"},
		{"suspend orders", "is suspended"},
		{"list", "suspended"},
		{"describe orders", "commits.per.second=5 max.partitions=100"},
		{"resume orders", "is served"},
		{"rotate-credential orders", "another"},
	} {
		out.Reset()
		if err := run(step.args); err != nil || !strings.Contains(out.String(), step.want) {
			t.Errorf("%s: %v\n%s", step.args, err, out.String())
		}
	}
	for args, want := range map[string]string{
		"limit orders":                            "say which",
		"limit orders --max.partitions -1":        "it must be from 0",
		"limit orders --max.partitions many":      "whole number",
		"limit orders --max.connections 2e9":      "whole number",
		"limit nobody --max.partitions 1":         "there is no cluster nobody",
		"suspend":                                 "name is missing",
		"rotate-credential nobody":                "there is no cluster nobody",
		"limit orders --max.connections 99999999": "99999999",
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestFeaturesAreShownAndRaised(t *testing.T) {
	for args, want := range map[string]string{
		"list": "metadata.version  1      2", "upgrade": "metadata.version  0", "upgrade 2": "metadata.version  2", "upgrade x": "no level", "upgrade 0": "no level", "": "want list", "list 2": "want list",
	} {
		var out bytes.Buffer
		c := featuresCommand{alterer: &clusters{}, out: &out}
		err := c.run(t.Context(), strings.Fields(args))
		if got := fmt.Sprint(out.String(), err); !strings.Contains(got, want) {
			t.Errorf("%q: %s", args, got)
		}
	}
}
