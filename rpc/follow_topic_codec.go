package rpc

import (
	"bytes"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// Append implements Message.
func (r *FollowTopicRequest) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, r.Topic)
	b = wire.AppendSint(b, 2, int64(r.Partition))
	b = wire.AppendSint(b, 3, r.Offset)
	b = wire.AppendSint(b, 4, int64(r.MaxBytes))
	return wire.AppendSint(b, 5, int64(r.MaxWaitMillis))
}

// Decode implements Message.
func (r *FollowTopicRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Topic = d.String()
		case 2:
			r.Partition = int32(d.Sint())
		case 3:
			r.Offset = d.Sint()
		case 4:
			r.MaxBytes = int32(d.Sint())
		case 5:
			r.MaxWaitMillis = int32(d.Sint())
		}
	})
}

// Append implements Message.
func (r *FollowTopicResponse) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, r.StartOffset)
	b = wire.AppendSint(b, 2, r.HighWatermark)
	b = wire.AppendSint(b, 3, r.NextOffset)
	for i := range r.Records {
		b = wire.AppendMessage(b, 4, r.Records[i].append)
	}
	return b
}

func (t *TopicRecord) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, t.Offset)
	b = wire.AppendSint(b, 2, t.TimestampMillis)
	b = wire.AppendBytes(b, 3, t.Key)
	if t.Value == nil { // a tombstone is not an empty value
		return wire.AppendBool(b, 5, true)
	}
	return wire.AppendBytes(b, 4, t.Value)
}

// Decode implements Message.
func (r *FollowTopicResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.StartOffset = d.Sint()
		case 2:
			r.HighWatermark = d.Sint()
		case 3:
			r.NextOffset = d.Sint()
		case 4:
			tombstone := false
			r.Records = embedded(d, r.Records, func(d *wire.Decoder, t *TopicRecord) {
				if d.Field() == 5 {
					tombstone = d.Bool()
					return
				}
				decodeTopicRecord(d, t)
			})
			if last := &r.Records[len(r.Records)-1]; last.Value == nil && !tombstone {
				last.Value = []byte{}
			}
		}
	})
}

func decodeTopicRecord(d *wire.Decoder, t *TopicRecord) {
	switch d.Field() {
	case 1:
		t.Offset = d.Sint()
	case 2:
		t.TimestampMillis = d.Sint()
	case 3:
		t.Key = bytes.Clone(d.Bytes())
	case 4:
		t.Value = bytes.Clone(d.Bytes())
	}
}
