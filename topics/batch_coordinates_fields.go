package topics

import (
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// The messages of batch_coordinates.proto, one pair of functions each, fields in the order of their numbers.

func (r *ObjectCommitted) appendBody(b []byte) []byte {
	b = appendObjectID(b, 1, r.Object)
	b = wire.AppendSint(b, 2, r.ObjectBytes)
	for i := range r.Segments {
		b = wire.AppendMessage(b, 3, r.Segments[i].appendBody)
	}
	return b
}

func (r *ObjectCommitted) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Object = decodeObjectID(d)
		case 2:
			r.ObjectBytes = d.Sint()
		case 3:
			r.Segments = append(r.Segments, CommittedSegment{})
			d.Embedded(r.Segments[len(r.Segments)-1].decodeBody)
		}
	}
	return d.Err()
}

func (s *CommittedSegment) appendBody(b []byte) []byte {
	b = appendTopicIDPartition(b, 1, s.Partition)
	for i := range s.Coordinates {
		b = wire.AppendMessage(b, 2, s.Coordinates[i].appendBody)
	}
	return b
}

func (s *CommittedSegment) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			s.Partition = decodeTopicIDPartition(d)
		case 2:
			s.Coordinates = append(s.Coordinates, CommittedCoordinate{})
			d.Embedded(s.Coordinates[len(s.Coordinates)-1].decodeBody)
		}
	}
	return d.Err()
}

func (c *CommittedCoordinate) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.Position)
	b = wire.AppendSint(b, 2, int64(c.Bytes))
	b = wire.AppendSint(b, 3, c.BaseOffset)
	b = wire.AppendSint(b, 4, c.LastOffset)
	b = wire.AppendSint(b, 5, c.MaxTimestamp)
	b = wire.AppendSint(b, 6, c.AppendTimestamp)
	b = wire.AppendSint(b, 7, int64(c.Batches))
	b = wire.AppendBool(b, 8, c.Stamped)
	b = wire.AppendSint(b, 9, c.IndexPosition)
	return wire.AppendSint(b, 10, int64(c.IndexBytes))
}

func (c *CommittedCoordinate) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Position = d.Sint()
		case 2:
			c.Bytes = int32(d.Sint())
		case 3:
			c.BaseOffset = d.Sint()
		case 4:
			c.LastOffset = d.Sint()
		case 5:
			c.MaxTimestamp = d.Sint()
		case 6:
			c.AppendTimestamp = d.Sint()
		case 7:
			c.Batches = int32(d.Sint())
		case 8:
			c.Stamped = d.Bool()
		case 9:
			c.IndexPosition = d.Sint()
		case 10:
			c.IndexBytes = int32(d.Sint())
		}
	}
	return d.Err()
}

func (r *CoordinatesReplaced) appendBody(b []byte) []byte {
	b = appendTopicIDPartition(b, 1, r.Partition)
	b = wire.AppendSint(b, 2, r.BaseOffset)
	b = wire.AppendSint(b, 3, r.LastOffset)
	for i := range r.Coordinates {
		c := &r.Coordinates[i]
		b = wire.AppendMessage(b, 4, func(b []byte) []byte {
			return wire.AppendMessage(appendObjectID(b, 1, c.Object), 2, c.CommittedCoordinate.appendBody)
		})
	}
	return b
}

func (r *CoordinatesReplaced) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Partition = decodeTopicIDPartition(d)
		case 2:
			r.BaseOffset = d.Sint()
		case 3:
			r.LastOffset = d.Sint()
		case 4:
			r.Coordinates = append(r.Coordinates, ReplacingCoordinate{})
			d.Embedded(r.Coordinates[len(r.Coordinates)-1].decode)
		}
	}
	return d.Err()
}

func (c *ReplacingCoordinate) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Object = decodeObjectID(d)
		case 2:
			d.Embedded(c.CommittedCoordinate.decodeBody)
		}
	}
	return d.Err()
}

func (r *LogStartMoved) appendBody(b []byte) []byte {
	b = appendTopicIDPartition(b, 1, r.Partition)
	b = wire.AppendSint(b, 2, r.LogStartOffset)
	return wire.AppendUint(b, 3, uint64(r.Reason))
}

func (r *LogStartMoved) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Partition = decodeTopicIDPartition(d)
		case 2:
			r.LogStartOffset = d.Sint()
		case 3:
			r.Reason = LogStartReason(d.Uint())
		}
	}
	return d.Err()
}

func (r *TopicDeleted) appendBody(b []byte) []byte { return wire.AppendBytes(b, 1, r.ID[:]) }

func (r *TopicDeleted) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			r.ID = batchTopicID(d)
		}
	}
	return d.Err()
}

func (r *ObjectsReleased) appendBody(b []byte) []byte { return appendObjectIDs(b, r.Objects) }
func (r *ObjectsDeleted) appendBody(b []byte) []byte  { return appendObjectIDs(b, r.Objects) }

func (r *ObjectsReleased) decodeBody(d *wire.Decoder) error {
	r.Objects = decodeObjectIDs(d)
	return d.Err()
}

func (r *ObjectsDeleted) decodeBody(d *wire.Decoder) error {
	r.Objects = decodeObjectIDs(d)
	return d.Err()
}

func (r *BrokerFenced) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Broker))
	return wire.AppendSint(b, 2, r.MinEpoch)
}

func (r *BrokerFenced) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Broker = int32(d.Sint())
		case 2:
			r.MinEpoch = d.Sint()
		}
	}
	return d.Err()
}

func appendObjectID(b []byte, field int, id kafka.ObjectID) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		b = wire.AppendSint(b, 1, id.Epoch)
		return wire.AppendSint(b, 2, id.Sequence)
	})
}

func decodeObjectID(d *wire.Decoder) (id kafka.ObjectID) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				id.Epoch = d.Sint()
			case 2:
				id.Sequence = d.Sint()
			}
		}
		return d.Err()
	})
	return id
}

func appendObjectIDs(b []byte, ids []kafka.ObjectID) []byte {
	for _, id := range ids {
		b = appendObjectID(b, 1, id)
	}
	return b
}

func decodeObjectIDs(d *wire.Decoder) (ids []kafka.ObjectID) {
	for d.Next() {
		if d.Field() == 1 {
			ids = append(ids, decodeObjectID(d))
		}
	}
	return ids
}

func appendTopicIDPartition(b []byte, field int, tp kafka.TopicIDPartition) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		b = wire.AppendBytes(b, 1, tp.ID[:])
		return wire.AppendSint(b, 2, int64(tp.Partition))
	})
}

func decodeTopicIDPartition(d *wire.Decoder) (tp kafka.TopicIDPartition) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				tp.ID = batchTopicID(d)
			case 2:
				tp.Partition = int32(d.Sint())
			}
		}
		return d.Err()
	})
	return tp
}

func batchTopicID(d *wire.Decoder) (id kafka.TopicID) {
	b := d.Bytes()
	if len(b) != len(id) {
		d.Fail(fmt.Errorf("topic id of %d bytes, want %d", len(b), len(id)))
		return id
	}
	return kafka.TopicID(b)
}
