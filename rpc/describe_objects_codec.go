package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *DescribeCoordinatesRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = appendPartition(b, 2, r.From)
	b = wire.AppendSint(b, 3, r.Offset)
	return wire.AppendSint(b, 4, int64(r.MaxCoordinates))
}

// Decode implements Message.
func (r *DescribeCoordinatesRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			decodePartition(d, &r.From)
		case 3:
			r.Offset = d.Sint()
		case 4:
			r.MaxCoordinates = int32(d.Sint())
		}
	})
}

// Append implements Message.
func (r *DescribeCoordinatesResponse) Append(b []byte) []byte {
	for i := range r.Partitions {
		b = wire.AppendMessage(b, 1, r.Partitions[i].append)
	}
	return wire.AppendBool(b, 2, r.More)
}

// Decode implements Message.
func (r *DescribeCoordinatesResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Partitions = embedded(d, r.Partitions, decodePartitionCoordinates)
		case 2:
			r.More = d.Bool()
		}
	})
}

func (p *PartitionCoordinates) append(b []byte) []byte {
	b = appendPartition(b, 1, p.Partition)
	b = wire.AppendSint(b, 2, p.LogStartOffset)
	b = wire.AppendSint(b, 3, p.HighWatermark)
	b = wire.AppendSint(b, 4, p.HolesBelow)
	b = wire.AppendSint(b, 5, p.Bytes)
	b = wire.AppendSint(b, 6, p.Count)
	for i := range p.Coordinates {
		b = wire.AppendMessage(b, 7, p.Coordinates[i].append)
	}
	b = wire.AppendBool(b, 8, p.Complete)
	return wire.AppendBool(b, 9, p.Deleting)
}

func decodePartitionCoordinates(d *wire.Decoder, p *PartitionCoordinates) {
	switch d.Field() {
	case 1:
		decodePartition(d, &p.Partition)
	case 2:
		p.LogStartOffset = d.Sint()
	case 3:
		p.HighWatermark = d.Sint()
	case 4:
		p.HolesBelow = d.Sint()
	case 5:
		p.Bytes = d.Sint()
	case 6:
		p.Count = d.Sint()
	case 7:
		p.Coordinates = embedded(d, p.Coordinates, decodeCoordinate)
	case 8:
		p.Complete = d.Bool()
	case 9:
		p.Deleting = d.Bool()
	}
}

// Append implements Message.
func (r *DescribeObjectsRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, r.MetadataOffset)
	return appendObjects(b, 3, r.Objects)
}

// Decode implements Message.
func (r *DescribeObjectsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.MetadataOffset = d.Sint()
		case 3:
			r.Objects = decodeNextObject(d, r.Objects)
		}
	})
}

// Append implements Message.
func (r *DescribeObjectsResponse) Append(b []byte) []byte {
	for i := range r.Objects {
		b = wire.AppendMessage(b, 1, r.Objects[i].append)
	}
	return b
}

// Decode implements Message.
func (r *DescribeObjectsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Objects = embedded(d, r.Objects, decodeObjectDescription)
		}
	})
}

func (o *ObjectDescription) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(o.State))
	b = wire.AppendSint(b, 2, o.References)
	b = wire.AppendSint(b, 3, o.Bytes)
	b = wire.AppendSint(b, 4, int64(o.Epoch))
	b = wire.AppendBool(b, 5, o.SweepPlanned)
	return wire.AppendBool(b, 6, o.SweepParked)
}

func decodeObjectDescription(d *wire.Decoder, o *ObjectDescription) {
	switch d.Field() {
	case 1:
		o.State = ObjectState(d.Sint())
	case 2:
		o.References = d.Sint()
	case 3:
		o.Bytes = d.Sint()
	case 4:
		o.Epoch = EpochState(d.Sint())
	case 5:
		o.SweepPlanned = d.Bool()
	case 6:
		o.SweepParked = d.Bool()
	}
}
