package compat

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestNamedTwice names a topic, partition or group twice in one request: each API answers in its own way how often, and with what.
func TestNamedTwice(t *testing.T) {
	onEverySystem(t, func(t *testing.T, client *kgo.Client) {
		ids := map[string][16]byte{}
		for _, name := range []string{"twice", "twice-produced", "twice-deleted"} {
			ids[name] = createRaw(t, client, name)
		}
		awaitCoordinator(t, client, "twice")
		wantAnswers(t, client, twiceCases(ids))
	})
}

// awaitCoordinator: the first who looks for a coordinator makes Kafka create the topic of the coordinators.
func awaitCoordinator(t *testing.T, client *kgo.Client, group string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		found, err := client.Broker(1).Request(ctx, rawFind(group))
		if err != nil {
			t.Fatal(err)
		}
		if findCode(found) == 0 {
			answer, err := client.Broker(1).Request(ctx, rawDeleteGroup(group))
			if err != nil {
				t.Fatal(err)
			}
			if deleteGroupCode(answer) == kerr.GroupIDNotFound.Code {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func twiceCases(ids map[string][16]byte) []answerCase {
	return slices.Concat(twiceRecords(ids), twiceAdmin(ids), twiceOffsets(ids["twice"]))
}

// twiceRecords are the requests about records.
func twiceRecords(ids map[string][16]byte) []answerCase {
	fetch := rawFetch(ids["twice"], 0, 7, -1)
	fetch.Topics[0].Partitions = append(fetch.Topics[0].Partitions, fetch.Topics[0].Partitions[0])
	fetch.Topics[0].Partitions[1].FetchOffset = 0
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	listed, listedPartition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	listedPartition.Timestamp = -1
	listed.Topic, listed.Partitions = "twice", append(listed.Partitions, listedPartition, listedPartition)
	list.Topics = append(list.Topics, listed)
	epoch := rawEpoch("twice", -1).(*kmsg.OffsetForLeaderEpochRequest)
	epoch.Topics = append(epoch.Topics, epoch.Topics[0])
	deletion := rawDeleteRecords("twice", 77)
	deletion.Topics[0].Partitions = append(deletion.Topics[0].Partitions, kmsg.NewDeleteRecordsRequestTopicPartition()) // offset 0
	producers := kmsg.NewPtrDescribeProducersRequest()
	described := kmsg.NewDescribeProducersRequestTopic()
	described.Topic, described.Partitions = "twice", []int32{0, 0}
	producers.Topics = append(producers.Topics, described)
	return []answerCase{
		{"fetched", fetch, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.FetchResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode)
				}
			}
			return c.String()
		}, "[NONE]"},
		{"listed", list, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.ListOffsetsResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode)
				}
			}
			return c.String()
		}, "[INVALID_REQUEST]"},
		{"leader epoch", epoch, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.OffsetForLeaderEpochResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode)
				}
			}
			return c.String()
		}, "[NONE NONE]"},
		{"records deleted", deletion, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.DeleteRecordsResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode, " ", p.LowWatermark)
				}
			}
			return c.String()
		}, "[NONE 0]"},
		{"producers described", producers, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.DescribeProducersResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode)
				}
			}
			return c.String()
		}, "[NONE NONE]"},
		// Of what is well-formed the last is kept; what is not decides the answer all the same.
		{"produced", twiceProduced(ids["twice-produced"], oneBatch(), oneBatch()), producedCodes, "[NONE 0]"},
		{"produced, of two topics", twiceTopics(ids["twice-produced"], oneBatch(), oneBatch()), producedCodes, "[NONE 1]"},
		{"produced, the first corrupt", twiceProduced(ids["twice-produced"], corrupt(oneBatch()), oneBatch()), producedCodes, "[NONE 2]"},
		{"produced, the last corrupt", twiceProduced(ids["twice-produced"], oneBatch(), corrupt(oneBatch())), producedCodes, "[CORRUPT_MESSAGE -1]"},
		{"produced, the first empty", twiceProduced(ids["twice-produced"], []byte{}, oneBatch()), producedCodes, "[INVALID_RECORD -1]"},
		{"produced, the last empty", twiceProduced(ids["twice-produced"], oneBatch(), []byte{}), producedCodes, "[INVALID_RECORD -1]"},
		{"produced, to an unknown partition", twiceUnknown(ids["twice-produced"]), producedCodes, "[UNKNOWN_TOPIC_OR_PARTITION -1]"},
		{"produced, once more", rawProduce(ids["twice-produced"], 0, oneBatch()), producedCodes, "[NONE 5]"},
	}
}

func twiceProduced(id [16]byte, first, last []byte) kmsg.Request {
	r := rawProduce(id, 0, first).(*kmsg.ProduceRequest)
	r.Topics[0].Partitions = append(r.Topics[0].Partitions, rawProduce(id, 0, last).(*kmsg.ProduceRequest).Topics[0].Partitions...)
	return r
}

