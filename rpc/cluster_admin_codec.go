package rpc

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// Append implements Message.
func (r *CreateClusterRequest) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, string(r.Name))
	b = wire.AppendSint(b, 2, int64(r.BatchCoordinators))
	return wire.AppendSint(b, 3, int64(r.GroupCoordinators))
}

// Decode implements Message.
func (r *CreateClusterRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Name = kafka.ClusterID(d.String())
		case 2:
			r.BatchCoordinators = int32(d.Sint())
		case 3:
			r.GroupCoordinators = int32(d.Sint())
		}
	})
}

// Append implements Message.
func (r *CreateClusterResponse) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, r.UUID)
	b = wire.AppendString(b, 2, r.Password)
	b = wire.AppendSint(b, 3, int64(r.BatchCoordinators))
	return wire.AppendSint(b, 4, int64(r.GroupCoordinators))
}

// Decode implements Message.
func (r *CreateClusterResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.UUID = d.String()
		case 2:
			r.Password = d.String()
		case 3:
			r.BatchCoordinators = int32(d.Sint())
		case 4:
			r.GroupCoordinators = int32(d.Sint())
		}
	})
}

// Append implements Message.
func (r *ListClustersRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *ListClustersRequest) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }

// Append implements Message.
func (r *ListClustersResponse) Append(b []byte) []byte {
	for i := range r.Clusters {
		b = wire.AppendMessage(b, 1, r.Clusters[i].append)
	}
	return b
}

// Decode implements Message.
func (r *ListClustersResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Clusters = embedded(d, r.Clusters, decodeClusterSummary)
		}
	})
}

func (c *InklessClusterSummary) append(b []byte) []byte {
	b = wire.AppendString(b, 1, string(c.Name))
	b = wire.AppendString(b, 2, c.UUID)
	b = wire.AppendString(b, 3, c.State)
	b = wire.AppendSint(b, 4, c.CreatedMillis)
	b = wire.AppendSint(b, 5, int64(c.BatchCoordinators))
	b = wire.AppendSint(b, 6, int64(c.GroupCoordinators))
	return appendLimits(b, 7, c.Limits)
}

func decodeClusterSummary(d *wire.Decoder, c *InklessClusterSummary) {
	switch d.Field() {
	case 1:
		c.Name = kafka.ClusterID(d.String())
	case 2:
		c.UUID = d.String()
	case 3:
		c.State = d.String()
	case 4:
		c.CreatedMillis = d.Sint()
	case 5:
		c.BatchCoordinators = int32(d.Sint())
	case 6:
		c.GroupCoordinators = int32(d.Sint())
	case 7:
		c.Limits = embedded(d, c.Limits, decodeLimit)
	}
}

// Append implements Message.
func (r *DescribeInklessClusterRequest) Append(b []byte) []byte {
	return wire.AppendString(b, 1, string(r.Name))
}

// Decode implements Message.
func (r *DescribeInklessClusterRequest) Decode(b []byte) error { return decodeName(b, &r.Name) }

func decodeName(b []byte, name *kafka.ClusterID) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			*name = kafka.ClusterID(d.String())
		}
	})
}

// Append implements Message.
func (r *DescribeInklessClusterResponse) Append(b []byte) []byte {
	b = wire.AppendMessage(b, 1, r.Cluster.append)
	for i := range r.Topics {
		b = wire.AppendMessage(b, 2, r.Topics[i].append)
	}
	return b
}

// Decode implements Message.
func (r *DescribeInklessClusterResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			d.Embedded(func(d *wire.Decoder) error {
				for d.Next() {
					decodeClusterSummary(d, &r.Cluster)
				}
				return d.Err()
			})
		case 2:
			r.Topics = embedded(d, r.Topics, decodeInternalTopic)
		}
	})
}

func (t *InternalTopic) append(b []byte) []byte {
	b = wire.AppendString(b, 1, t.Name)
	b = wire.AppendSint(b, 2, int64(t.Partitions))
	b = wire.AppendSint(b, 3, int64(t.Leaderless))
	for _, n := range t.Nodes {
		b = wire.AppendMessage(b, 4, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(n.Node))
			b = wire.AppendSint(b, 2, int64(n.Replicas))
			return wire.AppendSint(b, 3, int64(n.Leads))
		})
	}
	return b
}

func decodeInternalTopic(d *wire.Decoder, t *InternalTopic) {
	switch d.Field() {
	case 1:
		t.Name = d.String()
	case 2:
		t.Partitions = int32(d.Sint())
	case 3:
		t.Leaderless = int32(d.Sint())
	case 4:
		t.Nodes = embedded(d, t.Nodes, func(d *wire.Decoder, n *NodeReplicas) {
			switch d.Field() {
			case 1:
				n.Node = int32(d.Sint())
			case 2:
				n.Replicas = int32(d.Sint())
			case 3:
				n.Leads = int32(d.Sint())
			}
		})
	}
}

// Append implements Message.
func (r *DeleteClusterRequest) Append(b []byte) []byte {
	return wire.AppendString(b, 1, string(r.Name))
}

// Decode implements Message.
func (r *DeleteClusterRequest) Decode(b []byte) error { return decodeName(b, &r.Name) }

// Append implements Message.
func (r *DeleteClusterResponse) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *DeleteClusterResponse) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }
