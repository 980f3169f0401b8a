package listener

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// shape is the layout on the wire of one version of a request. The codec has the layouts only as code, so they are found by asking it: a
// field is set in an otherwise default message, and the encoding shows whether it is there. The tests hold every shape of every key
// against the codec.
type shape struct {
	flexible bool
	fields   []field
}

type fieldKind int8

const (
	fixedField fieldKind = iota
	stringField
	bytesField
	structField
	nullableStructField
	arrayField
)

type field struct {
	kind fieldKind
	// size is the bytes on the wire of a fixed field; in memory, those of an array's element, of a pointed-to string's header or struct.
	size  int64
	shape *shape // of structs
	elem  *field // of arrays
}

// shapesOf finds the shapes of a key's versions.
func shapesOf(key, minVersion, maxVersion int16) ([]*shape, error) {
	var out []*shape
	for v := minVersion; v <= maxVersion; v++ {
		p := &prober{key: key, version: v}
		request := p.message()
		s, err := p.structure(reflect.TypeOf(request).Elem(), nil)
		if err != nil {
			return nil, fmt.Errorf("layout of %s version %d: %w", kmsg.NameForKey(key), v, err)
		}
		out = append(out, s)
	}
	return out, nil
}

type prober struct{ key, version int16 }

func (p *prober) message() kmsg.Request {
	m := kmsg.RequestForKey(p.key)
	m.SetVersion(p.version)
	return m
}

// encode encodes a default message in which every struct on the path exists (arrays have one element) and set was called with the last one.
func (p *prober) encode(path []int, set func(v reflect.Value)) []byte {
	m := p.message()
	withDefaults(reflect.ValueOf(m))
	m.SetVersion(p.version)
	v := reflect.ValueOf(m).Elem()
	for _, i := range path {
		v = v.Field(i)
		switch v.Kind() {
		case reflect.Slice:
			fillSlice(v, 1)
			v = v.Index(0)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			withDefaults(v)
			v = v.Elem()
		}
	}
	set(v)
	return m.AppendTo(nil)
}

func withDefaults(pointer reflect.Value) {
	if d, ok := pointer.Interface().(interface{ Default() }); ok {
		d.Default()
	}
}

func fillSlice(v reflect.Value, n int) {
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		withDefaults(v.Index(i).Addr())
	}
}

var tagsType = reflect.TypeFor[kmsg.Tags]()

func (p *prober) structure(t reflect.Type, path []int) (*shape, error) {
	s := &shape{flexible: p.message().IsFlexible()}
	for i := range t.NumField() {
		ft := t.Field(i).Type
		if ft == tagsType || len(path) == 0 && t.Field(i).Name == "Version" {
			continue
		}
		f, err := p.field(ft, path, i)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name(), t.Field(i).Name, err)
		}
		if f != nil {
			s.fields = append(s.fields, *f)
		}
	}
	return s, nil
}

// field returns nil for a field that this version does not have, or has as a tagged one.
func (p *prober) field(t reflect.Type, path []int, i int) (*field, error) {
	below := append(append([]int(nil), path...), i)
	switch {
	case isFixed(t):
		return p.fixed(t, path, i), nil
	case t.Kind() == reflect.String, isPointerTo(t, reflect.String), isBytes(t):
		return p.text(t, path, i), nil
	case t.Kind() == reflect.Struct:
		s, err := p.structure(t, below)
		if err != nil || len(s.fields) == 0 {
			return nil, err
		}
		return &field{kind: structField, shape: s}, nil
	case isPointerTo(t, reflect.Struct):
		null := p.encode(path, func(v reflect.Value) { v.Field(i).SetZero() })
		if set := p.encode(below, func(reflect.Value) {}); len(set) == len(null) {
			return nil, nil
		}
		s, err := p.structure(t.Elem(), below)
		return &field{kind: nullableStructField, shape: s, size: int64(t.Elem().Size())}, err
	case t.Kind() == reflect.Slice:
		return p.array(t, path, i)
	}
	return nil, fmt.Errorf("no rule for type %s", t)
}

func isFixed(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Float64:
		return true
	case reflect.Array:
		return t.Elem().Kind() == reflect.Uint8
	}
	return false
}

func isPointerTo(t reflect.Type, k reflect.Kind) bool {
	return t.Kind() == reflect.Pointer && t.Elem().Kind() == k
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// fixed: another value makes other bytes of the same length; a tagged field appears or goes.
func (p *prober) fixed(t reflect.Type, path []int, i int) *field {
	base := p.encode(path, func(reflect.Value) {})
	other := p.encode(path, func(v reflect.Value) { changeFixed(v.Field(i)) })
	if len(base) != len(other) || bytes.Equal(base, other) {
		return nil
	}
	return &field{kind: fixedField, size: int64(t.Size())}
}

func changeFixed(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	case v.CanFloat():
		v.SetFloat(v.Float() + 1)
	case v.Kind() == reflect.Array:
		v.Index(0).SetUint(v.Index(0).Uint() + 1)
	}
}

// text: one more character is one more byte; a tagged field would bring its tag and size, too.
func (p *prober) text(t reflect.Type, path []int, i int) *field {
	base := p.encode(path, func(v reflect.Value) { v.Field(i).SetZero() })
	one := p.encode(path, func(v reflect.Value) { setText(v.Field(i)) })
	if len(one) != len(base)+1 {
		return nil
	}
	if isBytes(t) {
		return &field{kind: bytesField}
	}
	if t.Kind() == reflect.Pointer {
		return &field{kind: stringField, size: int64(t.Elem().Size())}
	}
	return &field{kind: stringField}
}

func setText(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		v.Elem().SetString("x")
	default:
		v.SetBytes([]byte{1})
	}
}

// array: the second element costs as much as the first, unless a tag came with that.
func (p *prober) array(t reflect.Type, path []int, i int) (*field, error) {
	var length [3]int
	for n := range length {
		length[n] = len(p.encode(path, func(v reflect.Value) {
			if v.Field(i).SetZero(); n > 0 { // an empty slice that is not nil would bring a nullable field's tag
				fillSlice(v.Field(i), n)
			}
		}))
	}
	if first, second := length[1]-length[0], length[2]-length[1]; first == 0 || first != second {
		return nil, nil
	}
	f := &field{kind: arrayField, size: int64(t.Elem().Size())}
	switch et := t.Elem(); {
	case isFixed(et):
		f.elem = &field{kind: fixedField, size: int64(et.Size())}
	case et.Kind() == reflect.String:
		f.elem = &field{kind: stringField}
	case isPointerTo(et, reflect.String):
		f.elem = &field{kind: stringField, size: int64(et.Elem().Size())}
	case isBytes(et):
		f.elem = &field{kind: bytesField}
	case et.Kind() == reflect.Struct:
		s, err := p.structure(et, append(append([]int(nil), path...), i))
		if err != nil {
			return nil, err
		}
		f.elem = &field{kind: structField, shape: s}
	default:
		return nil, fmt.Errorf("no rule for elements of type %s", et)
	}
	return f, nil
}
