package recordbatch_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
)

const now = 1_700_000_000_000

func limits() *recordbatch.Limits {
	return &recordbatch.Limits{MaxMessageBytes: 1 << 20, NowMillis: now, TimestampBeforeMaxMillis: 1 << 62, TimestampAfterMaxMillis: 3_600_000}
}

var codecs = []recordbatch.Codec{recordbatch.None, recordbatch.Gzip, recordbatch.Snappy, recordbatch.LZ4, recordbatch.Zstd}

func TestEveryCodecIsReadAndAccepted(t *testing.T) {
	records := recordbatchtest.Records(300, 700, now)
	records[1].Key, records[2].Value = nil, nil
	records[3].Headers = []recordbatch.Header{{Key: "a", Value: []byte("b")}, {Key: "", Value: nil}}
	records[4].Timestamp = now - 5
	records[5].Value = make([]byte, 200<<10) // longer than a chunk
	for _, bare := range []bool{false, true} {
		for _, codec := range codecs {
			b := recordbatchtest.Build(recordbatchtest.Spec{Codec: codec, Records: records, BareSnappy: bare})
			single, err := recordbatch.Single(b, 9)
			if err != nil {
				t.Fatal(codec, err)
			}
			if err := recordbatch.Validate(single, limits(), 0); err != nil {
				t.Fatal(codec, err)
			}
			if b.PartitionLeaderEpoch() != 0 || b.ComputeCRC() != b.CRC() {
				t.Fatalf("%v: leader epoch %d, CRC %x", codec, b.PartitionLeaderEpoch(), b.CRC())
			}
			i := 0
			for r, err := range single.Records() {
				if err != nil {
					t.Fatal(codec, err)
				}
				want := records[i]
				want.OffsetDelta = int32(i)
				if !reflect.DeepEqual(want, r) {
					t.Fatalf("%v: record %d differs", codec, i)
				}
				i++
			}
			if i != len(records) {
				t.Fatalf("%v: %d records", codec, i)
			}
		}
	}
}

