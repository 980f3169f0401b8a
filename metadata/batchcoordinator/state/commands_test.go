package state

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
)

var sampleCommands = []Command{
	&CommitObjects{Broker: 3, BrokerEpoch: 9, AcknowledgedBelow: 4, MetadataOffset: 77, Objects: []rpc.ObjectCommit{
		{Object: kafka.ObjectID{Epoch: 9, Sequence: 5}, ObjectBytes: 1 << 20, Coordinators: []int32{0, 3}, Segments: []rpc.SegmentCommit{
			{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: 6}, Position: 512, LogAppendTime: true, Batches: []rpc.BatchCommit{
				{Bytes: 100, Records: 4, MaxTimestamp: 1700000000000, ProducerID: 11, ProducerEpoch: 2, BaseSequence: 2147483647},
				{Bytes: 200, Records: 1, MaxTimestamp: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1},
			}},
			{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{2}}},
		}},
		{Object: kafka.ObjectID{Epoch: 9, Sequence: 6}},
	}, Refused: []RefusedSegment{{0, 1, 100}}},
	&DeleteRecords{MaxCoordinates: 10, Partitions: []rpc.DeleteRecords{{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: 1}, Before: -1}}},
	&ApplyRetention{MaxCoordinates: 10, Partitions: []PartitionRetention{{kafka.TopicIDPartition{ID: kafka.TopicID{1}}, 1700000000000, -1}}},
	&DeleteTopic{ID: kafka.TopicID{5}, MaxCoordinates: 3},
	&FenceBrokers{MetadataOffset: 100, Live: []BrokerEpoch{{1, 20}, {0, 0}}},
	&LeaseWork{Broker: 1, BrokerEpoch: 2, MaxObjects: 3, DelayMillis: 4, TimeoutMillis: 5},
	&CompleteWork{Broker: 1, BrokerEpoch: 2, Lease: 3, RetryMillis: 4, Deleted: []kafka.ObjectID{{Epoch: 1, Sequence: 2}, {}}},
	&ExpireProducers{Cutoff: 5, Producers: []PartitionProducer{{kafka.TopicIDPartition{ID: kafka.TopicID{1}}, 42}}},
	&EnableWork{Level: 1, MaxCoordinates: 10, Policy: samplePolicy},
	&GrantWork{Broker: 3, BrokerEpoch: 9, Kinds: []rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep}, MaxObjects: 5, MaxBytes: 6, Policy: samplePolicy},
	&RenewWork{Holder: sampleHolder, LeaseMillis: 9},
	&FinishWork{Holder: sampleHolder, Coordinator: 2, Deleted: []kafka.ObjectID{{Epoch: 1, Sequence: 2}}, Outputs: []rpc.OutputObject{{Object: kafka.ObjectID{Epoch: 9, Sequence: 8}, ObjectBytes: 1 << 20}},
		Segments: []rpc.ReplacedSegment{{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: 6}, BaseOffset: 0, LastOffset: 4, Inputs: 1, Coordinates: []rpc.Coordinate{
			{Object: kafka.ObjectID{Epoch: 9, Sequence: 8}, Position: 64, Bytes: 300, BaseOffset: 0, LastOffset: 4, MaxTimestamp: 1700000000000, AppendTimestamp: -1, Batches: 2,
				Stamped: true, IndexPosition: 400, IndexBytes: 32}}}},
		DeleteHorizonMillis: 77, SweptObjects: 3, RetryMillis: 4, Policy: samplePolicy},
	&FailWork{Holder: sampleHolder, Cause: "damaged", Damaged: []kafka.ObjectID{{Epoch: 9, Sequence: 5}}, Policy: samplePolicy},
	&PlanCompaction{Partitions: []CompactionPlan{{Partition: kafka.TopicIDPartition{ID: kafka.TopicID{1}, Partition: 6}, MinLagMillis: 3, DeleteRetentionMillis: 86400000}}},
	&RetryWork{WorkKind: rpc.WorkMerge},
	&FenceBrokers{MetadataOffset: 101, Live: []BrokerEpoch{{1, 20}}, SweepAfterMillis: 60000},
	&FinishWork{Holder: sampleHolder, Coordinator: 2, Deleted: []kafka.ObjectID{{Epoch: 1, Sequence: 2}}, RetryMillis: 4, Cause: "denied", Policy: samplePolicy},
}

