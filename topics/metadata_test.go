package topics

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

var metadataSamples = []struct {
	record MetadataRecord
	key    string
}{
	{&Topic{ID: sampleTopic, Name: "orders", Coordinators: []int32{0, 1, 200}, CreatedMillis: 1700000000000}, "topic/AQIDBAUGBwgJCgsMDQ4PEA"},
	{&ConfigResource{Type: ConfigTopic, Name: "orders", Settings: []Setting{{"a", "b"}, {"c", ""}}}, "config/topic/orders"},
	{&ConfigResource{Type: ConfigBroker, Settings: []Setting{{"log.retention.ms", "7"}}}, "config/broker/"},
	{&ConfigResource{Type: ConfigGroup, Name: "a/b", Settings: []Setting{{"x", "y"}}}, "config/group/a/b"},
	{&Broker{ID: 7, Epoch: 41, IncarnationID: [16]byte(sampleTopic), Rack: "r", Fenced: true, Version: "1.2", Superseded: [][16]byte{{1}, {2}},
		Listeners: []BrokerListener{{Name: "PLAINTEXT", Host: "h", Port: 9092, SecurityProtocol: 3}, {}}}, "broker/7"},
	{&ProducerIDs{Next: 3000}, "producer-ids"},
	{&Feature{Name: "f", Level: -1}, "feature/f"},
}

var clusterMetadataSamples = []struct {
	record ClusterMetadataRecord
	key    string
}{
	{&Node{ID: 3, RaftAddress: "h:1", Rack: "r", Version: "v", Listeners: []BrokerListener{{Name: "n", Host: "h", Port: 1, SecurityProtocol: 2}}, CreatedMillis: 5, FeatureLevel: 2}, "node/3"},
	{&InklessCluster{Name: "c1", UUID: "AQIDBAUGBwgJCgsMDQ4PEA", CreatedMillis: 9, BatchCoordinatorPartitions: 4, GroupCoordinatorPartitions: 50,
		State: ClusterDeleted, Credential: ScramCredential{Salt: []byte{1}, Iterations: 8192, StoredKey: []byte{2, 3}, ServerKey: []byte{4}},
		Limits: ClusterLimits{CommitsPerSecond: 1, BatchesPerSecond: 2, RequestsPerSecond: 3, Partitions: 4, MetadataBytes: 5, Connections: 6}}, "cluster/c1"},
	{&FeatureLevel{Name: MetadataFeature, Level: 2}, "feature/metadata.version"},
	{&PartitionPlacement{Topic: "__metadata.c1", Partition: 2, RaftGroup: 77, Voters: []int32{1, 2, 3}}, "placement/__metadata.c1/2"},
}

// throughProtobuf reads value by the published schema and writes it again: every field must be known there and keep its value.
func throughProtobuf(t *testing.T, desc protoreflect.MessageDescriptor, value []byte) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(desc)
	if err := proto.Unmarshal(value, m); err != nil {
		t.Fatal(err)
	}
	text, err := prototext.Marshal(m) // drops what the schema does not know
	if err != nil {
		t.Fatal(err)
	}
	fresh := dynamicpb.NewMessage(desc)
	if err := prototext.Unmarshal(text, fresh); err != nil {
		t.Fatal(err)
	}
	again, err := proto.Marshal(fresh)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func message(t *testing.T, file, name string) protoreflect.MessageDescriptor {
	t.Helper()
	files, err := (&protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}).Compile(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName(protoreflect.Name(name))
}

func TestMetadataProto(t *testing.T) {
	desc := message(t, "metadata.proto", "MetadataRecord")
	for _, s := range metadataSamples {
		got, err := DecodeMetadata(throughProtobuf(t, desc, AppendMetadata(nil, s.record)))
		if err != nil || !reflect.DeepEqual(got, s.record) {
			t.Errorf("%T through protobuf: %+v, %v", s.record, got, err)
		}
	}
}

func TestClusterMetadataProto(t *testing.T) {
	desc := message(t, "cluster_metadata.proto", "ClusterMetadataRecord")
	for _, s := range clusterMetadataSamples {
		got, err := DecodeClusterMetadata(throughProtobuf(t, desc, AppendClusterMetadata(nil, s.record)))
		if err != nil || !reflect.DeepEqual(got, s.record) {
			t.Errorf("%T through protobuf: %+v, %v", s.record, got, err)
		}
		if key := string(s.record.ClusterMetadataKey()); key != s.key {
			t.Errorf("%T: key %q, want %q", s.record, key, s.key)
		}
	}
}

func TestMetadataKeys(t *testing.T) {
	for _, s := range metadataSamples {
		key := s.record.Key()
		if key.String() != s.key {
			t.Errorf("%T: key %q, want %q", s.record, key, s.key)
		}
		if back, err := ParseMetadataKey([]byte(s.key)); err != nil || back != key {
			t.Errorf("key %q: parsed as %+v, %v", s.key, back, err)
		}
	}
	for _, bad := range []string{"", "topic/x", "topic", "broker/", "broker/01", "broker/99999999999", "config/x/y", "config", "producer-ids/", "other/1"} {
		if k, err := ParseMetadataKey([]byte(bad)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("key %q: %+v, %v", bad, k, err)
		}
	}
}

func TestMetadataNewerVersion(t *testing.T) {
	value := AppendMetadata(nil, &ProducerIDs{Next: 1})
	value[1] = MetadataVersion + 1
	if _, err := DecodeMetadata(value); !errors.Is(err, ErrNewerVersion) {
		t.Errorf("error %v, want ErrNewerVersion", err)
	}
	value = AppendClusterMetadata(nil, &Node{})
	value[1] = ClusterMetadataVersion + 1
	if _, err := DecodeClusterMetadata(value); !errors.Is(err, ErrNewerVersion) {
		t.Errorf("error %v, want ErrNewerVersion", err)
	}
	if _, err := DecodeMetadata(nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
}

// A credential must not reach a log by accident.
func TestCredentialHidesItself(t *testing.T) {
	c := InklessCluster{Credential: ScramCredential{Salt: []byte("salty"), StoredKey: []byte("secret"), ServerKey: []byte("secret")}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, form := range []string{"secret", "115 101 99", "0x73, 0x65", "c2Vjcm"} {
			if s := fmt.Sprintf(verb, c); strings.Contains(s, form) {
				t.Errorf("%s prints the keys: %s", verb, s)
			}
		}
	}
}

// FuzzDecodeMetadata: no input panics, and what is accepted reads back as the same record.
func FuzzDecodeMetadata(f *testing.F) {
	for _, s := range metadataSamples {
		f.Add(AppendMetadata(nil, s.record))
	}
	for _, s := range clusterMetadataSamples {
		f.Add(AppendClusterMetadata(nil, s.record))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeMetadata(b); err == nil {
			again, err := DecodeMetadata(AppendMetadata(nil, r))
			if err != nil || !reflect.DeepEqual(r, again) {
				t.Fatalf("%+v, again %+v, %v", r, again, err)
			}
		}
		if r, err := DecodeClusterMetadata(b); err == nil {
			again, err := DecodeClusterMetadata(AppendClusterMetadata(nil, r))
			if err != nil || !reflect.DeepEqual(r, again) {
				t.Fatalf("%+v, again %+v, %v", r, again, err)
			}
		}
		if k, err := ParseMetadataKey(b); err == nil && k.String() != string(b) {
			t.Fatalf("key %q became %q", b, k)
		}
	})
}
