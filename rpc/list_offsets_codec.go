package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *ListOffsetsRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, r.MetadataOffset)
	for i := range r.Partitions {
		p := &r.Partitions[i]
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = appendPartition(b, 1, p.Partition)
			return wire.AppendSint(b, 2, p.Timestamp)
		})
	}
	return b
}

// Decode implements Message.
func (r *ListOffsetsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.MetadataOffset = d.Sint()
		case 3:
			r.Partitions = embedded(d, r.Partitions, func(d *wire.Decoder, p *ListOffset) {
				switch d.Field() {
				case 1:
					decodePartition(d, &p.Partition)
				case 2:
					p.Timestamp = d.Sint()
				}
			})
		}
	})
}

// Append implements Message.
func (r *ListOffsetsResponse) Append(b []byte) []byte {
	for i := range r.Partitions {
		p := &r.Partitions[i]
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(p.Error))
			b = wire.AppendSint(b, 2, p.LogStartOffset)
			b = wire.AppendSint(b, 3, p.HighWatermark)
			b = wire.AppendSint(b, 4, p.LastStableOffset)
			b = wire.AppendBool(b, 5, p.Found)
			return wire.AppendMessage(b, 6, p.Coordinate.append)
		})
	}
	return b
}

// Decode implements Message.
func (r *ListOffsetsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Partitions = embedded(d, r.Partitions, func(d *wire.Decoder, p *ListOffsetResult) {
				switch d.Field() {
				case 1:
					p.Error = int16(d.Sint())
				case 2:
					p.LogStartOffset = d.Sint()
				case 3:
					p.HighWatermark = d.Sint()
				case 4:
					p.LastStableOffset = d.Sint()
				case 5:
					p.Found = d.Bool()
				case 6:
					d.Embedded(func(d *wire.Decoder) error {
						for d.Next() {
							decodeCoordinate(d, &p.Coordinate)
						}
						return d.Err()
					})
				}
			})
		}
	})
}
