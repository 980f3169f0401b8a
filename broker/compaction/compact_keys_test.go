package compaction

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/rpc"
)

// keyed is a record as the dumb twin keeps it.
type keyed struct {
	offset, timestamp int64
	key, value        string
	tombstone, noKey  bool
	batch             int64 // base offset of its batch
}

// readKeyed is every record of the coordinates, and the horizons of their batches.
func readKeyed(t tester, w *world, coordinates []rpc.Coordinate) (records []keyed, horizons map[int64]int64, batches []recordbatch.Batch) {
	t.Helper()
	horizons = map[int64]int64{}
	for b, err := range recordbatch.All(w.view(t, coordinates)) {
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, b)
		if h, ok := b.DeleteHorizon(); ok {
			horizons[b.BaseOffset()] = h
		}
		for r, err := range b.Records() {
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, keyed{b.BaseOffset() + int64(r.OffsetDelta), r.Timestamp, string(r.Key), string(r.Value), r.Value == nil, r.Key == nil, b.BaseOffset()})
		}
	}
	return records, horizons, batches
}

// latest is what a consumer that keeps a map ends with.
func latest(records []keyed) map[string]string {
	m := map[string]string{}
	for _, r := range records {
		if r.noKey {
			continue
		}
		if r.tombstone {
			delete(m, r.key)
		} else {
			m[r.key] = r.value
		}
	}
	return m
}

// Random input, cleaned again and again as it grows, beside a plain map: exactly the records that Kafka's rules name stay, with their offsets and timestamps.
func TestKeyCompactionAgainstAPlainMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(func(c *Config) {
			c.Settings.MemoryBytes = rapid.SampledFrom([]int64{700, 64 << 20}).Draw(t, "memory")
			c.Settings.DedupeBufferBytes = rapid.SampledFrom([]int64{400, 2000, 1 << 20}).Draw(t, "map")
			c.PartBytes = 2000
		})
		defer func() { _ = w.jobs.Close() }()
		partition := tp(1, 0)
		keys := rapid.SampledFrom([]int{2, 10, 100}).Draw(t, "keys")
		var live []rpc.Coordinate
		var all []keyed
		now, clean, sequence := int64(1000), int64(0), int32(0)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(0, 4).Draw(t, "objects") {
				var s inputSegment
				s.partition, s.appendTime = partition, -1
				for range rapid.IntRange(1, 4).Draw(t, "batches") {
					spec := recordbatchtest.Spec{Codec: rapid.SampledFrom(codecs).Draw(t, "codec")}
					for i := range rapid.IntRange(1, 30).Draw(t, "records") {
						r := recordbatch.Record{Timestamp: now + int64(i), Key: fmt.Appendf(nil, "key-%d", rapid.IntRange(0, keys).Draw(t, "key"))}
						if rapid.IntRange(0, 4).Draw(t, "tombstone") > 0 {
							r.Value = fmt.Appendf(nil, "value-%d-%d", now, i)
						}
						spec.Records = append(spec.Records, r)
					}
					if rapid.Bool().Draw(t, "idempotent") {
						spec.Producer = &recordbatchtest.Producer{ID: 5, Epoch: 1, Sequence: sequence}
						sequence += int32(len(spec.Records))
					}
					s.batches = append(s.batches, recordbatchtest.Build(spec))
				}
				c := w.commit(t, s)
				more, _, _ := readKeyed(t, w, c)
				all = append(all, more...)
				live = append(live, c...)
			}
			if len(live) == 0 {
				continue
			}
			before, horizons, batches := readKeyed(t, w, live)
			work := &rpc.CompactKeysWork{
				Partition: partition, Coordinates: live, FirstDirtyOffset: clean, HighWatermark: w.next[partition], NowMillis: now, DeleteRetentionMillis: 150,
				MaxObjectBytes: rapid.SampledFrom([]int64{500, 0}).Draw(t, "object bytes"),
			}
			producersLast := int64(-1)
			for _, b := range batches {
				if b.ProducerID() == 5 {
					producersLast = b.LastOffset()
				}
			}
			if producersLast >= 0 {
				work.ActiveProducers = []rpc.ProducerEnd{{ProducerID: 5, ProducerEpoch: 1, LastOffset: producersLast}}
			}
			// The twin.
			newest := map[string]int64{}
			for _, r := range before {
				if r.offset >= clean && !r.noKey {
					newest[r.key] = r.offset
				}
			}
			var want []keyed
			wantHorizons := map[int64]int64{}
			for _, r := range before {
				h, has := horizons[r.batch]
				n, dirty := newest[r.key]
				if r.noKey || dirty && r.offset < n || r.tombstone && has && now >= h {
					continue
				}
				want = append(want, r)
				switch {
				case has:
					wantHorizons[r.batch] = h
				case r.tombstone:
					wantHorizons[r.batch] = now + 150
				}
			}
			if err := w.do(context.Background(), rpc.RequestWorkResponse{Kind: rpc.WorkCompactKeys, CompactKeys: work}); err != nil {
				t.Fatal(err)
			}
			done := w.completed[len(w.completed)-1]
			w.footers(t, done)
			s := done.Segments[0]
			if s.BaseOffset != live[0].BaseOffset || s.LastOffset != live[len(live)-1].LastOffset || int(s.Inputs) != len(live) {
				t.Fatal(s)
			}
			live = s.Coordinates
			got, gotHorizons, left := readKeyed(t, w, live)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%d records are left, want %d, of %d", len(got), len(want), len(before))
			}
			for base, h := range wantHorizons {
				if gotHorizons[base] != h {
					t.Fatalf("batch %d has the horizon %d, want %d", base, gotHorizons[base], h)
				}
			}
			first := int64(0) // of those with tombstones
			for _, r := range got {
				if r.tombstone && (first == 0 || gotHorizons[r.batch] < first) {
					first = gotHorizons[r.batch]
				}
			}
			if done.DeleteHorizonMillis != first {
				t.Fatalf("the first horizon is %d, want %d", done.DeleteHorizonMillis, first)
			}
			if end := left[len(left)-1].LastOffset(); end != w.next[partition]-1 {
				t.Fatalf("the log ends at %d, want %d", end, w.next[partition]-1)
			}
			knows := producersLast < 0
			for _, b := range left {
				knows = knows || b.ProducerID() == 5 && b.LastOffset() == producersLast
			}
			if !knows {
				t.Fatal("the producer's last batch is gone")
			}
			if !reflect.DeepEqual(latest(got), latest(all)) {
				t.Fatal("a reader ends with another map")
			}
			clean = w.next[partition]
			now += 100
		}
	})
}

