package state_test

import (
	"context"
	"encoding/hex"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
)

// The bytes of the topic are a promise to Kafka's own decoders. These were read by GroupCoordinatorRecordSerde of Apache Kafka 4.3.1.
func TestRecordsAreKafkas(t *testing.T) {
	v := kmsg.NewGroupMetadataValue()
	v.ProtocolType, v.Generation, v.Protocol, v.Leader, v.CurrentStateTimestamp = "consumer", 3, kmsg.StringPtr("range"), kmsg.StringPtr("m1"), 77
	m := kmsg.NewGroupMetadataValueMember()
	m.MemberID, m.InstanceID, m.ClientID, m.ClientHost = "m1", kmsg.StringPtr("i1"), "c", "/h"
	m.Subscription, m.Assignment = []byte("s"), []byte("a")
	v.Members = append(v.Members, m)
	log := raftlogtest.New(state.Machine{})
	for _, c := range []state.Command{
		&state.CommitOffsets{Group: "g", Generation: -1, TimestampMillis: 5, Offsets: []state.Offset{
			{Topic: "t", TopicID: kafka.TopicID{1, 2}, Partition: 4, Offset: 9, LeaderEpoch: -1, Metadata: "md", ExpireTimestampMillis: -1},
			{Topic: "t", Partition: 5, Offset: 10, ExpireTimestampMillis: 99},
		}},
		&state.SaveGroup{Group: "g", Value: v},
	} {
		if _, err := log.Propose(context.Background(), state.Encode(c)); err != nil {
			t.Fatal(err)
		}
	}
	records, err := log.Read(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ key, value string }{
		{"000100016700017400000004", "00040000000000000009ffffffff036d64000000000000000501001001020000000000000000000000000000"},
		{"000100016700017400000005", "0001000000000000000a000000000000000000050000000000000063"},
		{"0002000167", "00030008636f6e73756d657200000003000572616e676500026d31000000000000004d0000000100026d310002693100016300022f68ffffffff0000000000000001730000000161"},
	} {
		if key, value := hex.EncodeToString(records[i].Key), hex.EncodeToString(records[i].Value); key != want.key || value != want.value {
			t.Errorf("record %d is %s %s, want %s %s", i, key, value, want.key, want.value)
		}
	}
}
