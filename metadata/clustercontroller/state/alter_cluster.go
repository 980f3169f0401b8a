package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/topics"
)

// AlterCluster changes what it has of one cluster and leaves the rest alone.
type AlterCluster struct {
	Name       kafka.ClusterID
	Limits     []topics.LimitChange
	State      topics.ClusterState    // active or suspended; 0 leaves it
	Credential topics.ScramCredential // without a StoredKey it stays as it is
}

func (*AlterCluster) field() int   { return 20 }
func (*AlterCluster) level() int32 { return topics.FeatureLevel2 }

func (c *AlterCluster) append(b []byte) []byte {
	b = wire.AppendString(b, 1, string(c.Name))
	for _, l := range c.Limits {
		b = wire.AppendMessage(b, 2, func(b []byte) []byte { return wire.AppendSint(wire.AppendString(b, 1, l.Name), 2, l.Value) })
	}
	b = wire.AppendUint(b, 3, uint64(c.State))
	return topics.AppendScramCredential(b, 4, c.Credential)
}

func (c *AlterCluster) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Name = kafka.ClusterID(d.String())
		case 2:
			c.Limits = append(c.Limits, decodeLimitChange(d))
		case 3:
			c.State = topics.ClusterState(d.Uint() & 0x7f)
		case 4:
			c.Credential = topics.DecodeScramCredential(d)
		}
	}
	return d.Err()
}

func decodeLimitChange(d *wire.Decoder) (l topics.LimitChange) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				l.Name = d.String()
			case 2:
				l.Value = d.Sint()
			}
		}
		return d.Err()
	})
	return l
}

func (a *apply) alterCluster(c *AlterCluster) error {
	cluster, ok := Cluster(a.tx, c.Name)
	if !ok || cluster.State == topics.ClusterDeleted {
		return fmt.Errorf("there is no cluster %s: %w", c.Name, kerr.ResourceNotFound)
	}
	for _, l := range c.Limits {
		if err := cluster.Limits.Set(l); err != nil {
			return fmt.Errorf("%w: %w", err, kerr.InvalidConfig)
		}
	}
	switch c.State {
	case 0:
	case topics.ClusterActive, topics.ClusterSuspended:
		cluster.State = c.State
	default:
		return fmt.Errorf("a cluster cannot be made %s: %w", c.State, kerr.InvalidRequest)
	}
	if c.Credential.StoredKey != nil {
		cluster.Credential = c.Credential
	}
	a.put(clusterKey(c.Name), cluster)
	return nil
}
