package api

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/rpc"
)

// What is named twice in a request is answered as Kafka answers it; test/compat asks both.

// Of the batches of one partition the last that has the form of one is appended; one that has not decides the answer.
func TestAPartitionProducedTwice(t *testing.T) {
	first, last := recordbatchtest.Simple(1, 10, 5), recordbatchtest.Simple(2, 10, 5)
	corrupt := bytes.Clone(last)
	corrupt[len(corrupt)-1] ^= 1
	for name, tc := range map[string]struct {
		all      []produced
		answers  string
		appended string // partition and records of each batch
	}{
		"well-formed":        {[]produced{{"t", 1, first}, {"t", 0, first}, {"t", 1, last}}, "t/1 0 t/0 0", "1:2 0:1"},
		"in two topics":      {[]produced{{"t", 1, first}, {"u", 0, first}, {"t", 0, first}, {"t", 1, last}}, "t/1 0 t/0 0 u/0 0", "1:2 0:1 0:1"},
		"one topic twice":    {[]produced{{"t", 1, first}, {"u", 0, first}, {"t", 0, first}}, "t/1 0 t/0 0 u/0 0", "1:1 0:1 0:1"},
		"thrice":             {[]produced{{"t", 0, last}, {"t", 0, last}, {"t", 0, first}}, "t/0 0", "0:1"},
		"the first corrupt":  {[]produced{{"t", 0, corrupt}, {"t", 0, first}}, "t/0 0", "0:1"},
		"the last corrupt":   {[]produced{{"t", 0, first}, {"t", 0, corrupt}}, "t/0 2", ""},
		"the first none":     {[]produced{{"t", 0, nil}, {"t", 0, first}}, "t/0 87", "0:1"},
		"the last none":      {[]produced{{"t", 0, first}, {"t", 0, nil}, {"t", 1, first}}, "t/0 87 t/1 0", "0:1 1:1"},
		"the middle none":    {[]produced{{"t", 0, first}, {"t", 0, nil}, {"t", 0, last}}, "t/0 87", "0:2"},
		"none and corrupt":   {[]produced{{"t", 0, nil}, {"t", 0, corrupt}}, "t/0 87", ""},
		"both none":          {[]produced{{"t", 0, nil}, {"t", 0, nil}}, "t/0 87", ""},
		"of an unknown one":  {[]produced{{"t", 9, first}, {"t", 9, nil}}, "t/9 3", ""},
		"once, out of order": {[]produced{{"t", 1, first}, {"t", 0, nil}}, "t/1 0 t/0 87", "1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []int16{9, 13} {
				w := newWorld(t, Settings{}, topic("t", 2), topic("u", 1))
				for i := range tc.all { // validation writes into batches
					tc.all[i].records = bytes.Clone(tc.all[i].records)
				}
				req := produceRequest(-1, tc.all...)
				var answers, appended []string
				for _, rt := range ask[*kmsg.ProduceResponse](w, version, req).Topics {
					name := rt.Topic
					if version >= 13 {
						name = string(rt.TopicID[:1])
					}
					for _, p := range rt.Partitions {
						answers = append(answers, fmt.Sprintf("%s/%d %d", name, p.Partition, p.ErrorCode))
						if (p.ErrorCode != 0) != (p.BaseOffset == -1) {
							t.Errorf("code %d, base offset %d", p.ErrorCode, p.BaseOffset)
						}
					}
				}
				for _, b := range w.appended {
					appended = append(appended, fmt.Sprintf("%d:%d", b.Partition.Partition, b.Batch.RecordsCount()))
				}
				if got := strings.Join(answers, " "); got != tc.answers {
					t.Errorf("version %d: answered %s, want %s", version, got, tc.answers)
				}
				if got := strings.Join(appended, " "); got != tc.appended {
					t.Errorf("version %d: appended %q, want %q", version, got, tc.appended)
				}
			}
		})
	}
	w := newWorld(t, Settings{}, topic("t", 1))
	if resp := w.serve(t.Context(), 9, produceRequest(0, produced{"t", 0, nil}, produced{"t", 0, bytes.Clone(first)})); !resp.None || !resp.Close {
		t.Errorf("acks=0: none %v, closes %v", resp.None, resp.Close)
	}
}

