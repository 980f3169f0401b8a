package topics

import (
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// The messages of metadata.proto, one pair of functions each, fields in the order of their numbers.

func (r *Topic) appendBody(b []byte) []byte {
	b = wire.AppendBytes(b, 1, r.ID[:])
	b = wire.AppendString(b, 2, r.Name)
	b = wire.AppendPackedSint(b, 3, r.Coordinators)
	return wire.AppendSint(b, 4, r.CreatedMillis)
}

func (r *Topic) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.ID = batchTopicID(d)
		case 2:
			r.Name = d.String()
		case 3:
			r.Coordinators = wire.PackedSint(d, r.Coordinators)
		case 4:
			r.CreatedMillis = d.Sint()
		}
	}
	return d.Err()
}

func (r *ConfigResource) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Type))
	b = wire.AppendString(b, 2, r.Name)
	for _, s := range r.Settings {
		b = AppendSetting(b, 3, s)
	}
	return b
}

func (r *ConfigResource) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Type = int8(d.Sint())
		case 2:
			r.Name = d.String()
		case 3:
			r.Settings = append(r.Settings, DecodeSetting(d))
		}
	}
	return d.Err()
}

// AppendSetting writes s as the message Setting.
func AppendSetting(b []byte, field int, s Setting) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		return wire.AppendString(wire.AppendString(b, 1, s.Name), 2, s.Value)
	})
}

// DecodeSetting reads the current field, a Setting.
func DecodeSetting(d *wire.Decoder) (s Setting) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				s.Name = d.String()
			case 2:
				s.Value = d.String()
			}
		}
		return d.Err()
	})
	return s
}

func (r *Broker) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.ID))
	b = wire.AppendSint(b, 2, r.Epoch)
	b = wire.AppendBytes(b, 3, r.IncarnationID[:])
	b = wire.AppendString(b, 4, r.Rack)
	for _, l := range r.Listeners {
		b = AppendListener(b, 5, l)
	}
	b = wire.AppendBool(b, 6, r.Fenced)
	b = wire.AppendString(b, 7, r.Version)
	for _, id := range r.Superseded {
		b = wire.AppendBytes(b, 8, id[:])
	}
	return b
}

func (r *Broker) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.ID = int32(d.Sint())
		case 2:
			r.Epoch = d.Sint()
		case 3:
			r.IncarnationID = incarnation(d)
		case 4:
			r.Rack = d.String()
		case 5:
			r.Listeners = append(r.Listeners, DecodeListener(d))
		case 6:
			r.Fenced = d.Bool()
		case 7:
			r.Version = d.String()
		case 8:
			r.Superseded = append(r.Superseded, incarnation(d))
		}
	}
	return d.Err()
}

func incarnation(d *wire.Decoder) (id [16]byte) {
	b := d.Bytes()
	if len(b) != len(id) {
		d.Fail(fmt.Errorf("incarnation id of %d bytes, want 16", len(b)))
		return id
	}
	return [16]byte(b)
}

// AppendListener writes l as the message BrokerListener.
func AppendListener(b []byte, field int, l BrokerListener) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		b = wire.AppendString(b, 1, l.Name)
		b = wire.AppendString(b, 2, l.Host)
		b = wire.AppendSint(b, 3, int64(l.Port))
		return wire.AppendSint(b, 4, int64(l.SecurityProtocol))
	})
}

// DecodeListener reads the current field, a BrokerListener.
func DecodeListener(d *wire.Decoder) (l BrokerListener) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				l.Name = d.String()
			case 2:
				l.Host = d.String()
			case 3:
				l.Port = int32(d.Sint())
			case 4:
				l.SecurityProtocol = int16(d.Sint())
			}
		}
		return d.Err()
	})
	return l
}

func (r *ProducerIDs) appendBody(b []byte) []byte { return wire.AppendSint(b, 1, r.Next) }

func (r *ProducerIDs) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			r.Next = d.Sint()
		}
	}
	return d.Err()
}

func (r *Feature) appendBody(b []byte) []byte {
	return wire.AppendSint(wire.AppendString(b, 1, r.Name), 2, int64(r.Level))
}

func (r *Feature) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Name = d.String()
		case 2:
			r.Level = int16(d.Sint())
		}
	}
	return d.Err()
}