// What no record is dropped of is written as it was, byte for byte, in whatever way it is compressed.
func TestBatchesThatKeepEverythingStayAsTheyAre(t *testing.T) {
	w := newWorld(nil)
	defer func() { _ = w.jobs.Close() }()
	var batches []recordbatch.Batch
	for codec := recordbatch.None; codec <= recordbatch.Zstd; codec++ {
		batches = append(batches, recordbatchtest.Build(recordbatchtest.Spec{Codec: codec, Records: []recordbatch.Record{
			{Timestamp: 5, Key: fmt.Appendf(nil, "%d-a", codec), Value: bytes.Repeat([]byte("x"), 500)}, {Timestamp: 6, Key: fmt.Appendf(nil, "%d-b", codec), Value: []byte{}},
		}}))
	}
	c := w.commit(t, inputSegment{tp(1, 0), batches, 77})
	want := w.view(t, c)
	err := w.do(t.Context(), rpc.RequestWorkResponse{Kind: rpc.WorkCompactKeys, CompactKeys: &rpc.CompactKeysWork{Partition: tp(1, 0), Coordinates: c, HighWatermark: w.next[tp(1, 0)]}})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.view(t, w.completed[0].Segments[0].Coordinates); !bytes.Equal(got, want) {
		t.Fatal("the bytes differ")
	}
}

