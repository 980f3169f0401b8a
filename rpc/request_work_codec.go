package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *RequestWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	b = wire.AppendSint(b, 4, int64(r.MaxObjects))
	return wire.AppendSint(b, 5, r.WaitMillis)
}

// Decode implements Message.
func (r *RequestWorkRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Broker = int32(d.Sint())
		case 3:
			r.BrokerEpoch = d.Sint()
		case 4:
			r.MaxObjects = int32(d.Sint())
		case 5:
			r.WaitMillis = d.Sint()
		}
	})
}

// Append implements Message.
func (r *RequestWorkResponse) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, r.Lease)
	b = wire.AppendSint(b, 2, r.DeadlineMillis)
	for i := range r.Objects {
		o := &r.Objects[i]
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = appendObject(b, 1, o.Object)
			b = wire.AppendSint(b, 2, o.Bytes)
			return wire.AppendPackedSint(b, 3, o.Coordinators)
		})
	}
	return b
}

// Decode implements Message.
func (r *RequestWorkResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Lease = d.Sint()
		case 2:
			r.DeadlineMillis = d.Sint()
		case 3:
			r.Objects = embedded(d, r.Objects, func(d *wire.Decoder, o *ReleasedObject) {
				switch d.Field() {
				case 1:
					decodeObject(d, &o.Object)
				case 2:
					o.Bytes = d.Sint()
				case 3:
					o.Coordinators = wire.PackedSint(d, o.Coordinators)
				}
			})
		}
	})
}

// Append implements Message.
func (r *CheckReleasedRequest) Append(b []byte) []byte {
	return appendObjects(wire.AppendSint(b, 1, int64(r.Coordinator)), 2, r.Objects)
}

// Decode implements Message.
func (r *CheckReleasedRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Objects = decodeNextObject(d, r.Objects)
		}
	})
}

// Append implements Message.
func (r *CheckReleasedResponse) Append(b []byte) []byte {
	answers := make([]int32, len(r.Released))
	for i, released := range r.Released {
		if released {
			answers[i] = 1
		}
	}
	return wire.AppendPackedSint(b, 1, answers)
}

// Decode implements Message.
func (r *CheckReleasedResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			for _, answer := range wire.PackedSint[int32](d, nil) {
				r.Released = append(r.Released, answer != 0)
			}
		}
	})
}

// Append implements Message.
func (r *CompleteWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	b = wire.AppendSint(b, 4, r.Lease)
	return appendObjects(b, 5, r.Deleted)
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
		}
	})
}

// Append implements Message.
func (r *CompleteWorkResponse) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *CompleteWorkResponse) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }
