package rpc

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

func nothing(*wire.Decoder) {}

// Append implements Message.
func (r *ListNodesRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *ListNodesRequest) Decode(b []byte) error { return decode(b, nothing) }

// Append implements Message.
func (r *ListNodesResponse) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, r.ClusterID)
	b = wire.AppendSint(b, 2, int64(r.Controller))
	for i := range r.Nodes {
		b = wire.AppendMessage(b, 3, r.Nodes[i].append)
	}
	for i := range r.Moves {
		b = wire.AppendMessage(b, 4, r.Moves[i].append)
	}
	return b
}

// Decode implements Message.
func (r *ListNodesResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.ClusterID = d.String()
		case 2:
			r.Controller = int32(d.Sint())
		case 3:
			r.Nodes = embedded(d, r.Nodes, decodeNodeDescription)
		case 4:
			r.Moves = embedded(d, r.Moves, decodeMoveDescription)
		}
	})
}

func (n *NodeDescription) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(n.ID))
	b = wire.AppendString(b, 2, n.Address)
	b = wire.AppendString(b, 3, n.RaftAddress)
	b = wire.AppendString(b, 4, n.Version)
	b = wire.AppendString(b, 5, n.State)
	b = wire.AppendBool(b, 6, n.Alive)
	b = wire.AppendSint(b, 7, int64(n.Replicas))
	b = wire.AppendSint(b, 8, int64(n.Leads))
	b = wire.AppendSint(b, 9, int64(n.Arriving))
	b = wire.AppendSint(b, 10, int64(n.Leaving))
	return wire.AppendSint(b, 11, int64(n.ReplacedBy))
}

func decodeNodeDescription(d *wire.Decoder, n *NodeDescription) {
	switch d.Field() {
	case 1:
		n.ID = int32(d.Sint())
	case 2:
		n.Address = d.String()
	case 3:
		n.RaftAddress = d.String()
	case 4:
		n.Version = d.String()
	case 5:
		n.State = d.String()
	case 6:
		n.Alive = d.Bool()
	case 7:
		n.Replicas = int32(d.Sint())
	case 8:
		n.Leads = int32(d.Sint())
	case 9:
		n.Arriving = int32(d.Sint())
	case 10:
		n.Leaving = int32(d.Sint())
	case 11:
		n.ReplacedBy = int32(d.Sint())
	}
}

func (m *MoveDescription) append(b []byte) []byte {
	b = wire.AppendString(b, 1, m.Topic)
	b = wire.AppendSint(b, 2, int64(m.Partition))
	b = wire.AppendPackedSint(b, 3, m.From)
	b = wire.AppendPackedSint(b, 4, m.To)
	return wire.AppendSint(b, 5, m.Lag)
}

func decodeMoveDescription(d *wire.Decoder, m *MoveDescription) {
	switch d.Field() {
	case 1:
		m.Topic = d.String()
	case 2:
		m.Partition = int32(d.Sint())
	case 3:
		m.From = wire.PackedSint(d, m.From)
	case 4:
		m.To = wire.PackedSint(d, m.To)
	case 5:
		m.Lag = d.Sint()
	}
}

// Append implements Message.
func (r *SetNodeRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Action))
	b = wire.AppendSint(b, 2, int64(r.Node))
	b = wire.AppendSint(b, 3, int64(r.By))
	return wire.AppendBool(b, 4, r.Force)
}

// Decode implements Message.
func (r *SetNodeRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Action = NodeAction(d.Sint())
		case 2:
			r.Node = int32(d.Sint())
		case 3:
			r.By = int32(d.Sint())
		case 4:
			r.Force = d.Bool()
		}
	})
}

// Append implements Message.
func (r *SetNodeResponse) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *SetNodeResponse) Decode(b []byte) error { return decode(b, nothing) }

// Append implements Message.
func (r *AddBatchCoordinatorsRequest) Append(b []byte) []byte {
	return wire.AppendSint(wire.AppendString(b, 1, string(r.Name)), 2, int64(r.Count))
}

// Decode implements Message.
func (r *AddBatchCoordinatorsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Name = kafka.ClusterID(d.String())
		case 2:
			r.Count = int32(d.Sint())
		}
	})
}

// Append implements Message.
func (r *AddBatchCoordinatorsResponse) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *AddBatchCoordinatorsResponse) Decode(b []byte) error { return decode(b, nothing) }
