package listener

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func newCall(t testing.TB, key, version int16, body []byte) *call {
	t.Helper()
	e := entryOf(t, key)
	return &call{api: e, req: Request{Key: key, Version: version, Body: body}}
}

var entries = map[int16]*apiEntry{}

func entryOf(t testing.TB, key int16) *apiEntry {
	if e := entries[key]; e != nil {
		return e
	}
	e, err := newAPIEntry(API{Key: key, MaxVersion: kmsg.RequestForKey(key).MaxVersion(), Serve: func(context.Context, *Request) {}})
	if err != nil {
		t.Fatal(err)
	}
	entries[key] = e
	return e
}

// An array that claims as many elements as the frame has bytes makes the bare decoder allocate more than a hundred times the frame.
func TestHostileLengthsAllocateNothing(t *testing.T) {
	const frame = 4 << 20
	claim := func(prefix []byte, v uint32) []byte {
		b := make([]byte, frame)
		binary.BigEndian.PutUint32(b[copy(b, prefix):], v)
		return b
	}
	tagBomb := append(make([]byte, 0, 64), 1, 'g', 0, 0, 0, 1, 1, 'm', 0) // Heartbeat v4 up to its tags, roughly
	for name, c := range map[string]*call{
		"topics of Produce v3":    newCall(t, 0, 3, claim([]byte{0xff, 0xff, 0, 1, 0, 0, 0, 0}, frame-100)),
		"topics of Metadata v1":   newCall(t, 3, 1, claim(nil, frame-100)),
		"a billion tags":          newCall(t, 12, 4, append(tagBomb, 0xff, 0xff, 0xff, 0xff, 0x0f)),
		"partitions of Fetch v4":  newCall(t, 1, 4, claim(make([]byte, 17), frame-100)),
		"empty topics of Fetch":   newCall(t, 1, 12, fetchOfEmptyTopics(frame)),
		"tags without end, Fetch": newCall(t, 1, 12, append(make([]byte, 30), tags(frame/2)...)),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := c.decode()
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("decoded")
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
}

func fetchOfEmptyTopics(n int) []byte {
	m := kmsg.NewPtrFetchRequest()
	m.Version = 12
	m.Topics = make([]kmsg.FetchRequestTopic, n/3) // a name, partitions, tags: one byte each
	return m.AppendTo(nil)
}

func tags(n int) []byte {
	b := binary.AppendUvarint(nil, uint64(n))
	return append(b, make([]byte, 2*n)...)
}

func TestRealRequestsPass(t *testing.T) {
	m := kmsg.NewPtrOffsetCommitRequest()
	m.Version, m.Group = 9, "g"
	m.Topics = make([]kmsg.OffsetCommitRequestTopic, 1)
	m.Topics[0].Partitions = make([]kmsg.OffsetCommitRequestTopicPartition, 20_000)
	for i := range m.Topics[0].Partitions {
		m.Topics[0].Partitions[i].Default()
	}
	if err := newCall(t, 8, 9, m.AppendTo(nil)).decode(); err != nil {
		t.Error(err)
	}
	p := produce(9, 4<<20)
	c := newCall(t, 0, 9, p.AppendTo(nil))
	if err := c.decode(); err != nil {
		t.Error(err)
	}
	records := c.req.Message.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records
	if &records[0] == &p.Topics[0].Partitions[0].Records[0] || cap(records) != len(records) {
		t.Error("records must alias the frame and end there")
	}
}

// Whatever the bytes are: no panic, and what the walk accepts takes no more memory than it said.
func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		if m := kmsg.RequestForKey(key); m != nil {
			fill(rng, reflect.ValueOf(m).Elem(), 3)
			m.SetVersion(m.MaxVersion())
			f.Add(key, m.MaxVersion(), m.AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		m := kmsg.RequestForKey(key)
		if m == nil || version < 0 || version > m.MaxVersion() {
			return
		}
		c := newCall(t, key, version, body)
		s := c.api.shapes[version]
		w := &walker{b: body, compact: s.flexible}
		w.structure(s)
		if err := c.decode(); err != nil || w.err != nil {
			return
		}
		if n := memory(reflect.ValueOf(c.req.Message).Elem()); n > w.allocate+4096 {
			t.Fatalf("%s version %d takes %d bytes, foreseen were %d", c.api.name, version, n, w.allocate)
		}
	})
}

// memory is what a message's strings, arrays and pointers hold, without byte slices, which alias the body.
func memory(v reflect.Value) (n int64) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == tagsType {
			return 0
		}
		for i := range v.NumField() {
			n += memory(v.Field(i))
		}
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer:
		if !v.IsNil() {
			return int64(v.Type().Elem().Size()) + memory(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return 0
		}
		n = int64(v.Len()) * int64(v.Type().Elem().Size())
		for i := range v.Len() {
			n += memory(v.Index(i))
		}
	}
	return n
}

func TestWalkerLengths(t *testing.T) {
	for _, b := range [][]byte{{0xff, 0xff, 0xff, 0xff, 0xff}, {0x80}, {}, {0xff, 0xff, 0xff, 0xff, 0x1f}} {
		w := &walker{b: b, compact: true}
		if w.uvarint(); w.err == nil {
			t.Errorf("%x was taken for a number", b)
		}
	}
	w := &walker{b: binary.AppendUvarint(nil, math.MaxUint32)}
	if v := w.uvarint(); v != math.MaxUint32 || w.err != nil {
		t.Error(v, w.err)
	}
}
