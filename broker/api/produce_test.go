package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/topics"
)

type produced struct {
	topic     string
	partition int32
	records   []byte
}

func goodBatch() []byte { return recordbatchtest.Simple(3, 10, time.Now().UnixMilli()) }

func produceRequest(acks int16, all ...produced) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 1000
	for _, p := range all {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.topic {
			rt := kmsg.NewProduceRequestTopic()
			rt.Topic, rt.TopicID = p.topic, topicID(p.topic)
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p.partition, p.records
		rt := &req.Topics[len(req.Topics)-1]
		rt.Partitions = append(rt.Partitions, rp)
	}
	return req
}

func TestProduceInEveryVersion(t *testing.T) {
	for v := int16(3); v <= 13; v++ {
		w := newWorld(t, Settings{}, topic("t", 4))
		resp := ask[*kmsg.ProduceResponse](w, v, produceRequest(-1, produced{"t", 2, goodBatch()}, produced{"t", 0, goodBatch()}))
		if len(w.appended) != 2 || w.appended[0].Partition.Partition != 2 || w.appended[0].Partition.Coordinator != 2 || w.appended[0].Partition.ID != topicID("t") {
			t.Fatalf("version %d: appended %+v", v, w.appended)
		}
		got := resp.Topics[0].Partitions
		if len(got) != 2 || got[0].Partition != 2 || got[0].BaseOffset != 100 || got[0].LogAppendTime != -1 || got[1].Partition != 0 || got[1].BaseOffset != 101 || got[0].ErrorCode != 0 {
			t.Errorf("version %d: %+v", v, got)
		}
		if v >= 13 && resp.Topics[0].TopicID != topicID("t") || v < 13 && resp.Topics[0].Topic != "t" {
			t.Errorf("version %d: topic %q %x", v, resp.Topics[0].Topic, resp.Topics[0].TopicID)
		}
	}
}

