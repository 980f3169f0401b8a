package state

import (
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
)

// A broker asks for what rewrites and for what deletes in turns, each is always there, and new commits never end. The oldest commits and the partition's history have their turn, too,
// whatever the rhythm in which the other requests come between.
func TestNothingStarves(t *testing.T) {
	for deletes := range 6 { // between two merges
		s, m := memstore.New(), New()
		now, index, sequence := int64(1000), uint64(0), int64(0)
		tp := kafka.TopicIDPartition{ID: kafka.TopicID{'a'}}
		apply := func(c Command) any {
			index++
			now++
			r, _, err := m.Apply(s, index, Encode(now, c))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		next := func() kafka.ObjectID {
			sequence++
			return kafka.ObjectID{Epoch: 7, Sequence: sequence}
		}
		policy := WorkPolicy{LeaseMillis: 1000, MaxLeases: 9, MaxLeasesPerBroker: 9, MaxAttempts: 2, MergeObjects: 3, MergeBytes: 1 << 20, MergeCoordinates: 100,
			MergeAgeMillis: 1 << 30, RunBytes: 1 << 30, RunCoordinates: 3, RunMaxBytes: 1 << 30, FinalBytes: 1 << 30}
		grant := func(kinds ...rpc.WorkKind) *rpc.RequestWorkResponse {
			r := apply(&GrantWork{Broker: 1, BrokerEpoch: 7, Kinds: kinds, MaxObjects: 1, Policy: policy}).(GrantResult)
			work, ok := ReadWork(s, r.Lease, now, &policy)
			if r.Err != nil || !ok {
				t.Fatal(r, ok)
			}
			return work
		}
		finish := func(c *FinishWork, lease int64) {
			c.Holder, c.Policy = Holder{1, 7, lease}, policy
			if r := apply(c).(FinishResult); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		commit := func() {
			apply(&CommitObjects{Broker: 1, BrokerEpoch: 7, Objects: []rpc.ObjectCommit{{Object: next(), ObjectBytes: 100, Coordinators: []int32{0},
				Segments: []rpc.SegmentCommit{{Partition: tp, Batches: []rpc.BatchCommit{{Bytes: 100, Records: 1, MaxTimestamp: 5, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}}}}}}})
		}
		apply(&EnableWork{Level: 1, Policy: policy})
		for range 30 {
			commit()
		}
		oldest, history := false, false
		for range 24 {
			for range 3 {
				commit()
			}
			work := grant(rpc.WorkMerge, rpc.WorkCompactKeys)
			run := &work.Merge.Partitions[0]
			oldest = oldest || run.Coordinates[0].BaseOffset == 0 && !run.Coordinates[0].Stamped
			history = history || run.Coordinates[0].Stamped
			id := next()
			segment, _ := mergedSegment(id, 0, run)
			finish(&FinishWork{Outputs: []rpc.OutputObject{{Object: id, ObjectBytes: 1 << 20}}, Segments: []rpc.ReplacedSegment{segment}}, work.Lease)
			for range deletes {
				work := grant(rpc.WorkDelete, rpc.WorkSweep)
				finish(&FinishWork{}, work.Lease) // it failed: there is always more to delete
			}
		}
		if !oldest || !history {
			t.Errorf("%d deletes between two merges: the oldest commits had a turn: %v; a partition's history: %v", deletes, oldest, history)
		}
	}
}
