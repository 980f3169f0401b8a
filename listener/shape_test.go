package listener

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Every layout that was found by probing is held against the codec: it must step over exactly what the codec writes, for random content.
func TestShapesAgreeWithCodec(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		m := kmsg.RequestForKey(key)
		if m == nil {
			continue
		}
		shapes, err := shapesOf(key, 0, m.MaxVersion())
		if err != nil {
			t.Fatal(err)
		}
		for version, s := range shapes {
			for range 20 {
				m := kmsg.RequestForKey(key)
				fill(rng, reflect.ValueOf(m).Elem(), 3)
				m.SetVersion(int16(version))
				body := m.AppendTo(nil)
				w := &walker{b: body, compact: s.flexible}
				w.structure(s)
				if w.err != nil || len(w.b) != 0 {
					t.Fatalf("%s version %d: %v, %d of %d bytes left", kmsg.NameForKey(key), version, w.err, len(w.b), len(body))
				}
			}
		}
	}
}

func fill(rng *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == tagsType {
			if rng.IntN(3) == 0 {
				v.Addr().Interface().(*kmsg.Tags).Set(100+rng.Uint32N(50), make([]byte, rng.IntN(5)))
			}
			return
		}
		withDefaults(v.Addr())
		for i := range v.NumField() {
			fill(rng, v.Field(i), depth)
		}
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rng.Uint64()) >> (64 - v.Type().Bits()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(rng.Uint64() >> (64 - v.Type().Bits()))
	case reflect.Float64:
		v.SetFloat(rng.Float64())
	case reflect.Array:
		for i := range v.Len() {
			fill(rng, v.Index(i), depth)
		}
	case reflect.String:
		v.SetString(string(make([]byte, rng.IntN(200))))
	case reflect.Pointer:
		if rng.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rng, v.Elem(), depth)
		}
	case reflect.Slice:
		n := rng.IntN(4)
		if isFixed(v.Type().Elem()) {
			n = rng.IntN(300)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(rng, v.Index(i), depth-1)
		}
	}
}
