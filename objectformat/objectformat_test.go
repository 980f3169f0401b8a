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

func describe(f *objectformat.Footer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster=%s object=%v\n", f.Cluster, f.Object)
	for _, s := range f.Segments {
		fmt.Fprintf(&b, "%v position=%d bytes=%d records=%d batches=%d max-timestamp=%d crc=%08x\n", s.Partition, s.Position, s.Bytes, s.Records, s.Batches, s.MaxTimestamp, s.CRC)
	}
	return b.String()
}

// Every version that was ever written is read for ever, and the current one is written byte for byte.
func TestGolden(t *testing.T) {
	current := filepath.Join("testdata", fmt.Sprintf("v%d.ink", objectformat.Version))
	if *rewrite {
		footer, err := objectformat.ParseTail(sample(), int64(len(sample())))
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{current: sample(), current + ".txt": []byte(describe(footer))} {
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
	}
	golden, _ := os.ReadFile(current)
	if !bytes.Equal(golden, sample()) {
		t.Errorf("the bytes of version %d have changed", objectformat.Version)
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
	b[len(b)-7]++
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
	b := sample()
	f.Add(b, int64(len(b)))
	f.Add(b[len(b)-100:], int64(len(b)))
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
