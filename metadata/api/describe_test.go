package api_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/topics"
)

var allTopics = []string{"__batch_coordinates.c", "__cluster_metadata", "__consumer_offsets", "__metadata.c"}

func TestMetadataTellsNodesTopicsAndLeaders(t *testing.T) {
	c := newHandlers(t, 9192)
	c.batches[1].SetLeader(false)
	meta := kmsg.NewPtrMetadataRequest()
	meta.Version, meta.Topics = 13, nil
	got := ask[*kmsg.MetadataResponse](c, admin, meta)
	if len(got.Brokers) != 1 || got.Brokers[0].NodeID != 1 || got.Brokers[0].Port != 9192 || *got.ClusterID != "metadata-cluster" || got.ControllerID != 1 {
		t.Errorf("%+v", got)
	}
	var names []string
	for _, topic := range got.Topics {
		names = append(names, *topic.Topic)
		if topic.TopicID != api.TopicID(*topic.Topic) || topic.IsInternal != (*topic.Topic == "__consumer_offsets") {
			t.Errorf("%+v", topic)
		}
	}
	if !slices.Equal(names, allTopics) {
		t.Errorf("topics %q", names)
	}
	if p := got.Topics[0].Partitions; len(p) != 3 || p[0].Leader != 1 || p[1].Leader != 2 || !slices.Equal(p[0].ISR, []int32{1}) {
		t.Errorf("%+v", p)
	}
	unknown := "other"
	meta.Topics = []kmsg.MetadataRequestTopic{{Topic: &unknown}, {TopicID: [16]byte{1}}, {TopicID: api.TopicID(topics.Metadata("c"))}}
	asked := ask[*kmsg.MetadataResponse](c, admin, meta).Topics
	if asked[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || asked[1].ErrorCode != kerr.UnknownTopicID.Code || *asked[2].Topic != "__metadata.c" {
		t.Errorf("%+v", asked)
	}
}

func TestTopicsAreDescribedInPages(t *testing.T) {
	c := newHandlers(t, 9192)
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 2
	var pages []string
	for {
		got := ask[*kmsg.DescribeTopicPartitionsResponse](c, admin, req)
		page := ""
		for _, topic := range got.Topics {
			for _, p := range topic.Partitions {
				page += fmt.Sprintf("%s-%d ", *topic.Topic, p.Partition)
			}
		}
		pages = append(pages, page)
		if got.NextCursor == nil {
			break
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: got.NextCursor.Topic, Partition: got.NextCursor.Partition}
	}
	want := []string{"__batch_coordinates.c-0 __batch_coordinates.c-1 ", "__batch_coordinates.c-2 __cluster_metadata-0 ", "__consumer_offsets-0 __metadata.c-0 "}
	if diff := cmp.Diff(want, pages); diff != "" {
		t.Error(diff)
	}
}

func TestConfigsSayWhatIsKept(t *testing.T) {
	c := newHandlers(t, 9192)
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version = 4
	req.Resources = []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topics.ClusterMetadata},
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topics.BatchCoordinates("c")},
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topics.BatchCoordinates("c"), ConfigNames: []string{"retention.ms"}},
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "other"},
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"},
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "2"},
	}
	var got []string
	for _, r := range ask[*kmsg.DescribeConfigsResponse](c, admin, req).Resources {
		line := fmt.Sprint(r.ResourceName, " ", r.ErrorCode)
		for _, config := range r.Configs {
			line += fmt.Sprintf(" %s=%s", config.Name, *config.Value)
		}
		got = append(got, line)
	}
	want := []string{
		"__cluster_metadata 0 cleanup.policy=compact", "__batch_coordinates.c 0 cleanup.policy=delete retention.bytes=67108864 retention.ms=86400000",
		"__batch_coordinates.c 0 retention.ms=86400000", "other 3", "1 0", "2 42",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheClusterIsDescribed(t *testing.T) {
	c := newHandlers(t, 9192)
	req := kmsg.NewPtrDescribeClusterRequest()
	req.Version, req.EndpointType = 2, 1
	if got := ask[*kmsg.DescribeClusterResponse](c, admin, req); got.ClusterID != "metadata-cluster" || len(got.Brokers) != 1 || got.ControllerID != 1 {
		t.Errorf("%+v", got)
	}
	req.EndpointType = 2
	if got := ask[*kmsg.DescribeClusterResponse](c, admin, req); got.ErrorCode != kerr.MismatchedEndpointType.Code {
		t.Errorf("%+v", got)
	}
}

// Versions that clients are told of are those of Kafka 4.3, and nothing that writes is there.
func TestVersions(t *testing.T) {
	var got []string
	for _, a := range newHandlers(t, 9192).handlers.APIs() {
		if !a.InOrder {
			t.Errorf("%s is not in order", kmsg.NameForKey(a.Key))
		}
		got = append(got, fmt.Sprintf("%s %d-%d", kmsg.NameForKey(a.Key), a.MinVersion, a.MaxVersion))
	}
	want := []string{
		"Fetch 4-18", "ListOffsets 1-11", "Metadata 0-13", "OffsetCommit 2-10", "OffsetFetch 1-10", "FindCoordinator 0-6", "JoinGroup 0-9", "Heartbeat 0-4", "LeaveGroup 0-5",
		"SyncGroup 0-5", "DescribeGroups 0-6", "ListGroups 0-5", "OffsetForLeaderEpoch 2-4", "DescribeConfigs 1-4", "DeleteGroups 0-2", "OffsetDelete 0-0", "DescribeQuorum 0-2", "DescribeCluster 0-2", "DescribeTopicPartitions 0-0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
