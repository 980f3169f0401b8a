package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

func (c *Coordinate) append(b []byte) []byte {
	b = appendObject(b, 1, c.Object)
	b = wire.AppendSint(b, 2, c.Position)
	b = wire.AppendSint(b, 3, int64(c.Bytes))
	b = wire.AppendSint(b, 4, c.BaseOffset)
	b = wire.AppendSint(b, 5, c.LastOffset)
	b = wire.AppendSint(b, 6, c.MaxTimestamp)
	b = wire.AppendSint(b, 7, c.AppendTimestamp)
	b = wire.AppendSint(b, 8, int64(c.Batches))
	b = wire.AppendBool(b, 9, c.Stamped)
	b = wire.AppendSint(b, 10, c.IndexPosition)
	return wire.AppendSint(b, 11, int64(c.IndexBytes))
}

func decodeCoordinate(d *wire.Decoder, c *Coordinate) {
	switch d.Field() {
	case 1:
		decodeObject(d, &c.Object)
	case 2:
		c.Position = d.Sint()
	case 3:
		c.Bytes = int32(d.Sint())
	case 4:
		c.BaseOffset = d.Sint()
	case 5:
		c.LastOffset = d.Sint()
	case 6:
		c.MaxTimestamp = d.Sint()
	case 7:
		c.AppendTimestamp = d.Sint()
	case 8:
		c.Batches = int32(d.Sint())
	case 9:
		c.Stamped = d.Bool()
	case 10:
		c.IndexPosition = d.Sint()
	case 11:
		c.IndexBytes = int32(d.Sint())
	}
}

// Append implements Message.
func (r *FindSegmentsRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, r.MetadataOffset)
	for i := range r.Partitions {
		p := &r.Partitions[i]
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = appendPartition(b, 1, p.Partition)
			b = wire.AppendSint(b, 2, p.Offset)
			b = wire.AppendSint(b, 3, p.MaxBytes)
			return wire.AppendSint(b, 4, int64(p.MaxCoordinates))
		})
	}
	return b
}

// Decode implements Message.
func (r *FindSegmentsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.MetadataOffset = d.Sint()
		case 3:
			r.Partitions = embedded(d, r.Partitions, func(d *wire.Decoder, p *FindSegment) {
				switch d.Field() {
				case 1:
					decodePartition(d, &p.Partition)
				case 2:
					p.Offset = d.Sint()
				case 3:
					p.MaxBytes = d.Sint()
				case 4:
					p.MaxCoordinates = int32(d.Sint())
				}
			})
		}
	})
}

// Append implements Message.
func (r *FindSegmentsResponse) Append(b []byte) []byte {
	for i := range r.Partitions {
		p := &r.Partitions[i]
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(p.Error))
			b = wire.AppendSint(b, 2, p.LogStartOffset)
			b = wire.AppendSint(b, 3, p.HighWatermark)
			b = wire.AppendSint(b, 4, p.LastStableOffset)
			for j := range p.Coordinates {
				b = wire.AppendMessage(b, 5, p.Coordinates[j].append)
			}
			return b
		})
	}
	return b
}

// Decode implements Message.
func (r *FindSegmentsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Partitions = embedded(d, r.Partitions, func(d *wire.Decoder, p *FindSegmentResult) {
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
					p.Coordinates = embedded(d, p.Coordinates, decodeCoordinate)
				}
			})
		}
	})
}
