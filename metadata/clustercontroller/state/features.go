package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Level is the feature level from which on a command may be proposed.
func Level(c Command) int32 { return c.level() }

// SetFeatureLevel raises the level of topics.MetadataFeature. The proposer has made sure that every node knows the level.
type SetFeatureLevel struct {
	Level int32
}

func (*SetFeatureLevel) field() int { return 21 }

// level is the level that it sets, if a later one: what it does is known from the second on, and who does not know the level must not go on behind it.
func (c *SetFeatureLevel) level() int32 { return max(topics.FeatureLevel2, c.Level) }

func (c *SetFeatureLevel) append(b []byte) []byte { return wire.AppendSint(b, 1, int64(c.Level)) }

func (c *SetFeatureLevel) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			c.Level = int32(d.Sint())
		}
	}
	return d.Err()
}

func featureKey(name string) []byte { return append([]byte{'f'}, name...) }

func (a *apply) setFeatureLevel(c *SetFeatureLevel) error {
	if old := FeatureLevel(a.tx); c.Level <= old {
		return fmt.Errorf("the level of %s is %d, it cannot become %d: %w", topics.MetadataFeature, old, c.Level, kerr.InvalidUpdateVersion)
	}
	a.put(featureKey(topics.MetadataFeature), &topics.FeatureLevel{Name: topics.MetadataFeature, Level: c.Level})
	return nil
}

// FeatureLevel reads the level of topics.MetadataFeature.
func FeatureLevel(r statestore.Reader) int32 {
	value, ok := r.Get(featureKey(topics.MetadataFeature))
	if !ok {
		return topics.FeatureLevel1
	}
	record, err := topics.DecodeClusterMetadata(value)
	level, ok := record.(*topics.FeatureLevel)
	if err != nil || !ok {
		panic(&statestore.Failure{Op: "reading a feature level", Err: fmt.Errorf("%T: %w", record, err)})
	}
	return level.Level
}

// NewestCommonLevel is the highest level that all nodes know, and the ids of those that know no more than it.
func NewestCommonLevel(r statestore.Reader) (level int32, nodes []int32) {
	level = topics.NewestFeatureLevel
	r.Scan([]byte{'n'}, []byte{'n' + 1}, func(_, value []byte) bool {
		record, err := topics.DecodeClusterMetadata(value)
		node, ok := record.(*topics.Node)
		if err != nil || !ok {
			panic(&statestore.Failure{Op: "reading a node", Err: fmt.Errorf("%T: %w", record, err)})
		}
		if node.State == topics.NodeRemoved {
			return true
		}
		knows := max(node.FeatureLevel, topics.FeatureLevel1)
		if knows < level {
			level, nodes = knows, nil
		}
		if knows == level {
			nodes = append(nodes, node.ID)
		}
		return true
	})
	return level, nodes
}

// Empty says that nothing but nodes was ever written down.
func Empty(r statestore.Reader) bool {
	_, groups := r.Get(nextGroupKey)
	_, feature := r.Get(featureKey(topics.MetadataFeature))
	return !groups && !feature
}
