package objectformat_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectformat"
)

var rewrite = flag.Bool("rewrite", false, "write the golden object of the current version")

func tp(topic byte, partition int32) kafka.TopicIDPartition {
	return kafka.TopicIDPartition{ID: kafka.TopicID{topic}, Partition: partition}
}

// sample is the object of the golden files. It never changes.
func sample() []byte {
	w := objectformat.NewWriter("orders-eu", kafka.ObjectID{Epoch: 42, Sequence: 7}, 0)
	w.Begin(tp(1, 0))
	w.Add(recordbatchtest.Simple(3, 20, 1000))
	w.Add(recordbatchtest.Simple(1, 5, 3000))
	w.Add(recordbatchtest.Simple(2, 0, 2000))
	w.Begin(tp(1, 9))
	w.Add(recordbatchtest.Simple(1, 1, -1))
	w.Begin(tp(2, 0))
	w.Add(recordbatchtest.Build(recordbatchtest.Spec{Records: recordbatchtest.Records(4, 2, 5), Producer: &recordbatchtest.Producer{ID: 1, Epoch: 2, Sequence: 3}}))
	body, _, n := w.Finish()
	object := bytes.Join(body, nil)
	if int64(len(object)) != n {
		panic(fmt.Sprint(len(object), n))
	}
	return object
}

// sampleV2 is the golden object of version 2. It never changes.
func sampleV2() []byte {
	var object bytes.Buffer
	w, err := objectformat.NewStreamWriter(&object, "orders-eu", kafka.ObjectID{Epoch: 42, Sequence: 8})
	if err != nil {
		panic(err)
	}
	add := func(offset int64, b recordbatch.Batch) {
		b.SetBaseOffset(offset)
		if _, err := w.Add(b); err != nil {
			panic(err)
		}
	}
	w.Begin(tp(1, 0))
	add(10, recordbatchtest.Simple(3, 20, 1000))
	add(15, recordbatchtest.Simple(1, 5, 3000))
	w.Begin(tp(1, 9))
	for i := range int64(3) { // 1.3 MiB, so that there are an index and two entries
		add(100+i*2, recordbatchtest.Build(recordbatchtest.Spec{Codec: recordbatch.None, Records: recordbatchtest.Records(1, 600<<10, 50-i)}))
	}
	w.Begin(tp(2, 0))
	add(0, recordbatchtest.Simple(1, 1, -1))
	_, n, err := w.Finish()
	if err != nil || n != int64(object.Len()) {
		panic(fmt.Sprint(n, err))
	}
	return object.Bytes()
}

