package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *RequestWorkRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Coordinator))
	b = wire.AppendSint(b, 2, int64(r.Broker))
	b = wire.AppendSint(b, 3, r.BrokerEpoch)
	b = wire.AppendSint(b, 4, int64(r.MaxObjects))
	b = wire.AppendSint(b, 5, r.WaitMillis)
	for _, k := range r.Kinds {
		b = wire.AppendMessage(b, 6, func(b []byte) []byte { return wire.AppendSint(b, 1, int64(k)) })
	}
	return wire.AppendSint(b, 7, r.MaxBytes)
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
		case 6:
			r.Kinds = embedded(d, r.Kinds, func(d *wire.Decoder, k *WorkKind) { *k = WorkKind(d.Sint()) })
		case 7:
			r.MaxBytes = d.Sint()
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
	b = wire.AppendSint(b, 4, int64(r.Kind))
	b = wire.AppendSint(b, 5, int64(r.Attempt))
	if r.Merge != nil {
		b = wire.AppendMessage(b, 6, r.Merge.append)
	}
	if r.CompactKeys != nil {
		b = wire.AppendMessage(b, 7, r.CompactKeys.append)
	}
	if r.Sweep != nil {
		b = wire.AppendMessage(b, 8, r.Sweep.append)
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
		case 4:
			r.Kind = WorkKind(d.Sint())
		case 5:
			r.Attempt = int32(d.Sint())
		case 6:
			r.Merge = one(d, decodeMergeWork)
		case 7:
			r.CompactKeys = one(d, decodeCompactKeysWork)
		case 8:
			r.Sweep = one(d, decodeSweepWork)
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
	return appendBools(b, 1, r.Released)
}

// Decode implements Message.
func (r *CheckReleasedResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Released = decodeBools(d, r.Released)
		}
	})
}

func appendBools(b []byte, field int, values []bool) []byte {
	numbers := make([]int32, len(values))
	for i, v := range values {
		if v {
			numbers[i] = 1
		}
	}
	return wire.AppendPackedSint(b, field, numbers)
}

func decodeBools(d *wire.Decoder, to []bool) []bool {
	for _, n := range wire.PackedSint[int32](d, nil) {
		to = append(to, n != 0)
	}
	return to
}

// one decodes the current field, a message that comes at most once.
func one[T any](d *wire.Decoder, field func(d *wire.Decoder, v *T)) *T {
	v := new(T)
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			field(d, v)
		}
		return d.Err()
	})
	return v
}

func (w *MergeWork) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, w.TargetBytes)
	for i := range w.Partitions {
		r := &w.Partitions[i]
		b = wire.AppendMessage(b, 2, func(b []byte) []byte {
			b = appendPartition(b, 1, r.Partition)
			for j := range r.Coordinates {
				b = wire.AppendMessage(b, 2, r.Coordinates[j].append)
			}
			return b
		})
	}
	return b
}

func decodeMergeWork(d *wire.Decoder, w *MergeWork) {
	switch d.Field() {
	case 1:
		w.TargetBytes = d.Sint()
	case 2:
		w.Partitions = embedded(d, w.Partitions, func(d *wire.Decoder, r *PartitionRun) {
			switch d.Field() {
			case 1:
				decodePartition(d, &r.Partition)
			case 2:
				r.Coordinates = embedded(d, r.Coordinates, decodeCoordinate)
			}
		})
	}
}

func (w *CompactKeysWork) append(b []byte) []byte {
	b = appendPartition(b, 1, w.Partition)
	for i := range w.Coordinates {
		b = wire.AppendMessage(b, 2, w.Coordinates[i].append)
	}
	b = wire.AppendSint(b, 3, w.LogStartOffset)
	b = wire.AppendSint(b, 4, w.FirstDirtyOffset)
	b = wire.AppendSint(b, 5, w.HighWatermark)
	b = wire.AppendSint(b, 6, w.NowMillis)
	b = wire.AppendSint(b, 7, w.DeleteRetentionMillis)
	b = wire.AppendSint(b, 8, w.MaxObjectBytes)
	for _, p := range w.ActiveProducers {
		b = wire.AppendMessage(b, 9, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, p.ProducerID)
			b = wire.AppendSint(b, 2, int64(p.ProducerEpoch))
			return wire.AppendSint(b, 3, p.LastOffset)
		})
	}
	return b
}

func decodeCompactKeysWork(d *wire.Decoder, w *CompactKeysWork) {
	switch d.Field() {
	case 1:
		decodePartition(d, &w.Partition)
	case 2:
		w.Coordinates = embedded(d, w.Coordinates, decodeCoordinate)
	case 3:
		w.LogStartOffset = d.Sint()
	case 4:
		w.FirstDirtyOffset = d.Sint()
	case 5:
		w.HighWatermark = d.Sint()
	case 6:
		w.NowMillis = d.Sint()
	case 7:
		w.DeleteRetentionMillis = d.Sint()
	case 8:
		w.MaxObjectBytes = d.Sint()
	case 9:
		w.ActiveProducers = embedded(d, w.ActiveProducers, func(d *wire.Decoder, p *ProducerEnd) {
			switch d.Field() {
			case 1:
				p.ProducerID = d.Sint()
			case 2:
				p.ProducerEpoch = int16(d.Sint())
			case 3:
				p.LastOffset = d.Sint()
			}
		})
	}
}

func (w *SweepWork) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(w.Broker))
	b = wire.AppendSint(b, 2, w.Epoch)
	return wire.AppendSint(b, 3, int64(w.Round))
}

func decodeSweepWork(d *wire.Decoder, w *SweepWork) {
	switch d.Field() {
	case 1:
		w.Broker = int32(d.Sint())
	case 2:
		w.Epoch = d.Sint()
	case 3:
		w.Round = int32(d.Sint())
	}
}
