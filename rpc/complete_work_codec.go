package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *CompleteWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	b = wire.AppendSint(b, 4, r.Lease)
	b = appendObjects(b, 5, r.Deleted)
	for _, o := range r.Outputs {
		b = wire.AppendMessage(b, 6, func(b []byte) []byte { return wire.AppendSint(appendObject(b, 1, o.Object), 2, o.ObjectBytes) })
	}
	for i := range r.Segments {
		b = wire.AppendMessage(b, 7, r.Segments[i].append)
	}
	b = wire.AppendSint(b, 8, r.DeleteHorizonMillis)
	b = wire.AppendSint(b, 9, r.SweptObjects)
	return wire.AppendString(b, 10, r.Cause)
}

// Decode implements Message.
func (r *CompleteWorkRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Broker = int32(d.Sint())
		case 3:
			r.BrokerEpoch = d.Sint()
		case 4:
			r.Lease = d.Sint()
		case 5:
			r.Deleted = decodeNextObject(d, r.Deleted)
		case 6:
			r.Outputs = embedded(d, r.Outputs, decodeOutputObject)
		case 7:
			r.Segments = embedded(d, r.Segments, decodeReplacedSegment)
		case 8:
			r.DeleteHorizonMillis = d.Sint()
		case 9:
			r.SweptObjects = d.Sint()
		case 10:
			r.Cause = d.String()
		}
	})
}

func decodeOutputObject(d *wire.Decoder, o *OutputObject) {
	switch d.Field() {
	case 1:
		decodeObject(d, &o.Object)
	case 2:
		o.ObjectBytes = d.Sint()
	}
}

func (s *ReplacedSegment) append(b []byte) []byte {
	b = appendPartition(b, 1, s.Partition)
	b = wire.AppendSint(b, 2, s.BaseOffset)
	b = wire.AppendSint(b, 3, s.LastOffset)
	b = wire.AppendSint(b, 4, int64(s.Inputs))
	for i := range s.Coordinates {
		b = wire.AppendMessage(b, 5, s.Coordinates[i].append)
	}
	return b
}

func decodeReplacedSegment(d *wire.Decoder, s *ReplacedSegment) {
	switch d.Field() {
	case 1:
		decodePartition(d, &s.Partition)
	case 2:
		s.BaseOffset = d.Sint()
	case 3:
		s.LastOffset = d.Sint()
	case 4:
		s.Inputs = int32(d.Sint())
	case 5:
		s.Coordinates = embedded(d, s.Coordinates, decodeCoordinate)
	}
}

// Append implements Message.
func (r *CompleteWorkResponse) Append(b []byte) []byte { return appendBools(b, 1, r.Swapped) }

// Decode implements Message.
func (r *CompleteWorkResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Swapped = decodeBools(d, r.Swapped)
		}
	})
}

// Append implements Message.
func (r *RenewWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	return wire.AppendSint(b, 4, r.Lease)
}

// Decode implements Message.
func (r *RenewWorkRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Broker = int32(d.Sint())
		case 3:
			r.BrokerEpoch = d.Sint()
		case 4:
			r.Lease = d.Sint()
		}
	})
}

// Append implements Message.
func (r *RenewWorkResponse) Append(b []byte) []byte { return wire.AppendSint(b, 1, r.DeadlineMillis) }

// Decode implements Message.
func (r *RenewWorkResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.DeadlineMillis = d.Sint()
		}
	})
}

// Append implements Message.
func (r *FailWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	b = wire.AppendSint(b, 4, r.Lease)
	b = wire.AppendString(b, 5, r.Cause)
	return appendObjects(b, 6, r.Damaged)
}

// Decode implements Message.
func (r *FailWorkRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Broker = int32(d.Sint())
		case 3:
			r.BrokerEpoch = d.Sint()
		case 4:
			r.Lease = d.Sint()
		case 5:
			r.Cause = d.String()
		case 6:
			r.Damaged = decodeNextObject(d, r.Damaged)
		}
	})
}

// Append implements Message.
func (r *FailWorkResponse) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Attempts))
	b = wire.AppendBool(b, 2, r.Parked)
	return wire.AppendSint(b, 3, r.RetryMillis)
}

// Decode implements Message.
func (r *FailWorkResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Attempts = int32(d.Sint())
		case 2:
			r.Parked = d.Bool()
		case 3:
			r.RetryMillis = d.Sint()
		}
	})
}
