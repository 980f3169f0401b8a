package topics

import (
	"fmt"
	"strings"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// ClusterLimits bounds what one Inkless cluster may ask of the Metadata Kafka Cluster. 0 is no limit. Rates are those of one metadata node: a cluster
// whose coordinators lead on several nodes has each node's share on each.
type ClusterLimits struct {
	CommitsPerSecond  int64 // Commit Object calls
	BatchesPerSecond  int64 // record batches in them
	RequestsPerSecond int64 // requests that its brokers proxy
	Partitions        int64 // of all its topics
	MetadataBytes     int64 // of state on disk, of all its coordinators
	Connections       int64 // of its brokers to one node
}

// LimitChange sets one limit by its name.
type LimitChange struct {
	Name  string
	Value int64
}

// maxLimit keeps sums of limits and costs far from the end of int64.
const maxLimit = 1 << 50

// limit is one row of the table of limits; its place in the table is its field in records.
type limit struct {
	name string
	most int64
	of   func(*ClusterLimits) *int64
}

var limits = []limit{
	{"commits.per.second", 1_000_000, func(l *ClusterLimits) *int64 { return &l.CommitsPerSecond }},
	{"batches.per.second", 1_000_000_000, func(l *ClusterLimits) *int64 { return &l.BatchesPerSecond }},
	{"requests.per.second", 1_000_000, func(l *ClusterLimits) *int64 { return &l.RequestsPerSecond }},
	{"max.partitions", 1_000_000_000, func(l *ClusterLimits) *int64 { return &l.Partitions }},
	{"max.metadata.bytes", maxLimit, func(l *ClusterLimits) *int64 { return &l.MetadataBytes }},
	{"max.connections", 1_000_000, func(l *ClusterLimits) *int64 { return &l.Connections }},
}

// Each gives every limit with its name, in a fixed order.
func (l *ClusterLimits) Each(fn func(name string, value int64)) {
	for _, row := range limits {
		fn(row.name, *row.of(l))
	}
}

// Set changes one limit; the error names what is wrong.
func (l *ClusterLimits) Set(c LimitChange) error {
	names := make([]string, len(limits))
	for i, row := range limits {
		if names[i] = row.name; row.name != c.Name {
			continue
		}
		if c.Value < 0 || c.Value > row.most {
			return fmt.Errorf("%s is %d, it must be from 0 (no limit) to %d", c.Name, c.Value, row.most)
		}
		*row.of(l) = c.Value
		return nil
	}
	return fmt.Errorf("there is no limit %q; there are %s", c.Name, strings.Join(names, ", "))
}

func appendClusterLimits(b []byte, field int, l ClusterLimits) []byte {
	if l == (ClusterLimits{}) {
		return b // as every cluster before there were limits
	}
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		for i, row := range limits {
			b = wire.AppendSint(b, i+1, *row.of(&l))
		}
		return b
	})
}

func decodeClusterLimits(d *wire.Decoder) (l ClusterLimits) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			if i := d.Field() - 1; i >= 0 && i < len(limits) {
				*limits[i].of(&l) = d.Sint()
			}
		}
		return d.Err()
	})
	return l
}
