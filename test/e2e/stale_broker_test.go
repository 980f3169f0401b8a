package e2e

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/rpc"
)

// What a broker took from a client under a registration that is over is refused, whatever it is: a broker that was paused longer than its session finds such requests in its
// sockets when it wakes, and the group may have committed more through another since.
func TestRequestsOfAnOlderRegistrationAreRefused(t *testing.T) {
	pipes := newPipes()
	c := newCluster(t, pipes)
	admin := c.admin(t)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	commit := func(offset int64) {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: "orders", At: offset})
		if err := admin.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
			t.Fatal(err)
		}
	}
	commit(7) // under the registration that is in force

	calls, err := c.node.Cluster(clusterName)
	if err != nil {
		t.Fatal(err)
	}
	late := kmsg.NewPtrOffsetCommitRequest()
	late.SetVersion(7)
	late.Group = "g"
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = "orders"
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	partition.Offset = 3
	topic.Partitions = append(topic.Partitions, partition)
	late.Topics = append(late.Topics, topic)
	request := &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetGroup, Group: "g"}, Request: late, Sender: &rpc.Sender{Broker: 2, Epoch: 0}}
	if _, err := calls.Forward(t.Context(), request); !errors.Is(err, kerr.StaleBrokerEpoch) {
		t.Errorf("an OffsetCommit of an older registration: %v", err)
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.SetVersion(5)
	request = &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetController}, Request: create, Sender: &rpc.Sender{Broker: 3, Epoch: 0}}
	if _, err := calls.Forward(t.Context(), request); !errors.Is(err, kerr.StaleBrokerEpoch) {
		t.Errorf("a CreateTopics of a broker that is not registered: %v", err)
	}
	offsets, err := admin.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := offsets.Lookup("orders", 0); at.At != 7 {
		t.Errorf("the group is at %d, want 7", at.At)
	}
	commit(8)
}
