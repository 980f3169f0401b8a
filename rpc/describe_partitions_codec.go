package rpc

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// Append implements Message.
func (r *DescribePartitionsRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, r.MetadataOffset)
	b = wire.AppendBool(b, 3, r.Producers)
	for _, p := range r.Partitions {
		b = appendPartition(b, 4, p)
	}
	return b
}

// Decode implements Message.
func (r *DescribePartitionsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.MetadataOffset = d.Sint()
		case 3:
			r.Producers = d.Bool()
		case 4:
			var p kafka.TopicIDPartition
			decodePartition(d, &p)
			r.Partitions = append(r.Partitions, p)
		}
	})
}

// Append implements Message.
func (r *DescribePartitionsResponse) Append(b []byte) []byte {
	for i := range r.Partitions {
		b = wire.AppendMessage(b, 1, r.Partitions[i].append)
	}
	return b
}

func (p *PartitionDescription) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(p.Error))
	b = wire.AppendSint(b, 2, p.Bytes)
	b = wire.AppendSint(b, 3, p.Coordinates)
	b = wire.AppendSint(b, 4, p.LogStartOffset)
	b = wire.AppendSint(b, 5, p.HighWatermark)
	for i := range p.Producers {
		a := &p.Producers[i]
		b = wire.AppendMessage(b, 6, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, a.ProducerID)
			b = wire.AppendSint(b, 2, int64(a.ProducerEpoch))
			b = wire.AppendSint(b, 3, int64(a.LastSequence))
			return wire.AppendSint(b, 4, a.LastTimestamp)
		})
	}
	return b
}

// Decode implements Message.
func (r *DescribePartitionsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Partitions = embedded(d, r.Partitions, decodePartitionDescription)
		}
	})
}

func decodePartitionDescription(d *wire.Decoder, p *PartitionDescription) {
	switch d.Field() {
	case 1:
		p.Error = int16(d.Sint())
	case 2:
		p.Bytes = d.Sint()
	case 3:
		p.Coordinates = d.Sint()
	case 4:
		p.LogStartOffset = d.Sint()
	case 5:
		p.HighWatermark = d.Sint()
	case 6:
		p.Producers = embedded(d, p.Producers, func(d *wire.Decoder, a *ActiveProducer) {
			switch d.Field() {
			case 1:
				a.ProducerID = d.Sint()
			case 2:
				a.ProducerEpoch = int16(d.Sint())
			case 3:
				a.LastSequence = int32(d.Sint())
			case 4:
				a.LastTimestamp = d.Sint()
			}
		})
	}
}
