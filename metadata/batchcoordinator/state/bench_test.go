package state

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// BenchmarkCommit applies commits until they are visible, as a replica does: of many small objects, and of 1,600 batches over 600 partitions.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []struct{ segments, batches int }{{16, 16}, {600, 1600}} {
		b.Run(fmt.Sprintf("%d batches in %d segments", size.batches, size.segments), func(b *testing.B) {
			store, err := pebblestore.Open(pebblestore.Config{FS: vfs.NewMem(), Dir: "state"})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			m := New()
			sequences := make([]int32, 600)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				command := benchmarkCommit(i, size.segments, size.batches, sequences)
				b.StartTimer()
				batch := store.NewBatch()
				result, _, err := m.Apply(batch.Tx(pebblestore.Space{Group: 1, Kind: 's'}), uint64(i), command)
				if err != nil || result.(CommitResult).Err != nil {
					b.Fatal(result, err)
				}
				batch.Commit()
			}
		})
	}
}

// benchmarkCommit is the i-th commit. Its batches are of idempotent producers.
func benchmarkCommit(i, segments, batches int, sequences []int32) []byte {
	sequence := int64(i)
	o := rpc.ObjectCommit{Object: kafka.ObjectID{Epoch: 7, Sequence: sequence}, ObjectBytes: 8 << 20, Coordinators: []int32{0}}
	for n := range segments {
		p := (i*segments + n) % len(sequences)
		s := rpc.SegmentCommit{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{byte(p / 16)}, Partition: int32(p % 16)}, Position: int64(n) * 10_000}
		for range batches/segments + min(1, max(0, batches%segments-n)) {
			s.Batches = append(s.Batches, rpc.BatchCommit{Bytes: 4000, Records: 4, MaxTimestamp: 1_700_000_000_000 + sequence, ProducerID: int64(p % 7), BaseSequence: sequences[p]})
			sequences[p] += 4
		}
		o.Segments = append(o.Segments, s)
	}
	return Encode(1_700_000_000_000+sequence, &CommitObjects{Broker: 1, BrokerEpoch: 7, AcknowledgedBelow: max(0, sequence-4), MetadataOffset: 5, Objects: []rpc.ObjectCommit{o}})
}
