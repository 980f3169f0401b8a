package clustercontroller

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/topics"
)

func newController(t *testing.T, logs *bytes.Buffer) (*Controller, *raftlogtest.Log) {
	t.Helper()
	log := raftlogtest.New(state.Machine{})
	n := byte(0)
	c, err := New(Config{Log: log, NodeID: 1, NewUUID: func() [16]byte { n++; return [16]byte{n, n, n} }, Logger: slog.New(slog.NewTextHandler(logs, nil)),
		NewCredential: func(cluster, password string, salt []byte) (topics.ScramCredential, error) {
			return topics.ScramCredential{Salt: salt, Iterations: 4096, StoredKey: []byte(cluster + password), ServerKey: []byte{1}}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return c, log
}

func TestCreateCluster(t *testing.T) {
	var logs bytes.Buffer
	c, _ := newController(t, &logs)
	made, err := c.CreateCluster(t.Context(), Spec{Name: "c1", BatchCoordinators: 2, GroupCoordinators: 3})
	if err != nil {
		t.Fatal(err)
	}
	d := made.Cluster
	if len(d.UUID) != 22 || d.State != topics.ClusterActive || d.BatchCoordinatorPartitions != 2 || d.GroupCoordinatorPartitions != 3 {
		t.Errorf("%+v", d)
	}
	if string(d.Credential.StoredKey) != "c1"+made.Password || made.Password == "" || len(d.Credential.Salt) != 24 {
		t.Error("the credential is not that of the password")
	}
	c.cfg.Logger.Info("by accident", "cluster", d)
	if strings.Contains(logs.String(), made.Password) {
		t.Error("the password shows in the log")
	}
	if _, err := c.CreateCluster(t.Context(), Spec{Name: "c1"}); !errors.Is(err, kerr.DuplicateResource) {
		t.Errorf("again: %v", err)
	}
	if err := c.DeleteCluster(t.Context(), "c1"); err != nil {
		t.Error(err)
	}
	if _, err := c.CreateCluster(t.Context(), Spec{Name: "c1"}); !errors.Is(err, kerr.DuplicateResource) {
		t.Errorf("the name again: %v", err)
	}
	if err := c.DeleteCluster(t.Context(), "c1"); !errors.Is(err, kerr.ResourceNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if all, err := c.ListClusters(t.Context()); err != nil || len(all) != 1 || all[0].State != topics.ClusterDeleted || all[0].Credential.StoredKey != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := c.DescribeCluster(t.Context(), "c2"); !errors.Is(err, kerr.ResourceNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestSpecsAreChecked(t *testing.T) {
	var logs bytes.Buffer
	c, log := newController(t, &logs)
	for _, name := range []kafka.ClusterID{"", "-a", "A", "a_b", "a.b", "a/b", "a\n", kafka.ClusterID(strings.Repeat("a", 64))} {
		if _, err := c.CreateCluster(t.Context(), Spec{Name: name}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	for _, spec := range []Spec{{Name: "a", BatchCoordinators: -1}, {Name: "a", GroupCoordinators: 9999}} {
		if _, err := c.CreateCluster(t.Context(), spec); !errors.Is(err, kerr.InvalidPartitions) {
			t.Errorf("%+v: %v", spec, err)
		}
	}
	log.SetLeader(false)
	if _, err := c.CreateCluster(t.Context(), Spec{Name: "c"}); !errors.Is(err, kerr.NotCoordinator) {
		t.Errorf("not leading: %v", err)
	}
}