// Each mistake gets the code that Kafka 4.3 answers.
func TestMistakes(t *testing.T) {
	simple := func() recordbatch.Batch { return recordbatchtest.Simple(3, 10, now) }
	seal := func(edit func(b recordbatch.Batch)) []byte {
		b := simple()
		edit(b)
		b.UpdateCRC()
		return b
	}
	put32 := func(b []byte, at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
	spec := recordbatchtest.Spec{Records: recordbatchtest.Records(3, 10, now)}
	build := func(edit func(s *recordbatchtest.Spec)) []byte {
		s := spec
		edit(&s)
		return recordbatchtest.Build(s)
	}
	tests := []struct {
		name    string
		records []byte
		version int16
		limits  func(l *recordbatch.Limits)
		want    error
	}{
		{name: "good", records: simple()},
		{name: "nothing", records: nil, want: kerr.InvalidRecord},
		{name: "cut off", records: simple()[:70], want: kerr.InvalidRecord},
		{name: "two batches", records: append(simple(), simple()...), want: kerr.InvalidRecord},
		{name: "a batch and a piece of one is cut", records: append(simple(), simple()[:40]...)},
		{name: "magic 1", records: seal(func(b recordbatch.Batch) { b[16] = 1 }), want: kerr.InvalidRecord},
		{name: "magic 0", records: seal(func(b recordbatch.Batch) { b[16] = 0 }), want: kerr.InvalidRecord},
		{name: "magic 3", records: seal(func(b recordbatch.Batch) { b[16] = 3 }), want: kerr.CorruptMessage},
		{name: "length 3", records: seal(func(b recordbatch.Batch) { put32(b, 8, 3) }), want: kerr.CorruptMessage},
		{name: "negative length", records: seal(func(b recordbatch.Batch) { put32(b, 8, 1<<31) }), want: kerr.CorruptMessage},
		{name: "shorter than a header", records: seal(func(b recordbatch.Batch) { put32(b, 8, 30) }), want: kerr.CorruptMessage},
		{name: "base offset", records: seal(func(b recordbatch.Batch) { b.SetBaseOffset(5) }), want: kerr.InvalidRecord},
		{name: "crc", records: func() []byte { b := simple(); b[80] ^= 1; return b }(), want: kerr.CorruptMessage},
		{name: "too large", records: simple(), limits: func(l *recordbatch.Limits) { l.MaxMessageBytes = 50 }, want: kerr.MessageTooLarge},
		{name: "codec 5", records: seal(func(b recordbatch.Batch) { b[22] |= 5 }), want: kerr.UnknownServerError},
		{name: "zstd in Produce 6", records: build(func(s *recordbatchtest.Spec) { s.Codec = recordbatch.Zstd }), version: 6, want: kerr.UnsupportedCompressionType},
		{name: "not gzip", records: seal(func(b recordbatch.Batch) { b[22] |= 1 }), want: kerr.UnknownServerError},
		{name: "not zstd", records: seal(func(b recordbatch.Batch) { b[22] |= 4 }), want: kerr.UnknownServerError},
		{name: "not lz4", records: seal(func(b recordbatch.Batch) { b[22] |= 3 }), want: kerr.UnknownServerError},
		{name: "control", records: build(func(s *recordbatchtest.Spec) { s.Control = true }), want: kerr.InvalidRecord},
		{name: "no sequence", records: build(func(s *recordbatchtest.Spec) { s.Producer = &recordbatchtest.Producer{ID: 4, Epoch: 0, Sequence: -1} }), want: kerr.InvalidRecord},
		{name: "no epoch", records: build(func(s *recordbatchtest.Spec) { s.Producer = &recordbatchtest.Producer{ID: 4, Epoch: -1, Sequence: 0} }), want: kerr.InvalidProducerEpoch},
		{name: "neither", records: build(func(s *recordbatchtest.Spec) { s.Producer = &recordbatchtest.Producer{ID: 4, Epoch: -1, Sequence: -1} }), want: kerr.InvalidRecord},
		{name: "offset delta", records: seal(func(b recordbatch.Batch) { put32(b, 23, 1) }), want: kerr.InvalidRecord},
		{name: "no records", records: build(func(s *recordbatchtest.Spec) { s.Records = nil }), want: kerr.InvalidRecord},
		{name: "count too low", records: seal(func(b recordbatch.Batch) { put32(b, 23, 1); put32(b, 57, 2) }), want: kerr.InvalidRecord},
		{name: "count too high", records: seal(func(b recordbatch.Batch) { put32(b, 23, 9); put32(b, 57, 10) }), want: kerr.InvalidRecord},
		{name: "count huge", records: seal(func(b recordbatch.Batch) { put32(b, 23, 1<<31-2); put32(b, 57, 1<<31-1) }), want: kerr.InvalidRecord},
		{name: "record size", records: seal(func(b recordbatch.Batch) { b[61]++ }), want: kerr.InvalidRecord},
		{name: "in the future", records: simple(), limits: func(l *recordbatch.Limits) { l.NowMillis -= 3_600_001 }, want: kerr.InvalidTimestamp},
		{name: "nearly in the future", records: simple(), limits: func(l *recordbatch.Limits) { l.NowMillis -= 3_600_000 }},
		{name: "in the past", records: simple(), limits: func(l *recordbatch.Limits) { l.NowMillis += 1001; l.TimestampBeforeMaxMillis = 1000 }, want: kerr.InvalidTimestamp},
		{name: "in the past, append time", records: simple(), limits: func(l *recordbatch.Limits) {
			l.NowMillis += 1001
			l.TimestampBeforeMaxMillis = 1000
			l.LogAppendTime = true
		}},
		{name: "append time set", records: build(func(s *recordbatchtest.Spec) { s.LogAppendTime = true }), limits: func(l *recordbatch.Limits) { l.LogAppendTime = true }, want: kerr.InvalidTimestamp},
		{name: "append time set for create time is cleared", records: build(func(s *recordbatchtest.Spec) { s.LogAppendTime = true })},
		{name: "no key", records: build(func(s *recordbatchtest.Spec) { s.Records = []recordbatch.Record{{Value: []byte("v")}} }), limits: func(l *recordbatch.Limits) { l.Compacted = true }, want: kerr.InvalidRecord},
		{name: "max timestamp is corrected", records: seal(func(b recordbatch.Batch) { b[42] ^= 1 })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			version := test.version
			if version == 0 {
				version = 12
			}
			b, err := recordbatch.Single(test.records, version)
			if err == nil {
				l := limits()
				if test.limits != nil {
					test.limits(l)
				}
				err = recordbatch.Validate(b, l, 0)
			}
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil && (b.CRC() != b.ComputeCRC() || b.MaxTimestamp() != now || b.IsLogAppendTime()) {
				t.Fatalf("CRC %x, max timestamp %d, append time %v", b.CRC(), b.MaxTimestamp(), b.IsLogAppendTime())
			}
		})
	}
}

