package clustercontroller

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Features says at which level of topics.MetadataFeature the Metadata cluster works.
type Features struct {
	Level int32   // in force
	Most  int32   // that every node knows
	Least []int32 // the nodes that know no more than Most
}

// DescribeFeatures reads the levels.
func (c *Controller) DescribeFeatures(ctx context.Context) (f Features, err error) {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return f, fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	if err := c.view(func(r statestore.Reader) {
		f.Level = state.FeatureLevel(r)
		f.Most, f.Least = state.NewestCommonLevel(r)
	}); err != nil {
		return f, err
	}
	f.Most = min(f.Most, c.cfg.MaxFeatureLevel)
	return f, nil
}

// UpgradeFeatures raises the level to the given one, 0 for the highest that every node knows. kerr.InvalidUpdateVersion: a node does not know it. It is never
// lowered: from then on the logs have what older releases cannot read.
func (c *Controller) UpgradeFeatures(ctx context.Context, level int32) (Features, error) {
	f, err := c.DescribeFeatures(ctx)
	if err != nil {
		return f, err
	}
	if level == 0 {
		level = f.Most
	}
	switch {
	case level == f.Level:
		return f, nil
	case level < f.Level:
		return f, fmt.Errorf("%s is %d; it must be from the level in force (%d) to %d, for it cannot be lowered: %w", topics.MetadataFeature, level, f.Level, f.Most, kerr.InvalidUpdateVersion)
	case level > f.Most:
		return f, fmt.Errorf("%s is %d; it must be at most %d, for nodes %v know no more: start them with a newer release first: %w", topics.MetadataFeature, level, f.Most, f.Least, kerr.InvalidUpdateVersion)
	}
	if err := c.proposeUngated(ctx, &state.SetFeatureLevel{Level: level}); err != nil {
		return f, err
	}
	c.cfg.Logger.Info("raised a feature level", "feature", topics.MetadataFeature, "level", level)
	return c.DescribeFeatures(ctx)
}

// InitFeatures gives a Metadata cluster that has nothing yet the newest level at once: no older release has seen it.
func (c *Controller) InitFeatures(ctx context.Context) error {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	fresh := false
	if err := c.view(func(r statestore.Reader) { fresh = state.Empty(r) }); err != nil {
		return err
	}
	if !fresh || c.cfg.MaxFeatureLevel == topics.FeatureLevel1 {
		return nil
	}
	return c.proposeUngated(ctx, &state.SetFeatureLevel{Level: c.cfg.MaxFeatureLevel})
}

// allowed refuses a command that not every node may know.
func (c *Controller) allowed(cmd state.Command) error {
	level := topics.FeatureLevel1
	if err := c.view(func(r statestore.Reader) { level = state.FeatureLevel(r) }); err != nil { // it only rises: an old view refuses too much, never too little
		return err
	}
	if need := state.Level(cmd); need > level {
		return fmt.Errorf("this needs level %d of %s, the Metadata cluster is at %d: when all nodes run a release that knows it, run `inkwell metadata features upgrade`: %w",
			need, topics.MetadataFeature, level, kerr.UnsupportedVersion)
	}
	return nil
}
