package api

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func TestListOffsetsOfSpecialTimestamps(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	var asked []int64
	w.listOffset = func(p Partition, timestamp int64) ListedOffset {
		asked = append(asked, timestamp)
		return ListedOffset{Offset: 40 + timestamp, Timestamp: 1234}
	}
	for _, tc := range []struct {
		timestamp  int64
		since      int16
		offset, at int64
		asks       int64 // of the cache; 0 for nothing
	}{
		{-1, 1, 39, -1, -1}, {-2, 1, 38, -1, -2}, {-3, 7, 37, 1234, -3}, {-4, 8, 38, -1, -2}, {-5, 9, -1, -1, 0}, {-6, 11, -1, -1, 0}, {-7, 99, -1, -1, 0}, {7, 1, 47, 1234, 7},
	} {
		for v := int16(1); v <= 11; v++ {
			asked = nil
			req := listOffsetsRequest(tc.timestamp)
			got := ask[*kmsg.ListOffsetsResponse](w, v, req).Topics[0].Partitions[0]
			what := fmt.Sprintf("timestamp %d in version %d", tc.timestamp, v)
			if v < tc.since {
				wantCode(t, what, got.ErrorCode, kerr.UnsupportedVersion)
				continue
			}
			wantCode(t, what, got.ErrorCode, nil)
			if got.Offset != tc.offset || got.Timestamp != tc.at || (tc.asks != 0) != (len(asked) == 1 && asked[0] == tc.asks) {
				t.Errorf("%s: offset %d at %d, asked for %v", what, got.Offset, got.Timestamp, asked)
			}
			if v >= 4 && tc.offset >= 0 && got.LeaderEpoch != kafka.LeaderEpoch {
				t.Errorf("%s: leader epoch %d", what, got.LeaderEpoch)
			}
		}
	}
}

func listOffsetsRequest(timestamps ...int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "t"
	for i, ts := range timestamps {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = int32(i), ts
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

func TestListOffsetsErrors(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 4))
	w.listOffset = func(p Partition, _ int64) ListedOffset {
		if p.Partition == 1 {
			return ListedOffset{Err: kerr.NotLeaderForPartition, Offset: 5}
		}
		return ListedOffset{Offset: -1, Timestamp: -1}
	}
	req := listOffsetsRequest(10, 10, -9, 10, 10, 10)
	fenced := listOffsetsRequest(10)
	fenced.Topics[0].Partitions[0].CurrentLeaderEpoch = -2
	wantCode(t, "an epoch below none", ask[*kmsg.ListOffsetsResponse](w, 5, fenced).Topics[0].Partitions[0].ErrorCode, kerr.FencedLeaderEpoch)
	req.Topics[0].Partitions[3].CurrentLeaderEpoch = 5
	req.Topics[0].Partitions[5].Partition = 5
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[5]) // twice
	got := ask[*kmsg.ListOffsetsResponse](w, 5, req).Topics[0].Partitions
	for i, want := range []*kerr.Error{nil, kerr.NotLeaderForPartition, kerr.UnsupportedVersion, kerr.UnknownLeaderEpoch, kerr.UnknownTopicOrPartition, kerr.InvalidRequest} {
		wantCode(t, fmt.Sprint("partition ", i), got[i].ErrorCode, want)
		if got[i].Offset != -1 || got[i].Timestamp != -1 || got[i].LeaderEpoch != -1 {
			t.Errorf("partition %d: %+v", i, got[i])
		}
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	w.listOffset = func(_ Partition, timestamp int64) ListedOffset { return ListedOffset{Offset: 50 + timestamp} }
	for _, tc := range []struct {
		partition, current, epoch int32
		want                      *kerr.Error
		gotEpoch                  int32
		end                       int64
	}{
		{0, -1, 0, nil, 0, 49}, {0, 0, 0, nil, 0, 49}, {0, -1, 1, nil, -1, -1}, {0, -1, -1, nil, -1, -1}, {0, 1, 0, kerr.UnknownLeaderEpoch, -1, -1}, {0, -2, 0, kerr.FencedLeaderEpoch, -1, -1}, {1, -1, 0, kerr.UnknownTopicOrPartition, -1, -1},
	} {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = "t"
		rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = tc.partition, tc.current, tc.epoch
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		for v := int16(2); v <= 4; v++ {
			got := ask[*kmsg.OffsetForLeaderEpochResponse](w, v, req).Topics[0].Partitions[0]
			wantCode(t, fmt.Sprintf("%+v", tc), got.ErrorCode, tc.want)
			if got.LeaderEpoch != tc.gotEpoch || got.EndOffset != tc.end {
				t.Errorf("%+v: got %+v", tc, got)
			}
		}
	}
}