func twiceTopics(id [16]byte, first, last []byte) kmsg.Request {
	r := rawProduce(id, 0, first).(*kmsg.ProduceRequest)
	r.Topics = append(r.Topics, rawProduce(id, 0, last).(*kmsg.ProduceRequest).Topics...)
	return r
}

func twiceUnknown(id [16]byte) kmsg.Request {
	r := twiceProduced(id, oneBatch(), oneBatch()).(*kmsg.ProduceRequest)
	for i := range r.Topics[0].Partitions {
		r.Topics[0].Partitions[i].Partition = 9
	}
	return r
}

func producedCodes(r kmsg.Response) string {
	var c codes
	for _, t := range r.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			c.add(p.ErrorCode, " ", p.BaseOffset)
		}
	}
	return c.String()
}

// twiceAdmin are the requests about topics and groups.
func twiceAdmin(ids map[string][16]byte) []answerCase {
	metadata := func(change func(*kmsg.MetadataRequestTopic)) kmsg.Request {
		r := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		change(&t)
		r.Topics = append(r.Topics, t, t)
		return r
	}
	metadataCodes := func(r kmsg.Response) string {
		var c codes
		for _, t := range r.(*kmsg.MetadataResponse).Topics {
			c.add(t.ErrorCode)
		}
		return c.String()
	}
	mixed := metadata(func(t *kmsg.MetadataRequestTopic) { t.TopicID = ids["twice"] }).(*kmsg.MetadataRequest)
	mixed.Topics[1] = kmsg.NewMetadataRequestTopic()
	mixed.Topics[1].Topic = kmsg.StringPtr("twice")
	creation := rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.Topic = "twice-created" }).(*kmsg.CreateTopicsRequest)
	creation.Topics = append(creation.Topics, creation.Topics[0])
	growth := rawPartitions("twice", 3).(*kmsg.CreatePartitionsRequest)
	growth.Topics = append(growth.Topics, growth.Topics[0])
	deletion := func(change ...func(*kmsg.DeleteTopicsRequestTopic)) kmsg.Request {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.TimeoutMillis = 10_000
		for _, f := range change {
			t := kmsg.NewDeleteTopicsRequestTopic()
			f(&t)
			r.Topics = append(r.Topics, t)
		}
		return r
	}
	named := func(name string) func(*kmsg.DeleteTopicsRequestTopic) {
		return func(t *kmsg.DeleteTopicsRequestTopic) { t.Topic = kmsg.StringPtr(name) }
	}
	byID := func(id [16]byte) func(*kmsg.DeleteTopicsRequestTopic) {
		return func(t *kmsg.DeleteTopicsRequestTopic) { t.TopicID = id }
	}
	deletionCodes := func(r kmsg.Response) string {
		var c codes
		for _, t := range r.(*kmsg.DeleteTopicsResponse).Topics {
			c.add(t.ErrorCode)
		}
		return c.String()
	}
	groups := rawDeleteGroup("twice").(*kmsg.DeleteGroupsRequest)
	groups.Groups = []string{"twice", "twice"}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"twice", "twice"}
	find := rawFind("twice").(*kmsg.FindCoordinatorRequest)
	find.CoordinatorKeys = []string{"twice", "twice"}
	settings := rawDescribe("twice").(*kmsg.DescribeConfigsRequest)
	settings.Resources = append(settings.Resources, settings.Resources[0])
	alteration := rawAlter("twice").(*kmsg.IncrementalAlterConfigsRequest)
	alteration.Resources = append(alteration.Resources, alteration.Resources[0])
	dirs := kmsg.NewPtrDescribeLogDirsRequest()
	dirs.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "twice", Partitions: []int32{0, 0}}, {Topic: "twice", Partitions: []int32{0}}}
	return []answerCase{
		{"settings altered", alteration, func(r kmsg.Response) string {
			var c codes
			for _, s := range r.(*kmsg.IncrementalAlterConfigsResponse).Resources {
				c.add(s.ErrorCode)
			}
			return c.String()
		}, "[INVALID_REQUEST INVALID_REQUEST]"},
		{"log dirs described", dirs, func(r kmsg.Response) string {
			var c codes
			for _, d := range r.(*kmsg.DescribeLogDirsResponse).Dirs {
				for _, t := range d.Topics {
					for range t.Partitions {
						c.add(d.ErrorCode)
					}
				}
			}
			return c.String()
		}, "[NONE]"},
		{"metadata by name", metadata(func(t *kmsg.MetadataRequestTopic) { t.Topic = kmsg.StringPtr("twice") }), metadataCodes, "[NONE]"},
		{"metadata by id", metadata(func(t *kmsg.MetadataRequestTopic) { t.TopicID = ids["twice"] }), metadataCodes, "[NONE]"},
		{"metadata by an unknown id", metadata(func(t *kmsg.MetadataRequestTopic) { t.TopicID = unknownID }), metadataCodes, "[UNKNOWN_TOPIC_ID]"},
		{"metadata by id and name", mixed, metadataCodes, "[NONE]"},
		{"created", creation, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.CreateTopicsResponse).Topics {
				c.add(t.ErrorCode)
			}
			return c.String()
		}, "[INVALID_REQUEST]"},
		{"more partitions", growth, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.CreatePartitionsResponse).Topics {
				c.add(t.ErrorCode)
			}
			return c.String()
		}, "[INVALID_REQUEST]"},
		{"an unknown topic deleted", deletion(named("nowhere"), named("nowhere")), deletionCodes, "[INVALID_REQUEST]"},
		{"an unknown topic deleted thrice", deletion(named("nowhere"), named("nowhere"), named("nowhere")), deletionCodes, "[INVALID_REQUEST]"},
		{"an unknown topic id deleted", deletion(byID(unknownID), byID(unknownID)), deletionCodes, "[INVALID_REQUEST]"},
		{"deleted by name", deletion(named("twice-deleted"), named("twice-deleted")), deletionCodes, "[INVALID_REQUEST]"},
		{"deleted by id", deletion(byID(ids["twice-deleted"]), byID(ids["twice-deleted"])), deletionCodes, "[INVALID_REQUEST]"},
		{"deleted by name and id", deletion(named("twice-deleted"), byID(ids["twice-deleted"])), deletionCodes, "[INVALID_REQUEST]"},
		{"groups deleted", groups, func(r kmsg.Response) string {
			var c codes
			for _, g := range r.(*kmsg.DeleteGroupsResponse).Groups {
				c.add(g.ErrorCode)
			}
			return c.String()
		}, "[GROUP_ID_NOT_FOUND]"},
		{"groups described", describe, func(r kmsg.Response) string {
			var c codes
			for _, g := range r.(*kmsg.DescribeGroupsResponse).Groups {
				c.add(g.ErrorCode)
			}
			return c.String()
		}, "[GROUP_ID_NOT_FOUND GROUP_ID_NOT_FOUND]"},
		{"coordinators found", find, func(r kmsg.Response) string {
			var c codes
			for _, f := range r.(*kmsg.FindCoordinatorResponse).Coordinators {
				c.add(f.ErrorCode)
			}
			return c.String()
		}, "[NONE NONE]"},
		{"settings described", settings, func(r kmsg.Response) string {
			var c codes
			for _, s := range r.(*kmsg.DescribeConfigsResponse).Resources {
				c.add(s.ErrorCode)
			}
			return c.String()
		}, "[NONE NONE]"},
	}
}