// A length may take five bytes, not more, though binary.Varint would read it.
func TestOverlongVarint(t *testing.T) {
	record := []byte{0, 0, 0, 1, 1, 0} // attributes, timestamp, offset delta, null, null, no headers
	for n := 1; n <= 7; n++ {
		length := []byte{12} // 6
		for len(length) < n {
			length[len(length)-1] |= 0x80
			length = append(length, 0)
		}
		none := recordbatchtest.Producer{ID: -1, Epoch: -1, Sequence: -1}
		b := recordbatchtest.Seal(0, 0, 0, now, now, none, 1, append(length, record...))
		if err := recordbatch.Validate(b, limits(), 0); (err == nil) != (n <= 5) || err != nil && !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// A few kilobytes that decompress without end cost bounded memory and get a code that makes producers split.
func TestBombs(t *testing.T) {
	const limit = 1 << 20
	recordbatch.SetMaxDecompressed(t, limit)
	value := make([]byte, 2*limit)
	for _, codec := range codecs[1:] {
		b := recordbatchtest.Build(recordbatchtest.Spec{Codec: codec, Records: []recordbatch.Record{{Timestamp: now, Value: value}}})
		l := limits()
		l.MaxMessageBytes = 1 << 30
		if err := recordbatch.Validate(b, l, 0); !errors.Is(err, kerr.MessageTooLarge) {
			t.Errorf("%v: %v", codec, err)
		}
		var err error
		for _, err = range b.Records() {
		}
		if !errors.Is(err, kerr.MessageTooLarge) {
			t.Errorf("%v: read: %v", codec, err)
		}
	}
}

func TestLastSequenceWrapsAround(t *testing.T) {
	b := recordbatchtest.Build(recordbatchtest.Spec{Records: recordbatchtest.Records(3, 1, now), Producer: &recordbatchtest.Producer{ID: 1, Sequence: 1<<31 - 2}})
	if got := b.LastSequence(); got != 0 {
		t.Fatal(got)
	}
}

func TestSetLogAppendTime(t *testing.T) {
	b := recordbatchtest.Simple(2, 5, now)
	b.SetBaseOffset(77)
	b.SetLogAppendTime(now + 9)
	if b.CRC() != b.ComputeCRC() || !b.IsLogAppendTime() || b.MaxTimestamp() != now+9 || b.LastOffset() != 78 {
		t.Fatal("header")
	}
	for r, err := range b.Records() {
		if err != nil || r.Timestamp != now+9 {
			t.Fatal(r, err)
		}
	}
}

func FuzzBatch(f *testing.F) {
	for _, codec := range codecs {
		f.Add([]byte(recordbatchtest.Build(recordbatchtest.Spec{Codec: codec, Records: recordbatchtest.Records(5, 40, now)})))
	}
	f.Add([]byte(recordbatchtest.Build(recordbatchtest.Spec{Codec: recordbatch.Snappy, BareSnappy: true, Records: recordbatchtest.Records(5, 40, now)})))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, err := range recordbatch.All(data) {
			if err != nil {
				break
			}
		}
		b, err := recordbatch.Single(data, 12)
		if err != nil {
			return
		}
		b.UpdateCRC()
		b.SetBaseOffset(0)
		if err := recordbatch.Validate(b, limits(), 0); err != nil {
			return
		}
		// What was accepted can be read, record for record, within its header's claims.
		n, greatest := int32(0), recordbatch.NoTimestamp
		for r, err := range b.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if r.OffsetDelta != n {
				t.Fatal(r.OffsetDelta, n)
			}
			greatest = max(greatest, r.Timestamp)
			n++
		}
		if n != b.RecordsCount() || n != b.LastOffsetDelta()+1 || greatest != b.MaxTimestamp() || b.CRC() != b.ComputeCRC() {
			t.Fatal("accepted, but the header is wrong")
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	small := recordbatchtest.Build(recordbatchtest.Spec{Records: recordbatchtest.Records(1270, 100, now)})
	b.Run("none-100B", func(b *testing.B) {
		b.SetBytes(int64(len(small)))
		for range b.N {
			if err := recordbatch.Validate(small, limits(), 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, codec := range codecs {
		batch := recordbatchtest.Build(recordbatchtest.Spec{Codec: codec, Records: recordbatchtest.Records(127, 1024, now)})
		b.Run(codec.String(), func(b *testing.B) {
			b.SetBytes(127 * 1024)
			b.ReportAllocs()
			for range b.N {
				if err := recordbatch.Validate(batch, limits(), 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