func TestDeleteRecords(t *testing.T) {
	policy := func(name, value string) topics.MetadataRecord {
		return &topics.ConfigResource{Type: topics.ConfigTopic, Name: name, Settings: []topics.Setting{{Name: "cleanup.policy", Value: value}}}
	}
	w := newWorld(t, Settings{}, topic("plain", 2), topic("compacted", 1), topic("both", 1), policy("compacted", "compact"), policy("both", "compact,delete"))
	w.delete = func(p rpc.DeleteRecords) rpc.DeleteRecordsResult {
		if p.Before > 100 {
			return rpc.DeleteRecordsResult{Error: kerr.OffsetOutOfRange.Code, LogStartOffset: 3}
		}
		return rpc.DeleteRecordsResult{LogStartOffset: max(p.Before, 3)}
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	for _, c := range []struct {
		topic     string
		partition int32
		offset    int64
	}{{"plain", 0, 50}, {"plain", 1, 101}, {"plain", 2, 1}, {"compacted", 0, 1}, {"both", 0, -1}, {"nope", 0, 1}} {
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = c.topic
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = c.partition, c.offset
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
	}
	got := ask[*kmsg.DeleteRecordsResponse](w, 2, req)
	for i, want := range []struct {
		err *kerr.Error
		low int64
	}{{nil, 50}, {kerr.OffsetOutOfRange, -1}, {kerr.UnknownTopicOrPartition, -1}, {kerr.PolicyViolation, -1}, {nil, 3}, {kerr.UnknownTopicOrPartition, -1}} {
		p := got.Topics[i].Partitions[0]
		wantCode(t, req.Topics[i].Topic, p.ErrorCode, want.err)
		if p.LowWatermark != want.low {
			t.Errorf("%s: low watermark %d, want %d", req.Topics[i].Topic, p.LowWatermark, want.low)
		}
	}
	if len(w.deleted) != 3 || w.deleted[1].Coordinator != 1 || w.deleted[2].Partitions[0].Before != -1 {
		t.Errorf("asked %+v", w.deleted)
	}
}

func TestDescribeLogDirs(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 4), topic("b", 1), topic("deleted", 1))
	w.describe = func(p kafka.TopicIDPartition) rpc.PartitionDescription {
		if p.ID == topicID("deleted") {
			return rpc.PartitionDescription{Error: kerr.UnknownTopicID.Code}
		}
		return rpc.PartitionDescription{Bytes: 1000 + int64(p.Partition)}
	}
	type size struct {
		Topic     string
		Partition int32
		Bytes     int64
	}
	sizes := func(resp *kmsg.DescribeLogDirsResponse) (all []size) {
		if len(resp.Dirs) != 1 || resp.Dirs[0].Dir != "file:///objects" || resp.Dirs[0].ErrorCode != 0 {
			t.Fatalf("dirs %+v", resp.Dirs)
		}
		for _, rt := range resp.Dirs[0].Topics {
			for _, p := range rt.Partitions {
				all = append(all, size{rt.Topic, p.Partition, p.Size})
			}
		}
		return all
	}
	for v := int16(1); v <= 5; v++ {
		w.described = nil
		want := []size{{"a", 0, 1000}, {"a", 1, 1001}, {"a", 2, 1002}, {"a", 3, 1003}, {"b", 0, 1000}}
		if diff := cmp.Diff(want, sizes(ask[*kmsg.DescribeLogDirsResponse](w, v, kmsg.NewPtrDescribeLogDirsRequest()))); diff != "" {
			t.Errorf("version %d, all:\n%s", v, diff)
		}
		if len(w.described) != 3 {
			t.Errorf("version %d: %d calls to 3 coordinators", v, len(w.described))
		}
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{3, 9, -1, 1, 3}}, {Topic: "nope", Partitions: []int32{0}}, {Topic: "a", Partitions: []int32{1}}}
		if diff := cmp.Diff([]size{{"a", 3, 1003}, {"a", 1, 1001}}, sizes(ask[*kmsg.DescribeLogDirsResponse](w, v, req))); diff != "" {
			t.Errorf("version %d:\n%s", v, diff)
		}
	}
}

func TestDescribeProducers(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 2))
	w.describe = func(p kafka.TopicIDPartition) rpc.PartitionDescription {
		if p.Partition == 1 {
			return rpc.PartitionDescription{Error: kerr.UnknownTopicID.Code}
		}
		return rpc.PartitionDescription{Producers: []rpc.ActiveProducer{{ProducerID: 7, ProducerEpoch: 1, LastSequence: 9, LastTimestamp: 11}}}
	}
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "a", Partitions: []int32{0, 1, 2}}, {Topic: "nope", Partitions: []int32{0}}, {Topic: "bad name", Partitions: []int32{0}}}
	got := ask[*kmsg.DescribeProducersResponse](w, 0, req)
	p := got.Topics[0].Partitions[0].ActiveProducers
	if len(p) != 1 || p[0].ProducerID != 7 || p[0].ProducerEpoch != 1 || p[0].LastSequence != 9 || p[0].LastTimestamp != 11 || p[0].CurrentTxnStartOffset != -1 || p[0].CoordinatorEpoch != -1 {
		t.Errorf("got %+v", p)
	}
	wantCode(t, "deleted", got.Topics[0].Partitions[1].ErrorCode, kerr.UnknownTopicID)
	wantCode(t, "a partition too many", got.Topics[0].Partitions[2].ErrorCode, kerr.UnknownTopicOrPartition)
	wantCode(t, "nope", got.Topics[1].Partitions[0].ErrorCode, kerr.UnknownTopicOrPartition)
	wantCode(t, "bad name", got.Topics[2].Partitions[0].ErrorCode, kerr.InvalidTopicException)
	if !w.described[0].Producers {
		t.Error("the coordinator was not asked for producers")
	}
}
