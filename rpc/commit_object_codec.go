package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *CommitObjectsRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	b = wire.AppendSint(b, 4, r.MetadataOffset)
	b = wire.AppendSint(b, 5, r.AcknowledgedBelow)
	for i := range r.Objects {
		b = wire.AppendMessage(b, 6, r.Objects[i].append)
	}
	return b
}

func (o *ObjectCommit) append(b []byte) []byte {
	b = appendObject(b, 1, o.Object)
	b = wire.AppendSint(b, 2, o.ObjectBytes)
	b = wire.AppendPackedSint(b, 3, o.Coordinators)
	for i := range o.Segments {
		b = wire.AppendMessage(b, 4, o.Segments[i].append)
	}
	return b
}

func (s *SegmentCommit) append(b []byte) []byte {
	b = appendPartition(b, 1, s.Partition)
	b = wire.AppendSint(b, 2, s.Position)
	b = wire.AppendBool(b, 3, s.LogAppendTime)
	for i := range s.Batches {
		b = wire.AppendMessage(b, 4, s.Batches[i].append)
	}
	return b
}

func (c *BatchCommit) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Bytes))
	b = wire.AppendSint(b, 2, int64(c.Records))
	b = wire.AppendSint(b, 3, c.MaxTimestamp)
	b = wire.AppendSint(b, 4, c.ProducerID)
	b = wire.AppendSint(b, 5, int64(c.ProducerEpoch))
	return wire.AppendSint(b, 6, int64(c.BaseSequence))
}

// Decode implements Message.
func (r *CommitObjectsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Broker = int32(d.Sint())
		case 3:
			r.BrokerEpoch = d.Sint()
		case 4:
			r.MetadataOffset = d.Sint()
		case 5:
			r.AcknowledgedBelow = d.Sint()
		case 6:
			r.Objects = embedded(d, r.Objects, decodeObjectCommit)
		}
	})
}

func decodeObjectCommit(d *wire.Decoder, o *ObjectCommit) {
	switch d.Field() {
	case 1:
		decodeObject(d, &o.Object)
	case 2:
		o.ObjectBytes = d.Sint()
	case 3:
		o.Coordinators = wire.PackedSint(d, o.Coordinators)
	case 4:
		o.Segments = embedded(d, o.Segments, decodeSegmentCommit)
	}
}

func decodeSegmentCommit(d *wire.Decoder, s *SegmentCommit) {
	switch d.Field() {
	case 1:
		decodePartition(d, &s.Partition)
	case 2:
		s.Position = d.Sint()
	case 3:
		s.LogAppendTime = d.Bool()
	case 4:
		s.Batches = embedded(d, s.Batches, decodeBatchCommit)
	}
}

func decodeBatchCommit(d *wire.Decoder, c *BatchCommit) {
	switch d.Field() {
	case 1:
		c.Bytes = int32(d.Sint())
	case 2:
		c.Records = int32(d.Sint())
	case 3:
		c.MaxTimestamp = d.Sint()
	case 4:
		c.ProducerID = d.Sint()
	case 5:
		c.ProducerEpoch = int16(d.Sint())
	case 6:
		c.BaseSequence = int32(d.Sint())
	}
}

// Append implements Message.
func (r *CommitObjectsResponse) Append(b []byte) []byte {
	for i := range r.Objects {
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			for j := range r.Objects[i].Segments {
				b = wire.AppendMessage(b, 1, r.Objects[i].Segments[j].append)
			}
			return b
		})
	}
	return b
}

func (s *SegmentResult) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(s.Error))
	b = wire.AppendSint(b, 2, s.LogStartOffset)
	for i := range s.Batches {
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(s.Batches[i].Error))
			b = wire.AppendBool(b, 2, s.Batches[i].Duplicate)
			b = wire.AppendSint(b, 3, s.Batches[i].BaseOffset)
			return wire.AppendSint(b, 4, s.Batches[i].AppendTimestamp)
		})
	}
	return b
}

// Decode implements Message.
func (r *CommitObjectsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Objects = embedded(d, r.Objects, func(d *wire.Decoder, o *ObjectResult) {
				if d.Field() == 1 {
					o.Segments = embedded(d, o.Segments, decodeSegmentResult)
				}
			})
		}
	})
}

func decodeSegmentResult(d *wire.Decoder, s *SegmentResult) {
	switch d.Field() {
	case 1:
		s.Error = int16(d.Sint())
	case 2:
		s.LogStartOffset = d.Sint()
	case 3:
		s.Batches = embedded(d, s.Batches, func(d *wire.Decoder, r *BatchResult) {
			switch d.Field() {
			case 1:
				r.Error = int16(d.Sint())
			case 2:
				r.Duplicate = d.Bool()
			case 3:
				r.BaseOffset = d.Sint()
			case 4:
				r.AppendTimestamp = d.Sint()
			}
		})
	}
}
