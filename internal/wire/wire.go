// Package wire writes and reads proto3 messages by hand: records in replicated topics must be equal bytes for equal values on every replica, which
// generated code does not promise.
//
// # Contract
//   - Order: fields are written in the order of the calls; zero values are left out, as proto3 does.
//   - Bytes: what Bytes and String fields return aliases the input unless it says otherwise.
//   - Failure: a Decoder keeps its first error; every later call returns zero values. No input makes it panic.
package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// AppendUint writes a uint64 field.
func AppendUint(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, protowire.Number(field), protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

// AppendSint writes a sint64 (zigzag) field: for values that may be negative.
func AppendSint(b []byte, field int, v int64) []byte {
	return AppendUint(b, field, protowire.EncodeZigZag(v))
}

// AppendBool writes a bool field.
func AppendBool(b []byte, field int, v bool) []byte {
	return AppendUint(b, field, protowire.EncodeBool(v))
}

// AppendBytes writes a bytes field unless it is empty.
func AppendBytes(b []byte, field int, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, protowire.Number(field), protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

// AppendString writes a string field unless it is empty.
func AppendString(b []byte, field int, v string) []byte {
	if v == "" {
		return b
	}
	b = protowire.AppendTag(b, protowire.Number(field), protowire.BytesType)
	return protowire.AppendString(b, v)
}

// AppendMessage writes an embedded message, also when it is empty, so that elements of a repeated field keep their place.
func AppendMessage(b []byte, field int, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, protowire.Number(field), protowire.BytesType)
	start := len(b)
	b = body(append(b, 0)) // one byte is enough for the length of most messages
	n := len(b) - start - 1
	if size := protowire.SizeVarint(uint64(n)); size > 1 {
		b = append(b, make([]byte, size-1)...)
		copy(b[start+size:], b[start+1:start+1+n])
	}
	protowire.AppendVarint(b[:start], uint64(n))
	return b
}

// AppendPackedSint writes a packed repeated sint64 field unless it is empty.
func AppendPackedSint[T ~int32 | ~int64](b []byte, field int, vs []T) []byte {
	if len(vs) == 0 {
		return b
	}
	return AppendMessage(b, field, func(b []byte) []byte {
		for _, v := range vs {
			b = protowire.AppendVarint(b, protowire.EncodeZigZag(int64(v)))
		}
		return b
	})
}

// Decoder reads one message: for d.Next() { switch d.Field() { case 1: m.ID = d.Sint() } }; return d.Err().
type Decoder struct {
	rest  []byte
	value []byte // of a bytes field
	num   uint64 // of a varint field
	typ   protowire.Type
	field int
	err   error
}

// NewDecoder reads the message b.
func NewDecoder(b []byte) *Decoder { return &Decoder{rest: b} }

// Next advances to the next field and says whether there is one.
func (d *Decoder) Next() bool {
	if d.err != nil || len(d.rest) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(d.rest)
	if n < 0 {
		return d.fail(protowire.ParseError(n))
	}
	d.rest, d.field, d.typ = d.rest[n:], int(num), typ
	d.value, d.num = nil, 0
	switch typ {
	case protowire.VarintType:
		d.num, n = protowire.ConsumeVarint(d.rest)
	case protowire.BytesType:
		d.value, n = protowire.ConsumeBytes(d.rest)
	default: // a type that we do not write; a later version may
		n = protowire.ConsumeFieldValue(num, typ, d.rest)
	}
	if n < 0 {
		return d.fail(protowire.ParseError(n))
	}
	d.rest = d.rest[n:]
	return true
}

func (d *Decoder) fail(err error) bool {
	if d.err == nil {
		d.err = fmt.Errorf("field %d: %w", d.field, err)
	}
	return false
}

// Field is the number of the current field.
func (d *Decoder) Field() int { return d.field }

// Err is the first error, nil for a well-formed message.
func (d *Decoder) Err() error { return d.err }

// Fail lets the caller refuse a value.
func (d *Decoder) Fail(err error) { d.fail(err) }

func (d *Decoder) want(t protowire.Type) bool {
	if d.err == nil && d.typ != t {
		d.fail(fmt.Errorf("wire type %d, want %d", d.typ, t))
	}
	return d.err == nil
}

// Uint is the current field as uint64.
func (d *Decoder) Uint() uint64 {
	if !d.want(protowire.VarintType) {
		return 0
	}
	return d.num
}

// Sint is the current field as sint64 (zigzag).
func (d *Decoder) Sint() int64 { return protowire.DecodeZigZag(d.Uint()) }

// Bool is the current field as bool.
func (d *Decoder) Bool() bool { return d.Uint() != 0 }

// Bytes is the current field as bytes; it aliases the input.
func (d *Decoder) Bytes() []byte {
	if !d.want(protowire.BytesType) {
		return nil
	}
	return d.value
}

// String is the current field as a string of its own.
func (d *Decoder) String() string { return string(d.Bytes()) }

// Message is a decoder of the current field; its error must be checked, too (or use Embedded).
func (d *Decoder) Message() *Decoder { return NewDecoder(d.Bytes()) }

// Embedded decodes the current field with f and keeps its error.
func (d *Decoder) Embedded(f func(*Decoder) error) {
	b := d.Bytes()
	if d.err != nil {
		return
	}
	if err := f(NewDecoder(b)); err != nil {
		d.fail(err)
	}
}

// PackedSint appends the current packed repeated sint64 field to vs.
func PackedSint[T ~int32 | ~int64](d *Decoder, vs []T) []T {
	b := d.Bytes()
	for len(b) > 0 && d.err == nil {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			d.fail(protowire.ParseError(n))
			break
		}
		vs, b = append(vs, T(protowire.DecodeZigZag(v))), b[n:]
	}
	return vs
}