func describe(f *objectformat.Footer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster=%s object=%v\n", f.Cluster, f.Object)
	for _, s := range f.Segments {
		fmt.Fprintf(&b, "%v position=%d bytes=%d records=%d batches=%d max-timestamp=%d crc=%08x", s.Partition, s.Position, s.Bytes, s.Records, s.Batches, s.MaxTimestamp, s.CRC)
		if f.Version > 1 {
			fmt.Fprintf(&b, " offsets=%d-%d index=%d+%d", s.BaseOffset, s.LastOffset, s.IndexPosition, s.IndexBytes)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Every version that was ever written is read for ever, and the current one is written byte for byte.
func TestGolden(t *testing.T) {
	written := map[int][]byte{1: sample(), 2: sampleV2()}
	if *rewrite {
		object := written[objectformat.Version]
		footer, err := objectformat.ParseTail(object, int64(len(object)))
		if err != nil {
			t.Fatal(err)
		}
		current := filepath.Join("testdata", fmt.Sprintf("v%d.ink", objectformat.Version))
		for name, b := range map[string][]byte{current: object, current + ".txt": []byte(describe(footer))} {
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for v := 1; v <= objectformat.Version; v++ {
		name := filepath.Join("testdata", fmt.Sprintf("v%d.ink", v))
		object, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if err := objectformat.CheckHeader(object); err != nil {
			t.Fatal(err)
		}
		footer, err := objectformat.ParseTail(object, int64(len(object)))
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(footer); got != string(want) {
			t.Errorf("%s:\n%swant\n%s", name, got, want)
		}
		for _, s := range footer.Segments {
			segment := object[s.Position : s.Position+s.Bytes]
			if err := s.Verify(segment); err != nil {
				t.Error(err)
			}
			batches, records := int32(0), int64(0)
			for b, err := range recordbatch.All(segment) {
				if err != nil {
					t.Fatal(err)
				}
				batches++
				records += int64(b.RecordsCount())
			}
			if batches != s.Batches || records != s.Records {
				t.Errorf("%v: %d batches, %d records", s, batches, records)
			}
		}
		if !bytes.Equal(object, written[v]) {
			t.Errorf("the bytes of version %d have changed", v)
		}
	}
}

func TestShortTail(t *testing.T) {
	object := sample()
	need, err := objectformat.TailBytes(object[len(object)-objectformat.TrailerBytes:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objectformat.ParseTail(object[len(object)-need+1:], int64(len(object))); !errors.Is(err, objectformat.ErrShortTail) {
		t.Error(err)
	}
	f, err := objectformat.ParseTail(object[len(object)-need:], int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := f.Find(tp(1, 9)); !ok || s.Partition != tp(1, 9) {
		t.Error(s, ok)
	}
	for _, absent := range []kafka.TopicIDPartition{tp(0, 0), tp(1, 1), tp(3, 0)} {
		if s, ok := f.Find(absent); ok {
			t.Error(s)
		}
	}
}

// One flipped bit anywhere is found: by the header, the footer or the segment that it is in.
func TestEveryFlippedBitIsFound(t *testing.T) {
	good := sample()
	footer, err := objectformat.ParseTail(good, int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if objectformat.CheckHeader(b) != nil {
				continue
			}
			f, err := objectformat.ParseTail(b, int64(len(b)))
			if err != nil {
				continue
			}
			found := false
			for j, s := range f.Segments {
				if s != footer.Segments[j] || s.Verify(b[s.Position:s.Position+s.Bytes]) != nil {
					found = true
				}
			}
			if !found {
				t.Fatalf("bit %d of byte %d is not checked", bit, i)
			}
		}
	}
}

func TestNewerVersion(t *testing.T) {
	b := sample()
	b[len(b)-7] = objectformat.Version + 1
	if _, err := objectformat.ParseTail(b, int64(len(b))); !errors.Is(err, objectformat.ErrNewerVersion) {
		t.Error(err)
	}
}

func TestSegmentsOutOfOrderPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	w := objectformat.NewWriter("c", kafka.ObjectID{}, 0)
	w.Begin(tp(1, 1))
	w.Begin(tp(1, 1))
}

// The segments' CRCs, which are made of the batches' own, are those of the bytes.
func TestSegmentCRCs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := objectformat.NewWriter("c", kafka.ObjectID{Epoch: 1}, 3)
		for p := range rapid.IntRange(1, 4).Draw(t, "partitions") {
			w.Begin(tp(1, int32(p)))
			for range rapid.IntRange(1, 4).Draw(t, "batches") {
				b := recordbatchtest.Simple(rapid.IntRange(1, 5).Draw(t, "records"), rapid.IntRange(0, 3000).Draw(t, "bytes"), 5)
				b.SetBaseOffset(rapid.Int64().Draw(t, "offset"))
				w.Add(b)
			}
		}
		body, segments, n := w.Finish()
		object := bytes.Join(body, nil)
		f, err := objectformat.ParseTail(object, n)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range f.Segments {
			if s != segments[i] {
				t.Fatal(s, segments[i])
			}
			if err := s.Verify(object[s.Position : s.Position+s.Bytes]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzParseTail(f *testing.F) {
	for _, b := range [][]byte{sample(), sampleV2()} {
		f.Add(b[:objectformat.HeaderBytes], int64(len(b)))
		f.Add(b[len(b)-100:], int64(len(b)))
		f.Add(b[max(0, len(b)-1000):], int64(len(b)))
	}
	f.Fuzz(func(t *testing.T, tail []byte, objectBytes int64) {
		_ = objectformat.CheckHeader(tail)
		footer, err := objectformat.ParseTail(tail, objectBytes)
		if err != nil {
			return
		}
		// Every segment lies inside the object, and they do not overlap.
		end := int64(objectformat.HeaderBytes)
		for _, s := range footer.Segments {
			if s.Position != end || s.Bytes <= 0 || s.Position+s.Bytes > objectBytes {
				t.Fatal(s)
			}
			end += s.Bytes
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	b := sampleV2()
	footer, err := objectformat.ParseTail(b, int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	s, _ := footer.Find(tp(1, 9))
	f.Add(b[s.IndexPosition : s.IndexPosition+int64(s.IndexBytes)])
	f.Fuzz(func(t *testing.T, b []byte) {
		index, err := objectformat.ParseIndex(b)
		if err != nil {
			return
		}
		for i, e := range index {
			if i > 0 && (e.Position <= index[i-1].Position || e.BaseOffset <= index[i-1].BaseOffset) {
				t.Fatal(index)
			}
			if index.Find(e.BaseOffset) != i {
				t.Fatal(i, index)
			}
		}
	})
}

// The entries of an index are batches of its segment, not much further apart than the interval, and know the greatest timestamp up to the next.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var object bytes.Buffer
		w, err := objectformat.NewStreamWriter(&object, "c", kafka.ObjectID{Epoch: 1, Sequence: 2})
		if err != nil {
			t.Fatal(err)
		}
		offset := int64(0)
		w.Begin(tp(1, 1))
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			b := recordbatchtest.Simple(1, rapid.IntRange(0, 300<<10).Draw(t, "bytes"), rapid.Int64Range(0, 100).Draw(t, "timestamp"))
			offset += rapid.Int64Range(1, 5).Draw(t, "gap")
			b.SetBaseOffset(offset)
			if _, err := w.Add(b); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Add(b); !errors.Is(err, objectformat.ErrCorrupt) {
				t.Fatal("the same offsets once more:", err)
			}
		}
		if _, _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		b := object.Bytes()
		f, err := objectformat.ParseTail(b, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		s := f.Segments[0]
		if (s.Bytes > objectformat.IndexInterval) != (s.IndexBytes > 0) {
			t.Fatal(s)
		}
		if s.IndexBytes == 0 {
			return
		}
		index, err := objectformat.ParseIndex(b[s.IndexPosition : s.IndexPosition+int64(s.IndexBytes)])
		if err != nil {
			t.Fatal(err)
		}
		at, entry, seen := int64(0), 0, int64(-1)
		for batch := range recordbatch.All(b[s.Position : s.Position+s.Bytes]) {
			if entry+1 < len(index) && at == index[entry+1].Position {
				if seen != index[entry].MaxTimestamp {
					t.Fatal(entry, index, seen)
				}
				entry, seen = entry+1, -1
			}
			if index[entry].Position == at && index[entry].BaseOffset != batch.BaseOffset() || at-index[entry].Position > objectformat.IndexInterval+400<<10 {
				t.Fatal(entry, index, at)
			}
			seen = max(seen, batch.MaxTimestamp())
			at += int64(len(batch))
		}
		if entry != len(index)-1 || seen != index[entry].MaxTimestamp {
			t.Fatal(entry, index)
		}
	})
}
