package listener

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("the bytes end in the middle of a field")

// walker steps over an encoded message without making anything of it, and adds up what the decoder would allocate.
type walker struct {
	b        []byte
	compact  bool // lengths are varints, as in all flexible versions
	err      error
	allocate int64
	bound    int64 // of allocate, 0 for none
}

func (w *walker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.b = nil
}

// spend stops the walk at the bound: a frame of nothing but empty elements is not worth the time either.
func (w *walker) spend(n int64) {
	if w.allocate += n; w.bound > 0 && w.allocate > w.bound {
		w.fail(fmt.Errorf("decoding would take more than %d bytes", w.bound))
	}
}

func (w *walker) skip(n int64) []byte {
	if n < 0 || n > int64(len(w.b)) {
		w.fail(errShort)
		return nil
	}
	s := w.b[:n]
	w.b = w.b[n:]
	return s
}

func (w *walker) uvarint() uint32 {
	v, n := binary.Uvarint(w.b[:min(len(w.b), 5)])
	if n <= 0 || v > 1<<32-1 {
		w.fail(errShort)
		return 0
	}
	w.b = w.b[n:]
	return uint32(v)
}

// length of a string, byte array or array, -1 for null, in the form of this version.
func (w *walker) length(bytes int64) int64 {
	if w.compact {
		return int64(w.uvarint()) - 1
	}
	p := w.skip(bytes)
	switch len(p) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(p)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(p)))
	}
	return -1
}

// nullableString is the header's client id: never compact, so that it can be read before the version is known.
func (w *walker) nullableString() []byte {
	p := w.skip(2)
	if len(p) < 2 {
		return nil
	}
	return w.skip(max(0, int64(int16(binary.BigEndian.Uint16(p)))))
}

// tags steps over tagged fields. What the decoder makes of them is bounded by their number, and inside known ones by their bytes.
func (w *walker) tags() {
	const perTag, perByte = 128, 64
	for n := w.uvarint(); n > 0 && w.err == nil; n-- {
		w.uvarint()
		w.spend(perTag + perByte*int64(len(w.skip(int64(w.uvarint())))))
	}
}

// Bounds of what decoding may allocate. The bytes of records, assignments and the like are not copied and do not count; the rest of a real
// request takes a few times its size.
const (
	maxDecodeFactor = 16
	minDecodeBytes  = 1 << 20
	maxDecodeBytes  = 64 << 20
	maxHeaderBytes  = 1 << 20 // the same for a request header's tagged fields, which nobody sends today
)

// check says whether body can be decoded within bounds. Without it, an array length at the start of a large frame would make the decoder
// allocate a hundred times the frame, and a count of tagged fields would keep it busy for minutes.
func (s *shape) check(body []byte) error {
	w := &walker{b: body, compact: s.flexible, bound: min(maxDecodeBytes, minDecodeBytes+maxDecodeFactor*int64(len(body)))}
	w.structure(s)
	return w.err
}

func (w *walker) structure(s *shape) {
	for i := range s.fields {
		if w.err != nil {
			return
		}
		w.field(&s.fields[i])
	}
	if s.flexible {
		w.tags()
	}
}

func (w *walker) field(f *field) {
	switch f.kind {
	case fixedField:
		w.skip(f.size)
	case stringField:
		n := max(0, w.length(2))
		w.skip(n)
		w.spend(n + f.size)
	case bytesField:
		w.skip(max(0, w.length(4)))
	case structField:
		w.structure(f.shape)
	case nullableStructField:
		if p := w.skip(1); len(p) == 1 && int8(p[0]) >= 0 {
			w.spend(f.size)
			w.structure(f.shape)
		}
	case arrayField:
		w.array(f)
	}
}

func (w *walker) array(f *field) {
	n := w.length(4)
	if n > int64(len(w.b)) { // an element has a byte at least
		w.fail(errShort)
	}
	if n <= 0 || w.err != nil {
		return
	}
	w.spend(n * f.size)
	if f.elem.kind == fixedField {
		w.skip(n * f.elem.size)
		return
	}
	for ; n > 0 && w.err == nil; n-- {
		w.field(f.elem)
	}
}