var (
	sampleHolder = Holder{Broker: 3, BrokerEpoch: 9, Lease: 1}
	samplePolicy = WorkPolicy{LeaseMillis: 60_000, DeleteDelayMillis: 60_000, MaxLeases: 64, MaxLeasesPerBroker: 4, MaxAttempts: 5, BackoffMillis: 30_000, MaxBackoffMillis: 3_600_000,
		ParkedMillis: 86_400_000, MergeObjects: 1024, MergeBytes: 64 << 20, MergeCoordinates: 16 << 10, MergeAgeMillis: 600_000, RunBytes: 32 << 20, RunCoordinates: 1024,
		RunMaxBytes: 256 << 20, FinalBytes: 8 << 20, SweepMillis: []int64{60_000, 600_000, 3_600_000}}
)

func TestCommandsRoundTrip(t *testing.T) {
	for _, c := range sampleCommands {
		now, got, err := Decode(Encode(1234, c))
		if err != nil || now != 1234 || !reflect.DeepEqual(got, c) {
			t.Errorf("%T: %+v at %d, %v", c, got, now, err)
		}
	}
}

// TestCommandFormats: commands that an older release left in a log are read for ever. Lines are only added to the file.
func TestCommandFormats(t *testing.T) {
	file, err := os.ReadFile("testdata/formats/commands_v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	if os.Getenv("PRINT_FORMATS") != "" { // to add the lines of new commands
		for _, c := range sampleCommands[len(lines):] {
			fmt.Printf("%x\n", Encode(1234, c))
		}
	}
	if len(lines) != len(sampleCommands) {
		t.Fatalf("%d lines for %d commands", len(lines), len(sampleCommands))
	}
	for i, c := range sampleCommands {
		b, err := hex.DecodeString(lines[i])
		if err != nil {
			t.Fatal(err)
		}
		if now, got, err := Decode(b); err != nil || now != 1234 || !reflect.DeepEqual(got, c) {
			t.Errorf("line %d: %+v at %d, %v, want %+v; written today: %x", i+1, got, now, err, c, Encode(1234, c))
		}
	}
}

func TestNewerCommandHalts(t *testing.T) {
	newer := Encode(1, sampleCommands[3])
	newer[1] = commandVersion + 1
	for _, b := range [][]byte{newer, {}, {0xff}, {8, 1, 16, 2, 0xf2, 0x7, 0}} {
		s := memstore.New()
		_, _, err := New().Apply(s, 1, b)
		if !errors.Is(err, raftlog.ErrHalt) {
			t.Errorf("command %x: %v, want ErrHalt", b, err)
		}
		if s.Len() != 0 {
			t.Errorf("command %x left %d keys", b, s.Len())
		}
	}
}

func TestDamagedStateHalts(t *testing.T) {
	s := memstore.New()
	tp := sampleCommands[0].(*CommitObjects).Objects[0].Segments[0].Partition
	s.Set(appendPartitionKey(nil, prefixPartition, tp), []byte{valueVersion + 1})
	if _, _, err := New().Apply(s, 1, Encode(1, sampleCommands[0])); !errors.Is(err, raftlog.ErrHalt) {
		t.Errorf("damaged state: %v, want ErrHalt", err)
	}
}

// FuzzApply: no command panics or writes what cannot be read again, on an empty state and on one with data.
func FuzzApply(f *testing.F) {
	for _, c := range sampleCommands {
		f.Add(Encode(1, c))
	}
	f.Fuzz(func(t *testing.T, command []byte) {
		if len(command) > 1<<16 {
			return
		}
		now, c, err := Decode(command)
		if err != nil {
			return
		}
		if _, again, err := Decode(Encode(now, c)); err != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("%+v, again %+v, %v", c, again, err)
		}
		s := memstore.New()
		m := New()
		for i, b := range [][]byte{command, Encode(2, &EnableWork{Level: 1}), Encode(2, sampleCommands[0]), command, command} {
			if _, _, err := m.Apply(s, uint64(i), b); err != nil {
				t.Fatalf("command %d: %v", i, err)
			}
		}
	})
}
