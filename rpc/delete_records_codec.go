package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *DeleteRecordsRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, r.MetadataOffset)
	for i := range r.Partitions {
		p := &r.Partitions[i]
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = appendPartition(b, 1, p.Partition)
			return wire.AppendSint(b, 2, p.Before)
		})
	}
	return b
}

// Decode implements Message.
func (r *DeleteRecordsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.MetadataOffset = d.Sint()
		case 3:
			r.Partitions = embedded(d, r.Partitions, func(d *wire.Decoder, p *DeleteRecords) {
				switch d.Field() {
				case 1:
					decodePartition(d, &p.Partition)
				case 2:
					p.Before = d.Sint()
				}
			})
		}
	})
}

// Append implements Message.
func (r *DeleteRecordsResponse) Append(b []byte) []byte {
	for i := range r.Partitions {
		p := &r.Partitions[i]
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(p.Error))
			return wire.AppendSint(b, 2, p.LogStartOffset)
		})
	}
	return b
}

// Decode implements Message.
func (r *DeleteRecordsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Partitions = embedded(d, r.Partitions, func(d *wire.Decoder, p *DeleteRecordsResult) {
				switch d.Field() {
				case 1:
					p.Error = int16(d.Sint())
				case 2:
					p.LogStartOffset = d.Sint()
				}
			})
		}
	})
}