func TestEachPartitionHasItsOwnResultInItsPlace(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 2), topic("b", 3))
	w.append = func(b AppendBatch) AppendResult {
		switch {
		case b.Partition.ID == topicID("a"):
			return AppendResult{BaseOffset: 5, AppendTime: 77, LogStartOffset: 2}
		case b.Partition.Partition == 0:
			return AppendResult{Err: kerr.OutOfOrderSequenceNumber, BaseOffset: 9, LogStartOffset: 3}
		default:
			return AppendResult{Err: fmt.Errorf("asked again: %w", kafka.ErrUnknownOutcome), LogStartOffset: -1}
		}
	}
	resp := ask[*kmsg.ProduceResponse](w, 9, produceRequest(1,
		produced{"nope", 0, goodBatch()}, produced{"a", 1, goodBatch()}, produced{"a", 2, goodBatch()}, produced{"b", 0, goodBatch()}, produced{"b", 1, []byte("junk")}, produced{"b", 2, goodBatch()}, produced{"b", -1, goodBatch()},
	))
	type result struct {
		Topic           string
		Partition       int32
		Code            int16
		Base, Time, Low int64
	}
	var got []result
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			got = append(got, result{rt.Topic, p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset})
		}
	}
	unknown := kerr.UnknownTopicOrPartition.Code
	want := []result{
		{"nope", 0, unknown, -1, -1, -1}, {"a", 1, 0, 5, 77, 2}, {"a", 2, unknown, -1, -1, -1}, {"b", 0, kerr.OutOfOrderSequenceNumber.Code, -1, -1, 3},
		{"b", 1, kerr.InvalidRecord.Code, -1, -1, -1}, {"b", 2, kerr.RequestTimedOut.Code, -1, -1, -1}, {"b", -1, unknown, -1, -1, -1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAcks(t *testing.T) {
	for _, acks := range []int16{-1, 1} {
		w := newWorld(t, Settings{}, topic("t", 1))
		resp := ask[*kmsg.ProduceResponse](w, 9, produceRequest(acks, produced{"t", 0, goodBatch()}))
		wantCode(t, fmt.Sprint("acks ", acks), resp.Topics[0].Partitions[0].ErrorCode, nil)
	}
	for _, acks := range []int16{-2, 2, 99} {
		w := newWorld(t, Settings{}, topic("t", 1))
		resp := ask[*kmsg.ProduceResponse](w, 9, produceRequest(acks, produced{"t", 0, goodBatch()}))
		wantCode(t, fmt.Sprint("acks ", acks), resp.Topics[0].Partitions[0].ErrorCode, kerr.InvalidRequiredAcks)
		contains(t, *resp.Topics[0].Partitions[0].ErrorMessage, fmt.Sprint("acks is ", acks))
		if len(w.appended) > 0 {
			t.Errorf("acks %d: appended", acks)
		}
	}
}

// With acks=0 nothing is answered; a client learns of an error because its connection is closed.
func TestAcksZero(t *testing.T) {
	for name, tc := range map[string]struct {
		result AppendResult
		all    []produced
		closes bool
	}{
		"done":                {AppendResult{}, []produced{{"t", 0, goodBatch()}}, false},
		"nothing":             {AppendResult{}, nil, false},
		"refused here":        {AppendResult{}, []produced{{"nope", 0, goodBatch()}}, true},
		"one of two":          {AppendResult{}, []produced{{"t", 0, goodBatch()}, {"t", 1, nil}}, true},
		"refused later":       {AppendResult{Err: kerr.InvalidProducerEpoch}, []produced{{"t", 0, goodBatch()}}, true},
		"an unknown outcome":  {AppendResult{Err: kafka.ErrUnknownOutcome}, []produced{{"t", 0, goodBatch()}}, true},
		"a closing processor": {AppendResult{Err: kafka.ErrClosed}, []produced{{"t", 0, goodBatch()}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Settings{}, topic("t", 1))
			w.append = func(AppendBatch) AppendResult { return tc.result }
			if resp := w.serve(t.Context(), 9, produceRequest(0, tc.all...)); !resp.None || resp.Close != tc.closes {
				t.Errorf("none %v, closes %v", resp.None, resp.Close)
			}
		})
	}
}

func TestProduceRefusesBadBatches(t *testing.T) {
	now := time.Now().UnixMilli()
	corrupt := goodBatch()
	corrupt[len(corrupt)-1] ^= 1
	oldMagic := goodBatch()
	oldMagic[16] = 1
	withKey := func(key []byte) recordbatch.Record {
		return recordbatch.Record{Timestamp: now, Key: key, Value: []byte("v")}
	}
	for name, tc := range map[string]struct {
		version int16
		records []byte
		want    *kerr.Error
		refused []kmsg.ProduceResponseTopicPartitionErrorRecord
	}{
		"null":              {9, nil, kerr.InvalidRecord, nil},
		"empty":             {9, []byte{}, kerr.InvalidRecord, nil},
		"bad CRC":           {9, corrupt, kerr.CorruptMessage, nil},
		"old magic":         {9, oldMagic, kerr.InvalidRecord, nil},
		"two batches":       {9, append(goodBatch(), goodBatch()...), kerr.InvalidRecord, nil},
		"too large":         {9, recordbatchtest.Simple(1, 2<<20, now), kerr.MessageTooLarge, nil},
		"zstd in version 6": {6, recordbatchtest.Build(recordbatchtest.Spec{Codec: recordbatch.Zstd, Records: recordbatchtest.Records(1, 9, now)}), kerr.UnsupportedCompressionType, nil},
		"control":           {9, recordbatchtest.Build(recordbatchtest.Spec{Control: true, Records: recordbatchtest.Records(1, 9, now)}), kerr.InvalidRecord, nil},
		"transactional": {9, recordbatchtest.Build(recordbatchtest.Spec{
			Transactional: true, Producer: &recordbatchtest.Producer{ID: 1}, Records: recordbatchtest.Records(1, 9, now),
		}), kerr.TransactionalIDAuthorizationFailed, nil},
		"far future": {9, recordbatchtest.Simple(1, 9, now+48*3600*1000), kerr.InvalidTimestamp, []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 0}}},
		"no key":     {9, recordbatchtest.Build(recordbatchtest.Spec{Records: []recordbatch.Record{withKey([]byte("k")), withKey(nil)}}), kerr.InvalidRecord, []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Settings{}, topic("t", 1), &topics.ConfigResource{Type: topics.ConfigTopic, Name: "t", Settings: []topics.Setting{{Name: "cleanup.policy", Value: "compact"}}})
			got := ask[*kmsg.ProduceResponse](w, tc.version, produceRequest(-1, produced{"t", 0, tc.records})).Topics[0].Partitions[0]
			wantCode(t, name, got.ErrorCode, tc.want)
			if len(w.appended) > 0 || got.BaseOffset != -1 {
				t.Error("it was appended")
			}
			contains(t, w.log.String(), "request refused", "api=Produce", "topic=t", "partition=0", tc.want.Message)
			if got.ErrorMessage != nil && strings.Contains(*got.ErrorMessage, tc.want.Message) {
				t.Errorf("the message repeats the code: %s", *got.ErrorMessage)
			}
			if len(got.ErrorRecords) != len(tc.refused) {
				t.Fatalf("error records %+v", got.ErrorRecords)
			}
			for i, er := range got.ErrorRecords {
				if er.RelativeOffset != tc.refused[i].RelativeOffset || er.ErrorMessage == nil || *er.ErrorMessage == "" || got.ErrorMessage == nil {
					t.Errorf("error record %+v", er)
				}
			}
		})
	}
}

