package state

import (
	"errors"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
)

// firstLevelHash is that of the state which the first release left after firstLevelCommands.
const firstLevelHash = "4c069884b6530159a8bf4fdfa1056a54067dbe420a937c0c32e3c5a6753260a7"

func firstLevelCommands() []Command {
	tp, other := kafka.TopicIDPartition{ID: kafka.TopicID{'a'}}, kafka.TopicIDPartition{ID: kafka.TopicID{'b'}, Partition: 3}
	batch := func(producer int64, sequence int32, timestamp int64) rpc.BatchCommit {
		return rpc.BatchCommit{Bytes: 100, Records: 2, MaxTimestamp: timestamp, ProducerID: producer, BaseSequence: sequence}
	}
	var commands []Command
	for i := range int64(6) {
		commands = append(commands, &CommitObjects{Broker: 1, BrokerEpoch: 7, AcknowledgedBelow: i, MetadataOffset: 5, Objects: []rpc.ObjectCommit{{
			Object: kafka.ObjectID{Epoch: 7, Sequence: i}, ObjectBytes: 300, Coordinators: []int32{0, 1}, Segments: []rpc.SegmentCommit{
				{Partition: tp, Batches: []rpc.BatchCommit{batch(42, int32(2*i), 1000-i), batch(-1, -1, 1000+i)}},
				{Partition: other, Position: 200, LogAppendTime: true, Batches: []rpc.BatchCommit{batch(-1, -1, 5)}},
			}}}})
	}
	return append(commands,
		&DeleteRecords{MaxCoordinates: 10, Partitions: []rpc.DeleteRecords{{Partition: tp, Before: 9}}},
		&ApplyRetention{MaxCoordinates: 10, Partitions: []PartitionRetention{{Partition: other, Cutoff: -1, MaxBytes: 200}}},
		&DeleteRecords{MaxCoordinates: 10, Partitions: []rpc.DeleteRecords{{Partition: tp, Before: 17}}},
		&LeaseWork{Broker: 1, BrokerEpoch: 7, MaxObjects: 1, TimeoutMillis: 50},
		&CompleteWork{Broker: 1, BrokerEpoch: 7, Lease: 1, Deleted: []kafka.ObjectID{{Epoch: 7}}},
		&FenceBrokers{MetadataOffset: 10, Live: []BrokerEpoch{{1, 7}, {2, 9}}},
		&LeaseWork{Broker: 2, BrokerEpoch: 9, MaxObjects: 2, TimeoutMillis: 50},
		&FenceBrokers{MetadataOffset: 12, Live: []BrokerEpoch{{1, 7}}},
		&ExpireProducers{Cutoff: 0, Producers: []PartitionProducer{{tp, 42}}},
	)
}

// TestFirstLevelLeavesTheSameBytes: until every node knows the second level, replicas of the first release apply the same commands. And what they
// left goes on under the second: its coordinates are found, its leases run out and its garbage is deleted.
func TestFirstLevelLeavesTheSameBytes(t *testing.T) {
	s := memstore.New()
	m := New()
	now, index := int64(1000), uint64(0)
	apply := func(c Command) any {
		index++
		now++
		r, _, err := m.Apply(s, index, Encode(now, c))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range firstLevelCommands() {
		apply(c)
	}
	if got := s.Hash(); got != firstLevelHash {
		t.Fatalf("the state has the hash %s, the first release left %s", got, firstLevelHash)
	}
	tp := kafka.TopicIDPartition{ID: kafka.TopicID{'a'}}
	if r := FindSegment(s, &rpc.FindSegment{Partition: tp, Offset: 17, MaxBytes: 1 << 20, MaxCoordinates: 10}); len(r.Coordinates) != 2 || r.Coordinates[0].Stamped {
		t.Fatalf("found %+v", r)
	}
	apply(&EnableWork{Level: 1, MaxCoordinates: 1, Policy: samplePolicy})
	if WorkLevel(s) > 0 {
		t.Fatal("the level is in force, and only one coordinate has joined")
	}
	apply(&EnableWork{Level: 1, MaxCoordinates: 100, Policy: samplePolicy})
	grant := &GrantWork{Broker: 1, BrokerEpoch: 7, Kinds: []rpc.WorkKind{rpc.WorkDelete}, MaxObjects: 10, Policy: samplePolicy}
	grant.Policy.DeleteDelayMillis = 0
	first := apply(grant).(GrantResult)
	work, ok := ReadWork(s, first.Lease, now, &grant.Policy)
	if !ok || first.Lease != 3 {
		t.Fatalf("%+v, %v", work, ok)
	}
	now += 100 // the lease of the first level, which the second broker had, is over
	second := apply(grant).(GrantResult)
	again, ok := ReadWork(s, second.Lease, now, &grant.Policy)
	if !ok || len(again.Objects) != 2 || len(work.Objects)+len(again.Objects) != 3 {
		t.Fatalf("%+v, then %+v", work, again)
	}
	if r := apply(&FinishWork{Holder: Holder{1, 7, first.Lease}, Deleted: []kafka.ObjectID{work.Objects[0].Object}}).(FinishResult); r.Err != nil || r.Deleted != 1 {
		t.Fatalf("%+v", r)
	}
	// A lease that was proposed before and is applied behind the level.
	if r := apply(&LeaseWork{Broker: 1, BrokerEpoch: 7, MaxObjects: 1, TimeoutMillis: 10}).(LeaseResult); r.Err != nil {
		t.Fatal(r.Err)
	}
	if r := apply(&CompleteWork{Broker: 1, BrokerEpoch: 7, Lease: second.Lease, Deleted: []kafka.ObjectID{again.Objects[0].Object}}).(CompleteResult); r.Err != nil || r.Deleted != 1 {
		t.Fatalf("%+v", r)
	}
}

// TestOtherVersionsOfValuesHalt: values of a newer release end in ErrHalt.
func TestOtherVersionsOfValuesHalt(t *testing.T) {
	for _, prefix := range []byte{prefixLease, prefixGroup, prefixUpkeep, prefixSweep} {
		s := memstore.New()
		m := New()
		if _, _, err := m.Apply(s, 1, Encode(1, &EnableWork{Level: 1})); err != nil {
			t.Fatal(err)
		}
		s.Set(appendNumberKey(nil, prefix, 1), []byte{9})
		s.Set(appendPartitionKey(nil, prefixUpkeep, modelPartitions[0]), []byte{9})
		s.Set(appendAgendaKey(nil, classCommits, 0, numberSubject(1)), []byte{valueVersion, 0, 0})
		s.Set(appendAgendaKey(nil, classSweep, 0, numberSubject(1)), []byte{valueVersion, 0, 0})
		s.Set(appendAgendaKey(nil, classRun, 0, partitionSubject(modelPartitions[0])), []byte{valueVersion, 0, 0})
		kind := rpc.WorkMerge
		if prefix == prefixSweep {
			kind = rpc.WorkSweep
		}
		if _, _, err := m.Apply(s, 2, Encode(5, &GrantWork{Broker: 1, BrokerEpoch: 7, Kinds: []rpc.WorkKind{kind}, Policy: samplePolicy})); !errors.Is(err, raftlog.ErrHalt) {
			t.Errorf("a value of kind %c: %v", prefix, err)
		}
	}
}
