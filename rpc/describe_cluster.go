package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// ClusterDescriber tells a broker what it needs to know of its own Inkless cluster before it starts.
type ClusterDescriber interface {
	DescribeCluster(ctx context.Context, req *DescribeClusterRequest) (*DescribeClusterResponse, error)
}

// DescribeClusterRequest is empty: the connection says which cluster.
type DescribeClusterRequest struct{}

// DescribeClusterResponse describes the cluster.
type DescribeClusterResponse struct {
	Cluster           kafka.ClusterID
	UUID              string // cluster.id, as clients see it
	BatchCoordinators int32  // partitions of __batch_coordinates
	GroupCoordinators int32  // partitions of __consumer_offsets
}

// Append implements Message.
func (r *DescribeClusterRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *DescribeClusterRequest) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }

// Append implements Message.
func (r *DescribeClusterResponse) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, string(r.Cluster))
	b = wire.AppendString(b, 2, r.UUID)
	b = wire.AppendSint(b, 3, int64(r.BatchCoordinators))
	return wire.AppendSint(b, 4, int64(r.GroupCoordinators))
}

// Decode implements Message.
func (r *DescribeClusterResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Cluster = kafka.ClusterID(d.String())
		case 2:
			r.UUID = d.String()
		case 3:
			r.BatchCoordinators = int32(d.Sint())
		case 4:
			r.GroupCoordinators = int32(d.Sint())
		}
	})
}