func TestProduceByID(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	resp := ask[*kmsg.ProduceResponse](w, 13, produceRequest(-1, produced{"t", 0, goodBatch()}, produced{"t", 5, goodBatch()}, produced{"gone", 0, goodBatch()}))
	wantCode(t, "a known id", resp.Topics[0].Partitions[0].ErrorCode, nil)
	wantCode(t, "a partition too many", resp.Topics[0].Partitions[1].ErrorCode, kerr.UnknownTopicOrPartition)
	wantCode(t, "an unknown id", resp.Topics[1].Partitions[0].ErrorCode, kerr.UnknownTopicID)
	if resp.Topics[1].TopicID != topicID("gone") {
		t.Errorf("topic id %x", resp.Topics[1].TopicID)
	}
}

func TestProduceRefusesTransactions(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	req := produceRequest(-1, produced{"t", 0, goodBatch()})
	req.TransactionID = kmsg.StringPtr("tx")
	got := ask[*kmsg.ProduceResponse](w, 9, req).Topics[0].Partitions[0]
	wantCode(t, "a transaction", got.ErrorCode, kerr.InvalidRequest)
	contains(t, *got.ErrorMessage, "transactions are not supported")
}

func TestProduceTellsTheProcessorOfLogAppendTime(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1), topic("u", 1),
		&topics.ConfigResource{Type: topics.ConfigTopic, Name: "t", Settings: []topics.Setting{{Name: "message.timestamp.type", Value: "LogAppendTime"}}})
	ask[*kmsg.ProduceResponse](w, 9, produceRequest(-1, produced{"t", 0, goodBatch()}, produced{"u", 0, goodBatch()}))
	if !w.appended[0].LogAppendTime || w.appended[1].LogAppendTime {
		t.Errorf("appended %+v", w.appended)
	}
}

func TestErrorsWithoutAKafkaNameAreLogged(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	w.client = "app"
	w.append = func(AppendBatch) AppendResult { return AppendResult{Err: errors.New("the cat sat on it")} }
	got := ask[*kmsg.ProduceResponse](w, 9, produceRequest(-1, produced{"t", 0, goodBatch()})).Topics[0].Partitions[0]
	wantCode(t, "an unnamed error", got.ErrorCode, kerr.UnknownServerError)
	contains(t, w.log.String(), "the cat sat on it", "api=Produce", "client_id=app")
}
