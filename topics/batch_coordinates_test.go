package topics

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/inkwell-project/inkwell/kafka"
)

var sampleTopic = kafka.TopicID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

var batchCoordinateSamples = []struct {
	record BatchCoordinateRecord
	key    string
}{
	{&ObjectCommitted{Object: kafka.ObjectID{Epoch: 7, Sequence: 9}, ObjectBytes: 300, Segments: []CommittedSegment{{
		Partition: kafka.TopicIDPartition{ID: sampleTopic, Partition: 3},
		Coordinates: []CommittedCoordinate{
			{Position: 0, Bytes: 200, BaseOffset: 0, LastOffset: 4, MaxTimestamp: 1700000000000, AppendTimestamp: -1, Batches: 2},
			{Position: 250, Bytes: 50, BaseOffset: 5, LastOffset: 5, MaxTimestamp: -1, AppendTimestamp: 12, Batches: 1},
		},
	}}}, "object/7-9"},
	{&LogStartMoved{Partition: kafka.TopicIDPartition{ID: sampleTopic}, LogStartOffset: 44, Reason: ReasonRetentionTime}, "partition/AQIDBAUGBwgJCgsMDQ4PEA/0"},
	{&TopicDeleted{ID: sampleTopic}, "topic/AQIDBAUGBwgJCgsMDQ4PEA"},
	{&ObjectsReleased{Objects: []kafka.ObjectID{{Epoch: 1}, {Epoch: 2, Sequence: 300}}}, "object/1-0"},
	{&ObjectsDeleted{Objects: []kafka.ObjectID{{Epoch: 5, Sequence: 1}}}, "object/5-1"},
	{&BrokerFenced{Broker: 3, MinEpoch: 99}, "broker/3"},
	{&CoordinatesReplaced{Partition: kafka.TopicIDPartition{ID: sampleTopic, Partition: 3}, BaseOffset: 5, LastOffset: 900, Coordinates: []ReplacingCoordinate{
		{kafka.ObjectID{Epoch: 7, Sequence: 10}, CommittedCoordinate{Position: 64, Bytes: 2 << 20, BaseOffset: 5, LastOffset: 900, MaxTimestamp: 1700000000000,
			AppendTimestamp: -1, Batches: 40, Stamped: true, IndexPosition: 3 << 20, IndexBytes: 120}},
	}}, "partition/AQIDBAUGBwgJCgsMDQ4PEA/3"},
}

// TestBatchCoordinatesProto holds the hand-written codec to the published schema: protobuf reads every field of what it
// wrote, knows none that the schema does not, and writes what the codec reads.
func TestBatchCoordinatesProto(t *testing.T) {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(context.Background(), "batch_coordinates.proto")
	if err != nil {
		t.Fatal(err)
	}
	desc := files[0].Messages().ByName("BatchCoordinateRecord")
	for _, s := range batchCoordinateSamples {
		value := AppendBatchCoordinate(nil, s.record)
		m := dynamicpb.NewMessage(desc)
		if err := proto.Unmarshal(value, m); err != nil {
			t.Fatalf("%T: %v", s.record, err)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) != len(value) {
			t.Errorf("%T: %d bytes, protobuf writes %d: a field differs from the schema: %s", s.record, len(value), len(again), prototext.Format(m))
		}
		text, err := prototext.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		fresh := dynamicpb.NewMessage(desc)
		if err := prototext.Unmarshal(text, fresh); err != nil {
			t.Fatalf("%T: %v", s.record, err) // an unknown field does not survive the text form
		}
		again, _ = proto.Marshal(fresh)
		got, err := DecodeBatchCoordinate(again)
		if err != nil || !reflect.DeepEqual(got, s.record) {
			t.Errorf("%T through protobuf: %+v, %v", s.record, got, err)
		}
	}
}

func TestBatchCoordinateKeys(t *testing.T) {
	for _, s := range batchCoordinateSamples {
		if got := string(s.record.BatchCoordinateKey()); got != s.key {
			t.Errorf("%T: key %q, want %q", s.record, got, s.key)
		}
	}
}

func TestBatchCoordinateNewerVersion(t *testing.T) {
	value := AppendBatchCoordinate(nil, &BrokerFenced{Broker: 1})
	value[1] = BatchCoordinatesVersion + 1
	if _, err := DecodeBatchCoordinate(value); !errors.Is(err, ErrNewerVersion) {
		t.Errorf("error %v, want ErrNewerVersion", err)
	}
	if _, err := DecodeBatchCoordinate(nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
}

// FuzzDecodeBatchCoordinate: no input panics, and what is accepted has one encoding that reads back as the same record.
func FuzzDecodeBatchCoordinate(f *testing.F) {
	for _, s := range batchCoordinateSamples {
		f.Add(AppendBatchCoordinate(nil, s.record))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeBatchCoordinate(b)
		if err != nil {
			return
		}
		again, err := DecodeBatchCoordinate(AppendBatchCoordinate(nil, r))
		if _, topic := r.(*TopicDeleted); topic && err != nil {
			return // without an id: the zero id is written, but never read from nothing
		}
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%+v, again %+v, %v", r, again, err)
		}
	})
}