// A partition that is fetched twice is fetched once: in its first place, as it was asked last.
func TestAPartitionFetchedTwice(t *testing.T) {
	for _, version := range []int16{4, 12, 18} {
		for _, epoch := range []int32{finalSessionEpoch, initialSessionEpoch} {
			w := newWorld(t, Settings{}, topic("t", 3))
			l := &log{end: map[int32]int64{0: 5, 1: 99}, batch: []byte("batch")}
			w.fetch = l.fetch
			req := fetchRequest(version, 1, 0, 1)
			req.SessionEpoch = epoch
			req.Topics[0].Partitions[0].FetchOffset = 500
			want := []told{{1, 99, "batch", 0}, {0, 5, "batch", 0}}
			if diff := cmp.Diff(want, toldBy(ask[*kmsg.FetchResponse](w, version, req))); diff != "" {
				t.Errorf("version %d:\n%s", version, diff)
			}
			if asked := l.asked[0].Partitions; len(asked) != 2 || asked[0].Offset != 10 {
				t.Errorf("version %d: asked %+v", version, asked)
			}
		}
	}
}

func TestAPartitionListedTwice(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 3))
	w.listOffset = func(Partition, int64) ListedOffset { return ListedOffset{Offset: 7} }
	req := listOffsetsRequest(-1, -1)
	req.Topics = append(req.Topics, listOffsetsRequest(-1).Topics[0], listOffsetsRequest(-1, -1, -1).Topics[0])
	var got []string
	for _, rt := range ask[*kmsg.ListOffsetsResponse](w, 7, req).Topics {
		for _, p := range rt.Partitions {
			got = append(got, fmt.Sprint(p.Partition, " ", p.ErrorCode))
		}
	}
	twice := kerr.InvalidRequest.Code
	if want := []string{fmt.Sprint("0 ", twice), fmt.Sprint("1 ", twice), "2 0"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRecordsDeletedTwice(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 2))
	w.delete = func(p rpc.DeleteRecords) rpc.DeleteRecordsResult {
		return rpc.DeleteRecordsResult{LogStartOffset: p.Before}
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = "t"
	for _, p := range []struct {
		partition int32
		offset    int64
	}{{0, 50}, {1, 7}, {0, 30}} {
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = p.partition, p.offset
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	var got []string
	for _, rt := range ask[*kmsg.DeleteRecordsResponse](w, 2, req).Topics {
		for _, p := range rt.Partitions {
			got = append(got, fmt.Sprint(p.Partition, " ", p.LowWatermark))
		}
	}
	if want := []string{"0 30", "1 7"}; !cmp.Equal(got, want) || len(w.deleted) != 2 {
		t.Errorf("%q in %d calls, want %q", got, len(w.deleted), want)
	}
}

// A topic is told once; where there are ids, names do not count, and are not created.
func TestMetadataNamedTwice(t *testing.T) {
	w := newWorld(t, Settings{AutoCreateTopics: true}, topic("a", 1), topic("b", 1))
	w.forward = w.creator
	for _, tc := range []struct {
		asked []kmsg.MetadataRequestTopic
		want  string
	}{
		{[]kmsg.MetadataRequestTopic{byID(topicID("a")), byID(topicID("b")), byID(topicID("a"))}, "[a b]"},
		{[]kmsg.MetadataRequestTopic{byID(topicID("gone")), byID(topicID("gone"))}, "[none]"},
		{[]kmsg.MetadataRequestTopic{{Topic: ptr("b")}, byID(topicID("a")), {Topic: ptr("new")}}, "[a]"},
		{[]kmsg.MetadataRequestTopic{{Topic: ptr("b")}, {Topic: ptr("a")}, {Topic: ptr("b")}}, "[b a]"},
	} {
		req := metadataRequest()
		req.Topics, req.AllowAutoTopicCreation = tc.asked, true
		var got []string
		for _, rt := range ask[*kmsg.MetadataResponse](w, 13, req).Topics {
			name := "none"
			if rt.Topic != nil {
				name = *rt.Topic
			}
			got = append(got, name)
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%v, want %s", got, tc.want)
		}
	}
	if len(w.forwarded) != 0 {
		t.Error("a topic was created")
	}
}
