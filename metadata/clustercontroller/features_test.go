package clustercontroller

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// A log of the first release goes on as it was until an administrator raises its level, and that only when every node knows the level.
func TestNewCommandsWaitForTheFeatureLevel(t *testing.T) {
	var logs bytes.Buffer
	c, log := newController(t, &logs)
	if _, err := c.CreateCluster(t.Context(), Spec{Name: "c1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.InitFeatures(t.Context()); err != nil { // it has a cluster: older releases may have written it
		t.Fatal(err)
	}
	before := len(log.Commands())
	limit := []topics.LimitChange{{Name: "commits.per.second", Value: 9}}
	if _, err := c.LimitCluster(t.Context(), "c1", limit); !errors.Is(err, kerr.UnsupportedVersion) || !strings.Contains(err.Error(), "features upgrade") {
		t.Errorf("at level 1: %v", err)
	}
	for id, level := range map[int32]int32{1: 2, 2: 0} {
		if err := c.RegisterNode(t.Context(), topics.Node{ID: id, FeatureLevel: level}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.UpgradeFeatures(t.Context(), 2); !errors.Is(err, kerr.InvalidUpdateVersion) || !strings.Contains(err.Error(), "nodes [2]") {
		t.Errorf("with an old node: %v", err)
	}
	if f, err := c.UpgradeFeatures(t.Context(), 0); err != nil || f.Level != 1 {
		t.Errorf("to what all know: %+v, %v", f, err)
	}
	if n := len(log.Commands()) - before; n != 2 {
		t.Errorf("%d commands were proposed, not those of the two nodes", n)
	}
	if err := c.RegisterNode(t.Context(), topics.Node{ID: 2, FeatureLevel: 2}); err != nil {
		t.Fatal(err)
	}
	if f, err := c.UpgradeFeatures(t.Context(), 0); err != nil || f.Level != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if got, err := c.LimitCluster(t.Context(), "c1", limit); err != nil || got.Limits.CommitsPerSecond != 9 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.LoseNode(t.Context(), 2, "a", "b"); !errors.Is(err, kerr.UnsupportedVersion) || !strings.Contains(err.Error(), "level 3") {
		t.Errorf("at level 2: %v", err)
	}
	for id := range int32(2) {
		if err := c.RegisterNode(t.Context(), topics.Node{ID: id + 1, FeatureLevel: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := c.UpgradeFeatures(t.Context(), 0); err != nil || f.Level != 3 {
		t.Errorf("%+v, %v", f, err)
	}
	for range 2 {
		if err := c.LoseNode(t.Context(), 2, "a", "b"); err != nil {
			t.Errorf("at level 3: %v", err)
		}
	}
	if _, err := c.UpgradeFeatures(t.Context(), 1); !errors.Is(err, kerr.InvalidUpdateVersion) {
		t.Errorf("lowered: %v", err)
	}
}

func TestANewMetadataClusterHasTheNewestLevel(t *testing.T) {
	var logs bytes.Buffer
	c, _ := newController(t, &logs)
	for range 2 {
		if err := c.InitFeatures(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := c.DescribeFeatures(t.Context()); err != nil || f.Level != topics.NewestFeatureLevel {
		t.Errorf("%+v, %v", f, err)
	}
}

// What an older release says of a command of a newer one.
func TestACommandOfANewerReleaseNamesItsVersion(t *testing.T) {
	for level, machine := range map[int32]state.Machine{1000: {}, 2: {MaxFeatureLevel: 1}} {
		_, _, err := machine.Apply(nil, 1, state.Encode(1, &state.SetFeatureLevel{Level: level}))
		if !errors.Is(err, raftlog.ErrHalt) || !strings.Contains(err.Error(), fmt.Sprintf("level %d", level)) {
			t.Errorf("%v", err)
		}
	}
}

func TestLimitsAreChecked(t *testing.T) {
	var logs bytes.Buffer
	c, log := newController(t, &logs)
	if err := c.InitFeatures(t.Context()); err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateCluster(t.Context(), Spec{Name: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	before := len(log.Commands())
	for _, l := range []topics.LimitChange{{Name: "commits.per.second", Value: -1}, {Name: "max.partitions", Value: 1 << 40}, {Name: "x", Value: 1}} {
		if _, err := c.LimitCluster(t.Context(), "c1", []topics.LimitChange{l}); !errors.Is(err, kerr.InvalidConfig) || !strings.Contains(err.Error(), l.Name) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if len(log.Commands()) != before {
		t.Error("a refused limit was proposed")
	}
	rotated, err := c.RotateCredential(t.Context(), "c1")
	if err != nil || rotated.Password == made.Password || string(rotated.Cluster.Credential.StoredKey) != "c1"+rotated.Password {
		t.Errorf("%+v, %v", rotated, err)
	}
	if _, err := c.SuspendCluster(t.Context(), "c9", true); !errors.Is(err, kerr.ResourceNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := c.RotateCredential(t.Context(), "c9"); !errors.Is(err, kerr.ResourceNotFound) {
		t.Errorf("unknown: %v", err)
	}
}
