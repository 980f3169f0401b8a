package recordbatch_test

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
)

func recordsOf(t *rapid.T, b recordbatch.Batch) (out []recordbatch.Record) {
	for r, err := range b.Records() {
		if err != nil {
			t.Fatal(err)
		}
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		for i := range r.Headers {
			r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
		}
		out = append(out, r)
	}
	return out
}

// What is kept is what was there: offsets, timestamps, keys, values, and everything the header says but its sizes.
func TestRewrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := recordbatchtest.Spec{
			Codec: recordbatch.Codec(rapid.IntRange(0, 4).Draw(t, "codec")), BaseOffset: rapid.Int64Range(0, 1<<40).Draw(t, "base"),
			LogAppendTime: rapid.Bool().Draw(t, "append time"), Transactional: rapid.Bool().Draw(t, "transactional"),
			Records: recordbatchtest.Records(rapid.IntRange(1, 20).Draw(t, "records"), rapid.SampledFrom([]int{0, 1, 10, 100, 9000}).Draw(t, "bytes"), 0),
		}
		if rapid.Bool().Draw(t, "producer") {
			spec.Producer = &recordbatchtest.Producer{ID: 7, Epoch: 3, Sequence: 2147483647}
		}
		for i := range spec.Records {
			spec.Records[i].Timestamp = rapid.Int64Range(0, 5000).Draw(t, "timestamp")
			spec.Records[i].Headers = []recordbatch.Header{{Key: "h", Value: []byte{byte(i)}}, {Key: ""}}
		}
		b := recordbatchtest.Build(spec)
		all := recordsOf(t, b)
		horizon := recordbatch.NoTimestamp
		if rapid.Bool().Draw(t, "horizon") {
			horizon = 1 << 40
		}
		var want []recordbatch.Record
		kept := rapid.SliceOfN(rapid.Bool(), len(all), len(all)).Draw(t, "kept")
		out, err := b.Rewrite([]byte("before"), horizon, func(r *recordbatch.Record) bool {
			if kept[r.OffsetDelta] {
				want = append(want, all[r.OffsetDelta])
			}
			return kept[r.OffsetDelta]
		})
		if err != nil || string(out[:6]) != "before" {
			t.Fatal(err)
		}
		got, rest, err := recordbatch.Next(out[6:])
		if err != nil || len(rest) != 0 || got.CRC() != got.ComputeCRC() {
			t.Fatal(err, len(rest))
		}
		if records := recordsOf(t, got); !reflect.DeepEqual(records, want) {
			t.Fatalf("%d records, want %d, or they differ", len(records), len(want))
		}
		if got.BaseOffset() != b.BaseOffset() || got.LastOffset() != b.LastOffset() || int(got.RecordsCount()) != len(want) ||
			got.ProducerID() != b.ProducerID() || got.ProducerEpoch() != b.ProducerEpoch() || got.BaseSequence() != b.BaseSequence() || got.LastSequence() != b.LastSequence() ||
			got.IsTransactional() != b.IsTransactional() || got.IsLogAppendTime() != b.IsLogAppendTime() || got.PartitionLeaderEpoch() != b.PartitionLeaderEpoch() {
			t.Fatalf("% x\n% x", b[:recordbatch.HeaderBytes], got[:recordbatch.HeaderBytes])
		}
		if len(want) == 0 {
			if len(got) != recordbatch.HeaderBytes || got.MaxTimestamp() != b.MaxTimestamp() {
				t.Fatal(len(got), got.MaxTimestamp())
			}
			return
		}
		at, ok := got.DeleteHorizon()
		if ok != (horizon != recordbatch.NoTimestamp) || ok && at != horizon || got.Codec() != b.Codec() {
			t.Fatal(at, ok, got.Codec())
		}
		again, err := got.Rewrite(nil, recordbatch.NoTimestamp, func(*recordbatch.Record) bool { return true })
		if err != nil || !reflect.DeepEqual(recordsOf(t, again), want) {
			t.Fatal(err)
		}
		if at, still := recordbatch.Batch(again).DeleteHorizon(); still != ok || at != recordbatch.Batch(got).BaseTimestamp() {
			t.Fatal("the horizon was lost")
		}
	})
}
