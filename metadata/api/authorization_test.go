package api_test

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/topics"
)

// The connection of an Inkless cluster's brokers reads nobody's topics, not even its own, and uses no group; an administrator does.
func TestTenantsSeeNothing(t *testing.T) {
	const tenant = "User:c"
	c := newHandlers(t, 9192)
	name, id := topics.Metadata("c"), [16]byte(api.TopicID(topics.Metadata("c")))
	group, topic, cluster := kerr.GroupAuthorizationFailed.Code, kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code
	request := func(version int16, req kmsg.Request) kmsg.Request {
		req.SetVersion(version)
		return req
	}
	for _, step := range []struct {
		req  kmsg.Request
		want []int16 // all error codes of the answer
	}{
		{request(13, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: &name}, {TopicID: id}, {TopicID: [16]byte{1}}}}), []int16{topic, topic, kerr.UnknownTopicID.Code}},
		{request(12, &kmsg.FetchRequest{ReplicaID: -1, MaxWaitMillis: 5000, Topics: []kmsg.FetchRequestTopic{{Topic: name, Partitions: []kmsg.FetchRequestTopicPartition{{CurrentLeaderEpoch: -1}}}}}), []int16{topic}},
		{request(16, &kmsg.FetchRequest{ReplicaState: kmsg.FetchRequestReplicaState{ID: -1}, ReplicaID: -1, Topics: []kmsg.FetchRequestTopic{{TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{{}}}}}), []int16{topic}},
		{request(11, &kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: name, Partitions: []kmsg.ListOffsetsRequestTopicPartition{{}}}}}), []int16{topic}},
		{request(4, &kmsg.OffsetForLeaderEpochRequest{Topics: []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: name, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{}}}}}), []int16{topic}},
		{request(0, &kmsg.DescribeTopicPartitionsRequest{Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: name}, {Topic: "other"}}}), []int16{topic, topic}},
		{request(4, &kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: 2, ResourceName: name}, {ResourceType: 2, ResourceName: "other"}, {ResourceType: 4, ResourceName: "1"}}}), []int16{topic, topic, cluster}},
		{request(6, &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}), []int16{group}},
		{request(3, &kmsg.FindCoordinatorRequest{CoordinatorKey: "g"}), []int16{group}},
		{request(9, &kmsg.JoinGroupRequest{Group: "g"}), []int16{group}},
		{request(5, &kmsg.SyncGroupRequest{Group: "g"}), []int16{group}},
		{request(4, &kmsg.HeartbeatRequest{Group: "g"}), []int16{group}},
		{request(5, &kmsg.LeaveGroupRequest{Group: "g"}), []int16{group}},
		{request(9, &kmsg.OffsetCommitRequest{Group: "g", Topics: []kmsg.OffsetCommitRequestTopic{{Topic: name, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{}}}, {Topic: "other", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{}}}}}), []int16{group, group}},
		{request(9, &kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g"}}}), []int16{group, group}},
		{request(1, &kmsg.OffsetFetchRequest{Group: "g", Topics: []kmsg.OffsetFetchRequestTopic{{Topic: name, Partitions: []int32{0}}}}), []int16{group, group}},
		{request(6, &kmsg.DescribeGroupsRequest{Groups: []string{"g", "h"}}), []int16{group, group}},
		{request(2, &kmsg.DeleteGroupsRequest{Groups: []string{"g"}}), []int16{group}},
		{request(0, &kmsg.OffsetDeleteRequest{Group: "g"}), []int16{group}},
		{request(5, &kmsg.ListGroupsRequest{}), nil}, // none are shown
	} {
		got := codes(reflect.ValueOf(ask[kmsg.Response](c, tenant, step.req)))
		if !reflect.DeepEqual(got, step.want) {
			t.Errorf("%s v%d: codes %v, want %v", kmsg.NameForKey(step.req.Key()), step.req.GetVersion(), got, step.want)
		}
	}
	for version := range int16(14) {
		meta := kmsg.NewPtrMetadataRequest()
		meta.Version = version
		if got := ask[*kmsg.MetadataResponse](c, tenant, meta); len(got.Topics) != 0 || len(got.Brokers) != 1 {
			t.Errorf("v%d: a tenant is told of %d topics", version, len(got.Topics))
		}
		if got := ask[*kmsg.MetadataResponse](c, admin, meta); len(got.Topics) != len(allTopics) {
			t.Errorf("v%d: an administrator is told of %d topics", version, len(got.Topics))
		}
	}
	if got := ask[*kmsg.DescribeTopicPartitionsResponse](c, tenant, kmsg.NewPtrDescribeTopicPartitionsRequest()); len(got.Topics) != 0 {
		t.Errorf("a tenant is told of %d topics", len(got.Topics))
	}
}

// codes collects the error codes of an answer that are not 0.
func codes(v reflect.Value) (out []int16) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			out = codes(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, codes(v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if v.Type().Field(i).Name == "ErrorCode" && f.Int() != 0 {
				out = append(out, int16(f.Int()))
			} else if v.Type().Field(i).IsExported() {
				out = append(out, codes(f)...)
			}
		}
	}
	return out
}
