package api_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/topics"
)

func listOffset(c *cluster, version int16, topic string, timestamp int64) kmsg.ListOffsetsResponseTopicPartition {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = version
	rt, rp := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	rt.Topic, rp.Timestamp = topic, timestamp
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return ask[*kmsg.ListOffsetsResponse](c, admin, req).Topics[0].Partitions[0]
}

func TestOffsetsAreFoundByTime(t *testing.T) {
	c := newHandlers(t, 9092)
	for i, at := range []int64{100, 300, 200, 300, 250} {
		write(t, c.metadata, fmt.Sprintf("k%d=v@%d", i, at))
	}
	c.metadata.gone = map[int64]bool{0: true}
	for _, step := range []struct {
		timestamp, offset, at int64
		version               int16
		code                  int16
	}{
		{timestamp: -1, offset: 5, at: -1},
		{timestamp: -2, offset: 0, at: -1},
		{timestamp: -3, offset: 1, at: 300},
		{timestamp: -4, offset: 0, at: -1},
		{timestamp: -5, offset: -1, at: -1},
		{timestamp: -6, offset: -1, at: -1},
		{timestamp: -7, offset: -1, at: -1, code: kerr.UnsupportedVersion.Code},
		{timestamp: -3, offset: -1, at: -1, version: 6, code: kerr.UnsupportedVersion.Code},
		{timestamp: 0, offset: 1, at: 300}, // the record of 100 was compacted away
		{timestamp: 300, offset: 1, at: 300},
		{timestamp: 301, offset: -1, at: -1},
	} {
		if step.version == 0 {
			step.version = 11
		}
		if got := listOffset(c, step.version, topics.Metadata("c"), step.timestamp); got.Offset != step.offset || got.Timestamp != step.at || got.ErrorCode != step.code {
			t.Errorf("%+v: got %+v", step, got)
		}
	}
	if got := listOffset(c, 11, "other", -1); got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", got)
	}
	c.metadata.start = 2
	if got := listOffset(c, 11, topics.Metadata("c"), 0); got.Offset != 2 || got.Timestamp != 200 {
		t.Errorf("below the log start: %+v", got)
	}
	c.metadata.SetLeader(false)
	if got := listOffset(c, 11, topics.Metadata("c"), -1); got.ErrorCode != kerr.NotLeaderForPartition.Code {
		t.Errorf("from a follower: %+v", got)
	}
}

func TestTheLeaderEpochEndsAtTheHighWatermark(t *testing.T) {
	c := newHandlers(t, 9092)
	write(t, c.batches[0], "a=1@1", "b=2@2")
	for epoch, want := range map[int32][2]int64{0: {0, 2}, 1: {-1, -1}} {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.Version = 4
		rt, rp := kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rt.Topic, rp.CurrentLeaderEpoch, rp.LeaderEpoch = topics.BatchCoordinates("c"), 0, epoch
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		got := ask[*kmsg.OffsetForLeaderEpochResponse](c, admin, req).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || int64(got.LeaderEpoch) != want[0] || got.EndOffset != want[1] {
			t.Errorf("epoch %d: %+v", epoch, got)
		}
	}
}

// A client may know a topic by its id only (KIP-516), and offsets of topics that do not exist are refused.
func TestOffsetsAreCommittedByTopicID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHandlers(t, 9092)
		synctest.Wait() // the coordinator leads
		offsetsByTopicID(t, c)
	})
}

func offsetsByTopicID(t *testing.T, c *cluster) {
	id := func(topic string) [16]byte {
		meta := kmsg.NewPtrMetadataRequest()
		meta.Version = 13
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &topic
		meta.Topics = append(meta.Topics, rt)
		return ask[*kmsg.MetadataResponse](c, admin, meta).Topics[0].TopicID
	}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 10, "g", -1
	for _, topicID := range [][16]byte{{9}, id(topics.Metadata("c"))} {
		rt, rp := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		rt.TopicID, rp.Offset = topicID, 7
		rt.Partitions = append(rt.Partitions, rp)
		commit.Topics = append(commit.Topics, rt)
	}
	committed := ask[*kmsg.OffsetCommitResponse](c, admin, commit).Topics
	if committed[0].Partitions[0].ErrorCode != kerr.UnknownTopicID.Code || committed[1].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", committed)
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version = 10
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.Topics = "g", nil // all
	fetch.Groups = append(fetch.Groups, g)
	got := ask[*kmsg.OffsetFetchResponse](c, admin, fetch).Groups[0]
	if len(got.Topics) != 1 || got.Topics[0].TopicID != id(topics.Metadata("c")) || got.Topics[0].Partitions[0].Offset != 7 {
		t.Fatalf("%+v", got)
	}
	byName := kmsg.NewPtrOffsetCommitRequest()
	byName.Version, byName.Group, byName.Generation = 9, "g", -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.Partitions = "other", append(rt.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
	byName.Topics = append(byName.Topics, rt)
	if got := ask[*kmsg.OffsetCommitResponse](c, admin, byName).Topics[0]; got.Topic != "other" || got.Partitions[0].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("%+v", got)
	}
}
