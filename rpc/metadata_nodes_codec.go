package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

func (n *PeerNode) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(n.ID))
	b = wire.AppendString(b, 2, n.Address)
	return wire.AppendString(b, 3, n.RaftAddress)
}

func decodePeerNode(d *wire.Decoder, n *PeerNode) {
	switch d.Field() {
	case 1:
		n.ID = int32(d.Sint())
	case 2:
		n.Address = d.String()
	case 3:
		n.RaftAddress = d.String()
	}
}

func appendPeerNodes(b []byte, field int, nodes []PeerNode) []byte {
	for i := range nodes {
		b = wire.AppendMessage(b, field, nodes[i].append)
	}
	return b
}

// Append implements Message.
func (r *DescribeNodesRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *DescribeNodesRequest) Decode(b []byte) error { return decode(b, nothing) }

// Append implements Message.
func (r *DescribeNodesResponse) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, r.ClusterID)
	b = wire.AppendSint(b, 2, int64(r.Controller))
	return appendPeerNodes(b, 3, r.Nodes)
}

// Decode implements Message.
func (r *DescribeNodesResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.ClusterID = d.String()
		case 2:
			r.Controller = int32(d.Sint())
		case 3:
			r.Nodes = embedded(d, r.Nodes, decodePeerNode)
		}
	})
}

// Append implements Message.
func (r *RegisterNodeRequest) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, r.ClusterID)
	b = wire.AppendMessage(b, 2, r.Node.append)
	b = wire.AppendString(b, 3, r.DirectoryID)
	b = wire.AppendString(b, 4, r.Version)
	b = wire.AppendString(b, 5, r.Rack)
	b = wire.AppendSint(b, 6, int64(r.FeatureLevel))
	return wire.AppendString(b, 7, r.LostDirectoryID)
}

// Decode implements Message.
func (r *RegisterNodeRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.ClusterID = d.String()
		case 2:
			if nodes := embedded(d, nil, decodePeerNode); len(nodes) == 1 {
				r.Node = nodes[0]
			}
		case 3:
			r.DirectoryID = d.String()
		case 4:
			r.Version = d.String()
		case 5:
			r.Rack = d.String()
		case 6:
			r.FeatureLevel = int32(d.Sint())
		case 7:
			r.LostDirectoryID = d.String()
		}
	})
}

// Append implements Message.
func (r *RegisterNodeResponse) Append(b []byte) []byte {
	return wire.AppendString(appendPeerNodes(wire.AppendString(b, 1, r.ClusterID), 2, r.Nodes), 3, r.Waiting)
}

// Decode implements Message.
func (r *RegisterNodeResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.ClusterID = d.String()
		case 2:
			r.Nodes = embedded(d, r.Nodes, decodePeerNode)
		case 3:
			r.Waiting = d.String()
		}
	})
}

// Append implements Message.
func (r *NodeStatusRequest) Append(b []byte) []byte { return wire.AppendUint(b, 1, r.Known) }

// Decode implements Message.
func (r *NodeStatusRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Known = d.Uint()
		}
	})
}

// Append implements Message.
func (r *NodeStatusResponse) Append(b []byte) []byte {
	b = wire.AppendUint(b, 1, r.Version)
	for i := range r.Groups {
		b = wire.AppendMessage(b, 2, r.Groups[i].append)
	}
	return b
}

// Decode implements Message.
func (r *NodeStatusResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Version = d.Uint()
		case 2:
			r.Groups = embedded(d, r.Groups, decodeGroupStatus)
		}
	})
}

func (g *GroupStatus) append(b []byte) []byte {
	b = wire.AppendUint(b, 1, g.Group)
	b = wire.AppendUint(b, 2, g.Term)
	b = wire.AppendSint(b, 3, int64(g.Leader))
	b = wire.AppendPackedSint(b, 4, g.Voters)
	b = wire.AppendPackedSint(b, 5, g.Learners)
	return wire.AppendPackedSint(b, 6, g.InSync)
}

func decodeGroupStatus(d *wire.Decoder, g *GroupStatus) {
	switch d.Field() {
	case 1:
		g.Group = d.Uint()
	case 2:
		g.Term = d.Uint()
	case 3:
		g.Leader = int32(d.Sint())
	case 4:
		g.Voters = wire.PackedSint(d, g.Voters)
	case 5:
		g.Learners = wire.PackedSint(d, g.Learners)
	case 6:
		g.InSync = wire.PackedSint(d, g.InSync)
	}
}

// Append implements Message.
func (r *CompleteMoveRequest) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, r.Topic)
	b = wire.AppendSint(b, 2, int64(r.Partition))
	b = wire.AppendUint(b, 3, r.Move)
	return wire.AppendPackedSint(b, 4, r.Voters)
}

// Decode implements Message.
func (r *CompleteMoveRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Topic = d.String()
		case 2:
			r.Partition = int32(d.Sint())
		case 3:
			r.Move = d.Uint()
		case 4:
			r.Voters = wire.PackedSint(d, r.Voters)
		}
	})
}

// Append implements Message.
func (r *CompleteMoveResponse) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *CompleteMoveResponse) Decode(b []byte) error { return decode(b, nothing) }

// Append implements Message.
func (r *DescribeGroupRequest) Append(b []byte) []byte { return wire.AppendUint(b, 1, r.Group) }

// Decode implements Message.
func (r *DescribeGroupRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Group = d.Uint()
		}
	})
}

// Append implements Message.
func (r *DescribeGroupResponse) Append(b []byte) []byte {
	b = wire.AppendUint(b, 1, r.Term)
	b = wire.AppendSint(b, 2, int64(r.Leader))
	b = wire.AppendSint(b, 3, r.Commit)
	b = wire.AppendSint(b, 4, r.LogEnd)
	for i := range r.Replicas {
		b = wire.AppendMessage(b, 5, r.Replicas[i].append)
	}
	return b
}

// Decode implements Message.
func (r *DescribeGroupResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Term = d.Uint()
		case 2:
			r.Leader = int32(d.Sint())
		case 3:
			r.Commit = d.Sint()
		case 4:
			r.LogEnd = d.Sint()
		case 5:
			r.Replicas = embedded(d, r.Replicas, decodeGroupReplica)
		}
	})
}

func (g *GroupReplica) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(g.Node))
	b = wire.AppendBool(b, 2, g.Learner)
	b = wire.AppendSint(b, 3, g.LogEnd)
	b = wire.AppendSint(b, 4, g.LastContactMillis)
	return wire.AppendBool(b, 5, g.InSync)
}

func decodeGroupReplica(d *wire.Decoder, g *GroupReplica) {
	switch d.Field() {
	case 1:
		g.Node = int32(d.Sint())
	case 2:
		g.Learner = d.Bool()
	case 3:
		g.LogEnd = d.Sint()
	case 4:
		g.LastContactMillis = d.Sint()
	case 5:
		g.InSync = d.Bool()
	}
}
