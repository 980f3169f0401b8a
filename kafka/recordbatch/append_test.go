package recordbatch_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
)

// What Append writes is what Records reads, at the size that RecordBytes said, and the same bytes that the tests' own builder makes.
func TestAppendedBatchesAreRead(t *testing.T) {
	nullable := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300))
	rapid.Check(t, func(t *rapid.T) {
		var records []recordbatch.Record
		delta, gaps := int32(0), rapid.Bool().Draw(t, "gaps")
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			r := recordbatch.Record{OffsetDelta: delta, Timestamp: rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "timestamp"), Key: nullable.Draw(t, "key"), Value: nullable.Draw(t, "value")}
			for range rapid.IntRange(0, 2).Draw(t, "headers") {
				r.Headers = append(r.Headers, recordbatch.Header{Key: rapid.String().Draw(t, "header"), Value: nullable.Draw(t, "header value")})
			}
			records = append(records, r)
			if delta++; gaps {
				delta += rapid.Int32Range(0, 1<<20).Draw(t, "gap")
			}
		}
		base := rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "base")
		b := recordbatch.Batch(recordbatch.Append([]byte("before"), base, delta, 3, records)[len("before"):])
		if b.BaseOffset() != base || b.LastOffset() != base+int64(delta) || b.PartitionLeaderEpoch() != 3 || b.Size() != len(b) || b.CRC() != b.ComputeCRC() {
			t.Fatalf("header of %x", b)
		}
		size := recordbatch.HeaderBytes
		for i := range records {
			size += recordbatch.RecordBytes(&records[i], records[0].Timestamp)
		}
		if size != len(b) {
			t.Fatalf("%d bytes, RecordBytes said %d", len(b), size)
		}
		var got []recordbatch.Record
		for r, err := range b.Records() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if diff := cmp.Diff(records, got); diff != "" {
			t.Fatal(diff)
		}
		if !gaps && delta > 0 {
			want := recordbatchtest.Build(recordbatchtest.Spec{BaseOffset: base, Records: records})
			want.SetPartitionLeaderEpoch(3)
			if same := recordbatch.Append(nil, base, delta-1, 3, records); !cmp.Equal([]byte(want), same) {
				t.Fatalf("got %x\nwant %x", same, []byte(want))
			}
		}
	})
}
