package state

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/rpc"
)

// A batch is batchFields varints of one packed field: a commit has thousands of batches, and a message for each would
// cost more than its fields.
const batchFields = 6

func (c *CommitObjects) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Broker))
	b = wire.AppendSint(b, 2, c.BrokerEpoch)
	b = wire.AppendSint(b, 3, c.AcknowledgedBelow)
	b = wire.AppendSint(b, 4, c.MetadataOffset)
	for i := range c.Objects {
		o := &c.Objects[i]
		b = wire.AppendMessage(b, 5, func(b []byte) []byte { return appendObjectCommit(b, o) })
	}
	for i := range c.Refused {
		r := &c.Refused[i]
		b = wire.AppendMessage(b, 6, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(r.Object))
			b = wire.AppendSint(b, 2, int64(r.Segment))
			return wire.AppendSint(b, 3, int64(r.Error))
		})
	}
	return b
}

func (c *CommitObjects) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.BrokerEpoch = d.Sint()
		case 3:
			c.AcknowledgedBelow = d.Sint()
		case 4:
			c.MetadataOffset = d.Sint()
		case 5:
			c.Objects = append(c.Objects, rpc.ObjectCommit{})
			o := &c.Objects[len(c.Objects)-1]
			d.Embedded(func(d *wire.Decoder) error { return decodeObjectCommit(d, o) })
		case 6:
			var r RefusedSegment
			d.Embedded(r.decode)
			c.Refused = append(c.Refused, r)
		}
	}
	return d.Err()
}

func (r *RefusedSegment) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Object = int(d.Sint())
		case 2:
			r.Segment = int(d.Sint())
		case 3:
			r.Error = int16(d.Sint())
		}
	}
	return d.Err()
}

func appendObjectCommit(b []byte, o *rpc.ObjectCommit) []byte {
	b = wire.AppendSint(b, 1, o.Object.Epoch)
	b = wire.AppendSint(b, 2, o.Object.Sequence)
	b = wire.AppendSint(b, 3, o.ObjectBytes)
	b = wire.AppendPackedSint(b, 4, o.Coordinators)
	for i := range o.Segments {
		s := &o.Segments[i]
		b = wire.AppendMessage(b, 5, func(b []byte) []byte {
			b = wire.AppendBytes(b, 1, s.Partition.ID[:])
			b = wire.AppendSint(b, 2, int64(s.Partition.Partition))
			b = wire.AppendSint(b, 3, s.Position)
			b = wire.AppendBool(b, 4, s.LogAppendTime)
			return appendBatches(b, 5, s.Batches)
		})
	}
	return b
}

func appendBatches(b []byte, field int, batches []rpc.BatchCommit) []byte {
	if len(batches) == 0 {
		return b
	}
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		for i := range batches {
			e := &batches[i]
			for _, v := range [batchFields]int64{int64(e.Bytes), int64(e.Records), e.MaxTimestamp, e.ProducerID, int64(e.ProducerEpoch), int64(e.BaseSequence)} {
				b = protowire.AppendVarint(b, protowire.EncodeZigZag(v))
			}
		}
		return b
	})
}

func decodeObjectCommit(d *wire.Decoder, o *rpc.ObjectCommit) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			o.Object.Epoch = d.Sint()
		case 2:
			o.Object.Sequence = d.Sint()
		case 3:
			o.ObjectBytes = d.Sint()
		case 4:
			o.Coordinators = wire.PackedSint(d, o.Coordinators)
		case 5:
			if o.Segments == nil {
				o.Segments = make([]rpc.SegmentCommit, 0, 64)
			}
			o.Segments = append(o.Segments, rpc.SegmentCommit{})
			s := &o.Segments[len(o.Segments)-1]
			d.Embedded(func(d *wire.Decoder) error { return decodeSegment(d, s) })
		}
	}
	return d.Err()
}

func decodeSegment(d *wire.Decoder, s *rpc.SegmentCommit) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			s.Partition.ID = topicID(d)
		case 2:
			s.Partition.Partition = int32(d.Sint())
		case 3:
			s.Position = d.Sint()
		case 4:
			s.LogAppendTime = d.Bool()
		case 5:
			s.Batches = decodeBatches(d)
		}
	}
	return d.Err()
}

func decodeBatches(d *wire.Decoder) []rpc.BatchCommit {
	b := d.Bytes()
	n := 0
	for _, c := range b {
		if c < 0x80 { // the last byte of a varint
			n++
		}
	}
	if n%batchFields != 0 || len(b) > 0 && b[len(b)-1] >= 0x80 {
		d.Fail(fmt.Errorf("%d numbers in a list of batches of %d", n, batchFields))
		return nil
	}
	batches := make([]rpc.BatchCommit, n/batchFields)
	for i := range batches {
		var v [batchFields]int64
		for j := range v {
			u, size := protowire.ConsumeVarint(b)
			if size < 0 {
				d.Fail(protowire.ParseError(size))
				return nil
			}
			v[j], b = protowire.DecodeZigZag(u), b[size:]
		}
		batches[i] = rpc.BatchCommit{Bytes: int32(v[0]), Records: int32(v[1]), MaxTimestamp: v[2],
			ProducerID: v[3], ProducerEpoch: int16(v[4]), BaseSequence: int32(v[5])}
	}
	return batches
}
