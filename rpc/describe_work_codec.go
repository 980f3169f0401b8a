package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *DescribeWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.MaxItems))
	return wire.AppendBytes(b, 3, r.From)
}

// Decode implements Message.
func (r *DescribeWorkRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.MaxItems = int32(d.Sint())
		case 3:
			r.From = append([]byte(nil), d.Bytes()...)
		}
	})
}

// Append implements Message.
func (r *DescribeWorkResponse) Append(b []byte) []byte {
	for i := range r.Kinds {
		b = wire.AppendMessage(b, 1, r.Kinds[i].append)
	}
	for i := range r.Items {
		b = wire.AppendMessage(b, 2, r.Items[i].append)
	}
	return wire.AppendBytes(b, 3, r.Next)
}

// Decode implements Message.
func (r *DescribeWorkResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Kinds = embedded(d, r.Kinds, decodeWorkSummary)
		case 2:
			r.Items = embedded(d, r.Items, decodeWorkItem)
		case 3:
			r.Next = append([]byte(nil), d.Bytes()...)
		}
	})
}

func (s *WorkSummary) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(s.Kind))
	b = wire.AppendSint(b, 2, s.Waiting)
	b = wire.AppendSint(b, 3, s.Running)
	b = wire.AppendSint(b, 4, s.Failed)
	b = wire.AppendSint(b, 5, s.Parked)
	b = wire.AppendSint(b, 6, s.OldestMillis)
	return wire.AppendSint(b, 7, int64(s.Attempts))
}

func decodeWorkSummary(d *wire.Decoder, s *WorkSummary) {
	switch d.Field() {
	case 1:
		s.Kind = WorkKind(d.Sint())
	case 2:
		s.Waiting = d.Sint()
	case 3:
		s.Running = d.Sint()
	case 4:
		s.Failed = d.Sint()
	case 5:
		s.Parked = d.Sint()
	case 6:
		s.OldestMillis = d.Sint()
	case 7:
		s.Attempts = int32(d.Sint())
	}
}

func (i *WorkItem) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(i.Kind))
	b = wire.AppendSint(b, 2, int64(i.State))
	b = wire.AppendString(b, 3, i.Subject)
	b = wire.AppendSint(b, 4, int64(i.Attempts))
	b = wire.AppendSint(b, 5, i.SinceMillis)
	b = wire.AppendSint(b, 6, i.NextMillis)
	b = wire.AppendSint(b, 7, i.Lease)
	b = wire.AppendSint(b, 8, int64(i.Broker))
	b = wire.AppendSint(b, 9, i.BrokerEpoch)
	b = wire.AppendSint(b, 10, i.DeadlineMillis)
	b = wire.AppendString(b, 11, i.Cause)
	return appendObjects(b, 12, i.Damaged)
}

func decodeWorkItem(d *wire.Decoder, i *WorkItem) {
	switch d.Field() {
	case 1:
		i.Kind = WorkKind(d.Sint())
	case 2:
		i.State = WorkState(d.Sint())
	case 3:
		i.Subject = d.String()
	case 4:
		i.Attempts = int32(d.Sint())
	case 5:
		i.SinceMillis = d.Sint()
	case 6:
		i.NextMillis = d.Sint()
	case 7:
		i.Lease = d.Sint()
	case 8:
		i.Broker = int32(d.Sint())
	case 9:
		i.BrokerEpoch = d.Sint()
	case 10:
		i.DeadlineMillis = d.Sint()
	case 11:
		i.Cause = d.String()
	case 12:
		i.Damaged = decodeNextObject(d, i.Damaged)
	}
}

// Append implements Message.
func (r *RetryWorkRequest) Append(b []byte) []byte {
	return wire.AppendSint(wire.AppendSint(b, 1, int64(r.Coordinator)), 2, int64(r.Kind))
}

// Decode implements Message.
func (r *RetryWorkRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Coordinator = int32(d.Sint())
		case 2:
			r.Kind = WorkKind(d.Sint())
		}
	})
}

// Append implements Message.
func (r *RetryWorkResponse) Append(b []byte) []byte { return wire.AppendSint(b, 1, r.Items) }

// Decode implements Message.
func (r *RetryWorkResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Items = d.Sint()
		}
	})
}
