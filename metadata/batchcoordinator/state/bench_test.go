package state

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// BenchmarkCommit applies commits of 1,600 batches over 600 partitions, each batch of an idempotent producer, to an
// indexed batch of pebble.
func BenchmarkCommit(b *testing.B) {
	db, err := pebble.Open("", &pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	m := New()
	sequences := make([]int32, 600)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		command := benchmarkCommit(int64(i), sequences)
		batch := db.NewIndexedBatch()
		result, _, err := m.Apply(pebbleTx{batch}, uint64(i), command)
		if err != nil || result.(CommitResult).Err != nil {
			b.Fatal(result, err)
		}
		b.StopTimer()
		if err := batch.Commit(pebble.NoSync); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func benchmarkCommit(sequence int64, sequences []int32) []byte {
	o := rpc.ObjectCommit{Object: kafka.ObjectID{Epoch: 7, Sequence: sequence}, ObjectBytes: 8 << 20, Coordinators: []int32{0}}
	for p := range sequences {
		s := rpc.SegmentCommit{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{byte(p / 16)}, Partition: int32(p % 16)}, Position: int64(p) * 10_000}
		for range 2 + (p%3+1)/2 {
			s.Batches = append(s.Batches, rpc.BatchCommit{Bytes: 4000, Records: 4, MaxTimestamp: 1_700_000_000_000 + sequence, ProducerID: int64(p % 7), BaseSequence: sequences[p]})
			sequences[p] += 4
		}
		o.Segments = append(o.Segments, s)
	}
	return Encode(1_700_000_000_000+sequence, &CommitObjects{Broker: 1, BrokerEpoch: 7, AcknowledgedBelow: max(0, sequence-4), MetadataOffset: 5, Objects: []rpc.ObjectCommit{o}})
}

// pebbleTx is as little of a statestore as the benchmark needs.
type pebbleTx struct{ b *pebble.Batch }

func (t pebbleTx) Get(key []byte) ([]byte, bool) {
	v, closer, err := t.b.Get(key)
	if err != nil {
		return nil, false
	}
	v = append([]byte(nil), v...)
	closer.Close()
	return v, true
}

func (t pebbleTx) Scan(lo, hi []byte, fn func(k, v []byte) bool) {
	it, err := t.b.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		panic(err)
	}
	defer it.Close()
	for ok := it.First(); ok && fn(it.Key(), it.Value()); ok = it.Next() {
	}
}

func (t pebbleTx) ScanReverse(lo, hi []byte, fn func(k, v []byte) bool) {
	it, err := t.b.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		panic(err)
	}
	defer it.Close()
	for ok := it.Last(); ok && fn(it.Key(), it.Value()); ok = it.Prev() {
	}
}

func (t pebbleTx) Set(key, value []byte)     { _ = t.b.Set(key, value, nil) }
func (t pebbleTx) Delete(key []byte)         { _ = t.b.Delete(key, nil) }
func (t pebbleTx) DeleteRange(lo, hi []byte) { _ = t.b.DeleteRange(lo, hi, nil) }
