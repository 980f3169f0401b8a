package topics

import (
	"github.com/inkwell-project/inkwell/internal/wire"
)

// MetadataFeature is the one feature that there is so far: its level says which kinds of commands and records may be written to the logs.
const MetadataFeature = "metadata.version"

// Levels of MetadataFeature. A log without a record of it has the first.
const (
	FeatureLevel1 int32 = 1 // the kinds of the first logs
	// FeatureLevel2 adds limits, suspension and new credentials of clusters (AlterCluster), jobs that rewrite
	// objects (EnableWork), accounts of storage costs (ReportCost), and levels themselves (SetFeatureLevel).
	FeatureLevel2 int32 = 2
	// FeatureLevel3 adds nodes that lost their Raft logs and come back (LoseNode).
	FeatureLevel3 int32 = 3

	// NewestFeatureLevel is what this release can read and write.
	NewestFeatureLevel = FeatureLevel3
)

// FeatureLevel is the level of one feature of the Metadata Kafka Cluster. It never falls.
type FeatureLevel struct {
	Name  string
	Level int32
}

// ClusterMetadataKey is feature/<name>.
func (r *FeatureLevel) ClusterMetadataKey() []byte { return []byte("feature/" + r.Name) }

func (*FeatureLevel) kind() int { return 10 }

func (r *FeatureLevel) appendBody(b []byte) []byte {
	b = wire.AppendString(b, 1, r.Name)
	return wire.AppendSint(b, 2, int64(r.Level))
}

func (r *FeatureLevel) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Name = d.String()
		case 2:
			r.Level = int32(d.Sint())
		}
	}
	return d.Err()
}
