package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *FindLeadersRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *FindLeadersRequest) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }

// Append implements Message.
func (r *FindLeadersResponse) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Self))
	for _, n := range r.Nodes {
		b = wire.AppendMessage(b, 2, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(n.ID))
			return wire.AppendString(b, 2, n.Address)
		})
	}
	for _, l := range r.Leaders {
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(l.Kind))
			b = wire.AppendSint(b, 2, int64(l.Partition))
			b = wire.AppendSint(b, 3, int64(l.Node))
			return wire.AppendSint(b, 4, l.Term)
		})
	}
	return b
}

// Decode implements Message.
func (r *FindLeadersResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Self = int32(d.Sint())
		case 2:
			r.Nodes = embedded(d, r.Nodes, func(d *wire.Decoder, n *MetadataNode) {
				switch d.Field() {
				case 1:
					n.ID = int32(d.Sint())
				case 2:
					n.Address = d.String()
				}
			})
		case 3:
			r.Leaders = embedded(d, r.Leaders, func(d *wire.Decoder, l *PartitionLeader) {
				switch d.Field() {
				case 1:
					l.Kind = TargetKind(d.Sint())
				case 2:
					l.Partition = int32(d.Sint())
				case 3:
					l.Node = int32(d.Sint())
				case 4:
					l.Term = d.Sint()
				}
			})
		}
	})
}