// twiceOffsets are the requests about offsets of a group.
func twiceOffsets(id [16]byte) []answerCase {
	commit := rawCommit("twice", "", -1, id).(*kmsg.OffsetCommitRequest)
	commit.Topics[0].Topic = "twice"
	first, last := commit.Topics[0].Partitions[0], commit.Topics[0].Partitions[0]
	first.Offset, last.Offset = 5, 3
	commit.Topics[0].Partitions = []kmsg.OffsetCommitRequestTopicPartition{first, last}
	topics := commit.Topics[0]
	topics.Partitions = topics.Partitions[1:]
	commit.Topics = append(commit.Topics, topics)
	fetch := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = "twice"
	fetched := kmsg.NewOffsetFetchRequestGroupTopic()
	fetched.Topic, fetched.TopicID, fetched.Partitions = "twice", id, []int32{0, 0}
	group.Topics = append(group.Topics, fetched, fetched)
	fetch.Groups = append(fetch.Groups, group)
	deletion := kmsg.NewPtrOffsetDeleteRequest()
	deletion.Group = "twice"
	deleted := kmsg.NewOffsetDeleteRequestTopic()
	deleted.Topic, deleted.Partitions = "twice", []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 0}, {Partition: 9}, {Partition: 9}}
	deletion.Topics = append(deletion.Topics, deleted, deleted)
	return []answerCase{
		{"offsets committed", commit, func(r kmsg.Response) string {
			var c codes
			for i, t := range r.(*kmsg.OffsetCommitResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode, " ", i)
				}
			}
			return c.String()
		}, "[NONE 0 NONE 0 NONE 1]"},
		{"offsets fetched", fetch, func(r kmsg.Response) string {
			var c codes
			for _, g := range r.(*kmsg.OffsetFetchResponse).Groups {
				for i, t := range g.Topics {
					for _, p := range t.Partitions {
						c.add(p.ErrorCode, " ", i, " ", p.Offset)
					}
				}
			}
			return c.String()
		}, "[NONE 0 3 NONE 0 3 NONE 1 3 NONE 1 3]"},
		{"offsets deleted", deletion, func(r kmsg.Response) string {
			var c codes
			for _, t := range r.(*kmsg.OffsetDeleteResponse).Topics {
				for _, p := range t.Partitions {
					c.add(p.ErrorCode, " ", p.Partition)
				}
			}
			slices.Sort(c) // how refused partitions are grouped and ordered is no matter
			return c.String()
		}, "[NONE 0 NONE 0 NONE 0 NONE 0 UNKNOWN_TOPIC_OR_PARTITION 9 UNKNOWN_TOPIC_OR_PARTITION 9 UNKNOWN_TOPIC_OR_PARTITION 9 UNKNOWN_TOPIC_OR_PARTITION 9]"},
	}
}
