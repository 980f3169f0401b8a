package compat

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestErrorCodes sends requests that clients send only when something is wrong and wants Kafka's code for each.
func TestErrorCodes(t *testing.T) {
	onEverySystem(t, func(t *testing.T, client *kgo.Client) {
		topicID := createRaw(t, client, "raw")
		for _, c := range rawCases(topicID) {
			t.Run(c.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				broker := client.Broker(1) // both systems' only broker
				var got int16
				for {
					response, err := broker.Request(ctx, c.request)
					if err != nil {
						t.Fatal(err)
					}
					// The first of these makes Kafka create the topic of the coordinators.
					if got = c.code(response); !slices.Contains([]int16{kerr.CoordinatorNotAvailable.Code, kerr.NotCoordinator.Code, kerr.CoordinatorLoadInProgress.Code}, got) {
						break
					}
					select {
					case <-ctx.Done():
						t.Fatal("no coordinator in time")
					case <-time.After(50 * time.Millisecond):
					}
				}
				if got != c.want {
					t.Errorf("%v, want %v", kerr.ErrorForCode(got), kerr.ErrorForCode(c.want))
				}
			})
		}
	})
}

// onEverySystem runs a test of single requests against each system.
func onEverySystem(t *testing.T, test func(t *testing.T, client *kgo.Client)) {
	t.Helper()
	for _, sys := range systems {
		t.Run(sys.name, func(t *testing.T) {
			client, err := kgo.NewClient(kgo.SeedBrokers(sys.bootstrap()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			test(t, client)
		})
	}
}

// askRaw sends one request to a system's only broker.
func askRaw(t *testing.T, client *kgo.Client, request kmsg.Request) kmsg.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	response, err := client.Broker(1).Request(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func createRaw(t *testing.T, client *kgo.Client, name string) (id [16]byte) {
	t.Helper()
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 1
	request.Topics = append(request.Topics, topic)
	request.TimeoutMillis = 10_000
	response, err := request.RequestWith(context.Background(), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
	awaitTopic(t, client, name)
	return response.Topics[0].TopicID
}

// awaitTopic: Kafka answers the creation of a topic before its broker knows it.
func awaitTopic(t *testing.T, client *kgo.Client, name string) {
	t.Helper()
	began := time.Now()
	for code := int16(-1); code != 0; time.Sleep(10 * time.Millisecond) {
		if code = listCode(askRaw(t, client, rawList(name, -1))); code != 0 && time.Since(began) > 20*time.Second {
			t.Fatalf("topic %s: %v", name, kerr.ErrorForCode(code))
		}
	}
}

// answerCase is a request and how its answer reads.
type answerCase struct {
	name    string
	request kmsg.Request
	answer  func(kmsg.Response) string
	want    string
}

// wantAnswers asks one after the other: a case may build on those before it.
func wantAnswers(t *testing.T, client *kgo.Client, cases []answerCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.answer(askRaw(t, client, c.request)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// codes is how the answers of a test read: a code for each.
type codes []string

func (c *codes) add(code int16, more ...any) {
	name := "NONE"
	if err := kerr.TypedErrorForCode(code); err != nil {
		name = err.Message
	}
	*c = append(*c, fmt.Sprint(append([]any{name}, more...)...))
}

func (c codes) String() string { return fmt.Sprint([]string(c)) }

type rawCase struct {
	name    string
	request kmsg.Request
	code    func(kmsg.Response) int16
	want    int16
}

var unknownID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func rawCases(id [16]byte) []rawCase {
	cases := []rawCase{
		{"create with no partitions", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 0 }), createCode, kerr.InvalidPartitions.Code},
		{"create with -2 partitions", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = -2 }), createCode, kerr.InvalidPartitions.Code},
		{"create with 2 billion partitions", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 1<<31 - 1 }), createCode, kerr.PolicyViolation.Code},
		{"create with replication factor 0", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicationFactor = 0 }), createCode, kerr.InvalidReplicationFactor.Code},
		{"create a topic without a name", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.Topic = "" }), createCode, kerr.InvalidTopicException.Code},
		{"create the topic ..", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.Topic = ".." }), createCode, kerr.InvalidTopicException.Code},
		{"create __cluster_metadata", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.Topic = "__cluster_metadata" }), createCode, kerr.InvalidRequest.Code},
		{"create with a setting twice, the first one nonsense", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) {
			t.Topic = "raw-twice"
			for _, v := range []string{"nonsense", "1000"} {
				t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "retention.ms", Value: &v})
			}
		}), createCode, 0},
		{"more partitions than there are, to fewer", rawPartitions("raw", 1), partitionsCode, kerr.InvalidPartitions.Code},
		{"partitions of an unknown topic", rawPartitions("nowhere", 3), partitionsCode, kerr.UnknownTopicOrPartition.Code},
		{"settings of the topic a/b", rawDescribe("a/b"), describeCode, kerr.InvalidTopicException.Code},
		{"settings of an unknown topic", rawDescribe("nowhere"), describeCode, kerr.UnknownTopicOrPartition.Code},
		{"alter the topic a/b", rawAlter("a/b"), alterCode, kerr.InvalidTopicException.Code},
		{"alter an unknown topic", rawAlter("nowhere"), alterCode, kerr.UnknownTopicOrPartition.Code},
		{"alter the topic without a name", rawAlter(""), alterCode, kerr.InvalidRequest.Code},
		{"find coordinator of the group without a name", rawFind(""), findCode, 0},
		// First of this group: while a coordinator loads, Kafka answers heartbeats with success.
		{"delete a group that is not there", rawDeleteGroup("raw-group"), deleteGroupCode, kerr.GroupIDNotFound.Code},
		{"heartbeat of an unknown member", rawHeartbeat("raw-group"), heartbeatCode, kerr.UnknownMemberID.Code},
		{"heartbeat of no group", rawHeartbeat(""), heartbeatCode, kerr.InvalidGroupID.Code},
		{"join with a session that is too short", rawJoin(1_000), joinCode, kerr.InvalidSessionTimeout.Code},
		{"join without a member id", rawJoin(10_000), joinCode, kerr.MemberIDRequired.Code},
		{"commit by a member of a group that is not there", rawCommit("raw-group", "m", 3, id), commitCode, kerr.GroupIDNotFound.Code},
		{"sync without a protocol, of a group that is not there", rawSync("raw-group"), syncCode, kerr.InconsistentGroupProtocol.Code},
		{"sync without a protocol, of no group", rawSync(""), syncCode, kerr.InconsistentGroupProtocol.Code},
		{"leader epoch from the future", rawEpoch("raw", 99), epochCode, kerr.UnknownLeaderEpoch.Code},
		{"leader epoch below none", rawEpoch("raw", -2), epochCode, kerr.FencedLeaderEpoch.Code},
		{"list offsets: leader epoch below none", rawList("raw", -2), listCode, kerr.FencedLeaderEpoch.Code},
		{"alter a setting of this broker that cannot be", rawAlterBroker("1", "num.partitions", "5"), alterCode, kerr.InvalidRequest.Code},
		{"alter a setting of this broker to nonsense", rawAlterBroker("1", "max.connections", "many"), alterCode, kerr.InvalidRequest.Code},
		{"alter a setting of all brokers that is a broker's own", rawAlterBroker("", "ssl.keystore.password", "x"), alterCode, kerr.InvalidRequest.Code},
		{"alter another broker", rawAlterBroker("2", "max.connections", "5"), alterCode, kerr.InvalidRequest.Code},
		{"alter a broker whose id is no number", rawAlterBroker("one", "max.connections", "5"), alterCode, kerr.InvalidRequest.Code},
		{"alter an unknown setting of this broker", rawAlterBroker("1", "nothing.of.ours", "5"), alterCode, 0},
		{"append to a setting of this broker that is no list", rawAppendBroker("1", "max.connections", "5"), alterCode, kerr.InvalidConfig.Code},
	}
	for _, c := range []struct {
		name      string
		id        [16]byte
		partition int32
		offset    int64
		epoch     int32
		want      int16
	}{
		{"unknown topic id", unknownID, 0, 0, -1, kerr.UnknownTopicID.Code},
		{"unknown partition", id, 7, 0, -1, kerr.UnknownTopicOrPartition.Code},
		{"offset past the end", id, 0, 5, -1, kerr.OffsetOutOfRange.Code},
		{"negative offset", id, 0, -5, -1, kerr.OffsetOutOfRange.Code},
		{"leader epoch from the future", id, 0, 0, 99, kerr.UnknownLeaderEpoch.Code},
		{"leader epoch below none, which is none here alone", id, 0, 0, -2, 0},
	} {
		cases = append(cases, rawCase{"fetch: " + c.name, rawFetch(c.id, c.partition, c.offset, c.epoch), fetchCode, c.want})
	}
	for _, c := range []struct {
		name string
		id   [16]byte
		part int32
		data []byte
		want int16
	}{
		{"unknown topic id", unknownID, 0, oneBatch(), kerr.UnknownTopicID.Code},
		{"unknown partition", id, 7, oneBatch(), kerr.UnknownTopicOrPartition.Code},
		{"no records", id, 0, []byte{}, kerr.InvalidRecord.Code},
		{"corrupt batch", id, 0, corrupt(oneBatch()), kerr.CorruptMessage.Code},
		{"magic 1", id, 0, changed(func(b []byte) { b[16] = 1 }), kerr.InvalidRecord.Code},
		{"magic 77", id, 0, changed(func(b []byte) { b[16] = 77 }), kerr.CorruptMessage.Code},
		{"half a batch", id, 0, oneBatch()[:40], kerr.InvalidRecord.Code},
		{"all but its last byte", id, 0, oneBatch()[:len(oneBatch())-1], kerr.InvalidRecord.Code},
		{"a length of 1 GiB", id, 0, changed(func(b []byte) { copy(b[8:], "\x3f\xff\xff\xff") }), kerr.InvalidRecord.Code},
		{"a negative length", id, 0, changed(func(b []byte) { copy(b[8:], "\xff\xff\xff\xff") }), kerr.CorruptMessage.Code},
		{"zeros", id, 0, make([]byte, 1000), kerr.CorruptMessage.Code},
		{"two batches", id, 0, append(oneBatch(), oneBatch()...), kerr.InvalidRecord.Code},
		{"a producer with an epoch below none", id, 0, idempotent(71, -2, 0), kerr.InvalidProducerEpoch.Code},
		{"a producer without an epoch and a sequence", id, 0, idempotent(72, -1, -1), kerr.InvalidRecord.Code},
		{"a producer with an epoch", id, 0, idempotent(73, 0, 0), 0},
		{"a producer that loses its epoch", id, 0, idempotent(73, -1, 1), kerr.InvalidProducerEpoch.Code},
		{"a producer that loses its epoch and its sequence", id, 0, idempotent(73, -1, -1), kerr.InvalidRecord.Code},
	} {
		cases = append(cases, rawCase{"produce: " + c.name, rawProduce(c.id, c.part, c.data), produceCode, c.want})
	}
	return append(cases, rawCase{"fetch session that is not there", rawSession(id), func(r kmsg.Response) int16 { return r.(*kmsg.FetchResponse).ErrorCode }, kerr.FetchSessionIDNotFound.Code})
}
