package state

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/rpc"
)

func (c *FinishWork) appendBody(b []byte) []byte {
	b = c.Holder.append(b)
	b = wire.AppendSint(b, 4, int64(c.Coordinator))
	b = appendObjectIDs(b, 5, c.Deleted)
	for _, o := range c.Outputs {
		b = wire.AppendMessage(b, 6, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, o.Object.Epoch)
			b = wire.AppendSint(b, 2, o.Object.Sequence)
			return wire.AppendSint(b, 3, o.ObjectBytes)
		})
	}
	for i := range c.Segments {
		b = wire.AppendMessage(b, 7, func(b []byte) []byte { return appendReplaced(b, &c.Segments[i]) })
	}
	b = wire.AppendSint(b, 8, c.DeleteHorizonMillis)
	b = wire.AppendSint(b, 9, c.SweptObjects)
	b = wire.AppendSint(b, 10, c.RetryMillis)
	b = wire.AppendMessage(b, 11, c.Policy.append)
	return wire.AppendString(b, 12, c.Cause)
}

func (c *FinishWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1, 2, 3:
			c.decodeField(d)
		case 4:
			c.Coordinator = int32(d.Sint())
		case 5:
			c.Deleted = append(c.Deleted, decodeObjectID(d))
		case 6:
			var o rpc.OutputObject
			d.Embedded(func(d *wire.Decoder) error {
				for d.Next() {
					switch d.Field() {
					case 1:
						o.Object.Epoch = d.Sint()
					case 2:
						o.Object.Sequence = d.Sint()
					case 3:
						o.ObjectBytes = d.Sint()
					}
				}
				return d.Err()
			})
			c.Outputs = append(c.Outputs, o)
		case 7:
			c.Segments = append(c.Segments, rpc.ReplacedSegment{})
			s := &c.Segments[len(c.Segments)-1]
			d.Embedded(func(d *wire.Decoder) error { return decodeReplaced(d, s) })
		case 8:
			c.DeleteHorizonMillis = d.Sint()
		case 9:
			c.SweptObjects = d.Sint()
		case 10:
			c.RetryMillis = d.Sint()
		case 11:
			d.Embedded(c.Policy.decode)
		case 12:
			c.Cause = d.String()
		}
	}
	return d.Err()
}

func appendReplaced(b []byte, s *rpc.ReplacedSegment) []byte {
	b = appendPartition(b, s.Partition)
	b = wire.AppendSint(b, 3, s.BaseOffset)
	b = wire.AppendSint(b, 4, s.LastOffset)
	b = wire.AppendSint(b, 5, int64(s.Inputs))
	for i := range s.Coordinates {
		c := &s.Coordinates[i]
		b = wire.AppendMessage(b, 6, func(b []byte) []byte {
			for j, v := range [...]int64{c.Object.Epoch, c.Object.Sequence, c.Position, int64(c.Bytes), c.BaseOffset, c.LastOffset, c.MaxTimestamp,
				c.AppendTimestamp, int64(c.Batches), c.IndexPosition, int64(c.IndexBytes)} {
				b = wire.AppendSint(b, j+1, v)
			}
			return wire.AppendBool(b, 12, c.Stamped)
		})
	}
	return b
}

func decodeReplaced(d *wire.Decoder, s *rpc.ReplacedSegment) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			s.Partition.ID = topicID(d)
		case 2:
			s.Partition.Partition = int32(d.Sint())
		case 3:
			s.BaseOffset = d.Sint()
		case 4:
			s.LastOffset = d.Sint()
		case 5:
			s.Inputs = int32(d.Sint())
		case 6:
			s.Coordinates = append(s.Coordinates, rpc.Coordinate{})
			c := &s.Coordinates[len(s.Coordinates)-1]
			d.Embedded(func(d *wire.Decoder) error { return decodeReplacing(d, c) })
		}
	}
	return d.Err()
}

func decodeReplacing(d *wire.Decoder, c *rpc.Coordinate) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Object.Epoch = d.Sint()
		case 2:
			c.Object.Sequence = d.Sint()
		case 3:
			c.Position = d.Sint()
		case 4:
			c.Bytes = int32(d.Sint())
		case 5:
			c.BaseOffset = d.Sint()
		case 6:
			c.LastOffset = d.Sint()
		case 7:
			c.MaxTimestamp = d.Sint()
		case 8:
			c.AppendTimestamp = d.Sint()
		case 9:
			c.Batches = int32(d.Sint())
		case 10:
			c.IndexPosition = d.Sint()
		case 11:
			c.IndexBytes = int32(d.Sint())
		case 12:
			c.Stamped = d.Bool()
		}
	}
	return d.Err()
}