// Markers of transactions stay as they are, and count as no record: what a pass noted of the records around them is about those.
func TestMarkersStay(t *testing.T) {
	for _, buffer := range []int64{1 << 20, 400} { // one pass, several
		w := newWorld(func(c *Config) { c.Settings.DedupeBufferBytes = buffer })
		marker := recordbatchtest.Build(recordbatchtest.Spec{Producer: &recordbatchtest.Producer{ID: 5, Sequence: -1}, Transactional: true, Control: true,
			Records: []recordbatch.Record{{Key: []byte{0, 0, 0, 1}, Value: make([]byte, 6)}}})
		var batches []recordbatch.Batch
		for range 2 {
			spec := recordbatchtest.Spec{Records: []recordbatch.Record{{Key: []byte{0, 0, 0, 1}, Value: []byte("a key like a marker's")}}}
			for i := range 39 {
				spec.Records = append(spec.Records, recordbatch.Record{Key: fmt.Append(nil, i), Value: []byte("v")})
			}
			batches = append(batches, recordbatchtest.Build(spec), bytes.Clone(marker))
		}
		c := w.commit(t, inputSegment{tp(1, 0), batches, -1})
		work := &rpc.CompactKeysWork{Partition: tp(1, 0), Coordinates: c, HighWatermark: w.next[tp(1, 0)], NowMillis: 10}
		if err := w.do(t.Context(), rpc.RequestWorkResponse{Kind: rpc.WorkCompactKeys, CompactKeys: work}); err != nil {
			t.Fatal(err)
		}
		_, _, left := readKeyed(t, w, w.completed[0].Segments[0].Coordinates)
		var markers, records int
		for _, b := range left {
			if b.IsControl() {
				markers++
			} else {
				records += int(b.RecordsCount())
			}
		}
		if markers != 2 || records != 40 {
			t.Errorf("%d markers and %d records are left, want 2 and 40", markers, records)
		}
		_ = w.jobs.Close()
	}
}

// Everything may go when the log does not end there, and then there is no output.
func TestNothingLeft(t *testing.T) {
	w := newWorld(nil)
	defer func() { _ = w.jobs.Close() }()
	old := recordbatchtest.Build(recordbatchtest.Spec{Records: []recordbatch.Record{{Key: []byte("k"), Value: []byte("1")}, {Value: []byte("no key")}}})
	c := w.commit(t, inputSegment{tp(1, 0), []recordbatch.Batch{old}, -1})
	newer := w.commit(t, inputSegment{tp(1, 0), []recordbatch.Batch{recordbatchtest.Build(recordbatchtest.Spec{Records: []recordbatch.Record{{Key: []byte("k")}}})}, -1})
	work := &rpc.CompactKeysWork{Partition: tp(1, 0), Coordinates: append(c, newer...), HighWatermark: 100, NowMillis: 10, DeleteRetentionMillis: 5}
	if err := w.do(t.Context(), rpc.RequestWorkResponse{Kind: rpc.WorkCompactKeys, CompactKeys: work}); err != nil {
		t.Fatal(err)
	}
	done := w.completed[0]
	if done.DeleteHorizonMillis != 15 || len(done.Outputs) != 1 {
		t.Fatal(done)
	}
	work = &rpc.CompactKeysWork{Partition: tp(1, 0), Coordinates: done.Segments[0].Coordinates, FirstDirtyOffset: 3, HighWatermark: 100, NowMillis: 15, DeleteRetentionMillis: 5}
	if err := w.do(t.Context(), rpc.RequestWorkResponse{Kind: rpc.WorkCompactKeys, CompactKeys: work}); err != nil {
		t.Fatal(err)
	}
	if done := w.completed[1]; len(done.Outputs) != 0 || len(done.Segments) != 1 || len(done.Segments[0].Coordinates) != 0 || done.DeleteHorizonMillis != 0 {
		t.Fatal(done)
	}
}

func TestOffsetMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newOffsetMap(new(slab.Pool), rapid.Int64Range(1, 5000).Draw(t, "bytes"), rapid.Int64Range(0, 1<<62).Draw(t, "expected"))
		defer m.release()
		twin := map[string]int64{}
		for range rapid.IntRange(0, 300).Draw(t, "puts") {
			key := fmt.Sprint(rapid.IntRange(0, 200).Draw(t, "key"))
			offset := rapid.Int64Range(0, 1<<50).Draw(t, "offset")
			_, known := twin[key]
			if ok := m.put(hashKey([]byte(key)), offset); ok != (known || len(twin) < m.most) {
				t.Fatalf("put says %v with %d of %d keys", ok, len(twin), m.most)
			} else if ok {
				twin[key] = max(twin[key], offset)
			}
		}
		for i := range 220 {
			key := fmt.Sprint(i)
			want, ok := twin[key]
			if !ok {
				want = -1
			}
			if got := m.get(hashKey([]byte(key))); got != want {
				t.Fatalf("%s: %d, want %d", key, got, want)
			}
		}
	})
}
