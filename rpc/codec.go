package rpc

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// Message is a request or an answer of a private API as it travels: proto3, with the field numbers that its Append and Decode name. A field is added,
// never changed; unknown fields are passed over, so that a newer peer may send them.
type Message interface {
	Append(b []byte) []byte
	// Decode reads what Append wrote into a zero value. Nothing of b is kept.
	Decode(b []byte) error
}

func appendPartition(b []byte, field int, p kafka.TopicIDPartition) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		b = wire.AppendBytes(b, 1, p.ID[:])
		return wire.AppendSint(b, 2, int64(p.Partition))
	})
}

func decodePartition(d *wire.Decoder, p *kafka.TopicIDPartition) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				copy(p.ID[:], d.Bytes())
			case 2:
				p.Partition = int32(d.Sint())
			}
		}
		return d.Err()
	})
}

func appendObject(b []byte, field int, o kafka.ObjectID) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		b = wire.AppendSint(b, 1, o.Epoch)
		return wire.AppendSint(b, 2, o.Sequence)
	})
}

func decodeObject(d *wire.Decoder, o *kafka.ObjectID) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				o.Epoch = d.Sint()
			case 2:
				o.Sequence = d.Sint()
			}
		}
		return d.Err()
	})
}

func appendObjects(b []byte, field int, os []kafka.ObjectID) []byte {
	for _, o := range os {
		b = appendObject(b, field, o)
	}
	return b
}

func decodeNextObject(d *wire.Decoder, os []kafka.ObjectID) []kafka.ObjectID {
	var o kafka.ObjectID
	decodeObject(d, &o)
	return append(os, o)
}

// decode runs a message's field switch over b.
func decode(b []byte, field func(d *wire.Decoder)) error {
	d := wire.NewDecoder(b)
	for d.Next() {
		field(d)
	}
	return d.Err()
}

// embedded runs a field switch over the current field, a message, and gives the value to add.
func embedded[T any](d *wire.Decoder, to []T, field func(d *wire.Decoder, v *T)) []T {
	var v T
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			field(d, &v)
		}
		return d.Err()
	})
	return append(to, v)
}
