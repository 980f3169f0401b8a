package api

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func metadataRequest(names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, n := range names {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func byID(id kafka.TopicID) kmsg.MetadataRequestTopic {
	rt := kmsg.NewMetadataRequestTopic()
	rt.TopicID = id
	return rt
}

func topicNames(resp *kmsg.MetadataResponse) (names []string) {
	for _, t := range resp.Topics {
		names = append(names, *t.Topic)
	}
	return names
}

func TestMetadataOfAllTopicsOrNone(t *testing.T) {
	w := newWorld(t, Settings{}, topic("b", 1), topic("a", 2))
	for v := int16(0); v <= 13; v++ {
		all, none := metadataRequest(), metadataRequest()
		if all.Topics = nil; v == 0 { // an empty list is all there, and null does not exist
			all.Topics = []kmsg.MetadataRequestTopic{}
		}
		if diff := cmp.Diff([]string{"a", "b"}, topicNames(ask[*kmsg.MetadataResponse](w, v, all))); diff != "" {
			t.Errorf("version %d, all:\n%s", v, diff)
		}
		if got := topicNames(ask[*kmsg.MetadataResponse](w, v, none)); v > 0 && len(got) > 0 {
			t.Errorf("version %d, none: %v", v, got)
		}
	}
}

func TestMetadataTellsTheCluster(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 3))
	w.brokers = append(w.brokers, w.broker(9, ""))
	req := metadataRequest("a")
	req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = true, true
	resp := ask[*kmsg.MetadataResponse](w, 8, req)
	if len(resp.Brokers) != 2 || resp.Brokers[0].NodeID != 7 || *resp.Brokers[0].Rack != "a" || resp.Brokers[1].Rack != nil || resp.Brokers[1].Port != 9101 {
		t.Errorf("brokers %+v", resp.Brokers)
	}
	if *resp.ClusterID != "uuid" || resp.ControllerID != 7 || resp.AuthorizedOperations != 8096 {
		t.Errorf("cluster %s, controller %d, operations %d", *resp.ClusterID, resp.ControllerID, resp.AuthorizedOperations)
	}
	got := resp.Topics[0]
	if got.ErrorCode != 0 || got.AuthorizedOperations != 3576 || len(got.Partitions) != 3 {
		t.Errorf("topic %+v", got)
	}
	for i, p := range got.Partitions {
		if p.Partition != int32(i) || p.LeaderEpoch != kafka.LeaderEpoch || p.ErrorCode != 0 || (p.Leader != 7 && p.Leader != 9) {
			t.Errorf("partition %+v", p)
		}
		if !cmp.Equal(p.Replicas, []int32{p.Leader}) || !cmp.Equal(p.ISR, []int32{p.Leader}) {
			t.Errorf("replicas of %+v", p)
		}
	}
	if req.IncludeTopicAuthorizedOperations = false; ask[*kmsg.MetadataResponse](w, 12, req).Topics[0].AuthorizedOperations != -2147483648 {
		t.Error("operations were told though nobody asked")
	}
}

func TestMetadataOfWhatIsNotThere(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 1))
	resp := ask[*kmsg.MetadataResponse](w, 9, metadataRequest("nope", "a", "sp ace", "..", "", "nope"))
	if diff := cmp.Diff([]string{"nope", "a", "sp ace", "..", ""}, topicNames(resp)); diff != "" {
		t.Fatal(diff)
	}
	for i, want := range []*kerr.Error{kerr.UnknownTopicOrPartition, nil, kerr.InvalidTopicException, kerr.InvalidTopicException, kerr.InvalidTopicException} {
		wantCode(t, *resp.Topics[i].Topic, resp.Topics[i].ErrorCode, want)
	}
	if len(w.forwarded) > 0 {
		t.Error("a topic was created")
	}
}

func TestMetadataByID(t *testing.T) {
	w := newWorld(t, Settings{AutoCreateTopics: true}, topic("a", 1))
	req := metadataRequest()
	req.Topics = append(req.Topics, byID(topicID("a")), byID(topicID("gone")))
	for _, v := range []int16{12, 13} {
		resp := ask[*kmsg.MetadataResponse](w, v, req)
		if *resp.Topics[0].Topic != "a" || resp.Topics[0].TopicID != topicID("a") {
			t.Errorf("version %d: %+v", v, resp.Topics[0])
		}
		wantCode(t, "an unknown id", resp.Topics[1].ErrorCode, kerr.UnknownTopicID)
		if resp.Topics[1].Topic != nil || resp.Topics[1].TopicID != topicID("gone") {
			t.Errorf("version %d: %+v", v, resp.Topics[1])
		}
	}
	for _, v := range []int16{10, 11} { // ids are in the schema there, and mean nothing
		wantCode(t, "an id too early", ask[*kmsg.MetadataResponse](w, v, req).Topics[0].ErrorCode, kerr.InvalidRequest)
	}
}

// creator makes the topics that it is asked to, as the controller does.
func (w *world) creator(req *rpc.ForwardRequest) (kmsg.Response, error) {
	resp := req.Request.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, ct := range req.Request.(*kmsg.CreateTopicsRequest).Topics {
		w.put(topic(ct.Topic, 2))
		rt := kmsg.NewCreateTopicsResponseTopic()
		rt.Topic = ct.Topic
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

func TestTopicsAreCreatedOnFirstUse(t *testing.T) {
	for name, tc := range map[string]struct {
		setting, asked bool
		version        int16
		created        int
	}{
		"wanted":               {true, true, 12, 1},
		"an old client":        {true, false, 3, 1},
		"the client forbids":   {true, false, 4, 0},
		"the operator forbids": {false, true, 12, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Settings{AutoCreateTopics: tc.setting}, topic("there", 1))
			w.forward = w.creator
			w.conn.Net = pipeConn{}
			req := metadataRequest("there", "new", "bad name", "new", "__consumer_offsets")
			req.AllowAutoTopicCreation = tc.asked
			resp := ask[*kmsg.MetadataResponse](w, tc.version, req)
			if len(w.forwarded) != tc.created {
				t.Fatalf("%d calls", len(w.forwarded))
			}
			if tc.created == 0 {
				wantCode(t, "new", resp.Topics[1].ErrorCode, kerr.UnknownTopicOrPartition)
				return
			}
			f := w.forwarded[0]
			create := f.Request.(*kmsg.CreateTopicsRequest)
			if len(create.Topics) != 1 || create.Topics[0].Topic != "new" || create.Topics[0].NumPartitions != -1 || create.Topics[0].ReplicationFactor != -1 {
				t.Errorf("asked for %+v", create.Topics)
			}
			if f.Target != toController || f.Client.Host != "/10.0.0.9" || f.Client.Principal != "User:ANONYMOUS" {
				t.Errorf("forwarded as %+v to %+v", f.Client, f.Target)
			}
			wantCode(t, "new", resp.Topics[1].ErrorCode, nil)
			if len(resp.Topics[1].Partitions) != 2 {
				t.Errorf("new has %d partitions", len(resp.Topics[1].Partitions))
			}
			wantCode(t, "bad name", resp.Topics[2].ErrorCode, kerr.InvalidTopicException)
			wantCode(t, "__consumer_offsets", resp.Topics[3].ErrorCode, kerr.UnknownTopicOrPartition)
		})
	}
}

func TestACreationThatFailsLeavesTheTopicUnknown(t *testing.T) {
	w := newWorld(t, Settings{AutoCreateTopics: true})
	w.forward = func(*rpc.ForwardRequest) (kmsg.Response, error) { return nil, errors.New("no controller today") }
	resp := ask[*kmsg.MetadataResponse](w, 12, func() kmsg.Request {
		req := metadataRequest("new")
		req.AllowAutoTopicCreation = true
		return req
	}())
	wantCode(t, "new", resp.Topics[0].ErrorCode, kerr.UnknownTopicOrPartition)
	contains(t, w.log.String(), "no controller today")
}

func TestClientsAreSentToBrokersOfTheirZone(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 60))
	w.brokers = []Broker{w.broker(1, "a"), w.broker(2, "b"), w.broker(3, "b"), w.broker(4, "c")}
	w.brokers[3].Listeners[0].Name = "INTERNAL" // cannot be reached by this client
	leaders := func(clientID string) map[int32]int {
		w.client = clientID
		count := map[int32]int{}
		for _, p := range ask[*kmsg.MetadataResponse](w, 12, metadataRequest("t")).Topics[0].Partitions {
			count[p.Leader]++
		}
		return count
	}
	for clientID, want := range map[string][]int32{
		"app": {1, 2, 3}, "diskless_az=a": {1}, "app,diskless_az=b,x": {2, 3}, "inkless_az=b": {2, 3}, "diskless_az=nowhere": {1, 2, 3}, "diskless_az=c": {1, 2, 3}, "diskless_az=": {1, 2, 3},
	} {
		got := leaders(clientID)
		if len(got) != len(want) {
			t.Errorf("%q: leaders %v, want %v", clientID, got, want)
		}
		for _, id := range want {
			if got[id] == 0 {
				t.Errorf("%q: leaders %v, want %v", clientID, got, want)
			}
		}
	}
	w.brokers = nil
	resp := ask[*kmsg.MetadataResponse](w, 12, metadataRequest("t"))
	wantCode(t, "no broker", resp.Topics[0].Partitions[0].ErrorCode, kerr.LeaderNotAvailable)
}

// A join or a leave must move about 1/n of the partitions, only to the newcomer or from the one that left, and spread them evenly.
func TestAJoinMovesOneNth(t *testing.T) {
	const partitions = 10_000
	place := func(n int32) []int32 {
		var ids []int32
		for id := range n {
			ids = append(ids, id+1)
		}
		owners := make([]int32, partitions)
		for i := range owners {
			owners[i] = placement{ids}.broker(topicID(fmt.Sprintf("topic%d", i/16)), int32(i%16))
		}
		return owners
	}
	for n := int32(2); n <= 9; n++ {
		before, after := place(n), place(n+1)
		moved, held := 0, map[int32]int{}
		for i := range after {
			held[after[i]]++
			if before[i] == after[i] {
				continue
			}
			if moved++; after[i] != n+1 {
				t.Fatalf("a partition moved from %d to %d, which was there before", before[i], after[i])
			}
		}
		share := float64(partitions) / float64(n+1)
		if f := float64(moved); f < 0.9*share || f > 1.1*share {
			t.Errorf("a join to %d brokers moved %d of %d partitions, want about %.0f", n, moved, partitions, share)
		}
		for id, count := range held {
			if f := float64(count); f < 0.85*share || f > 1.15*share {
				t.Errorf("broker %d of %d has %d partitions, want about %.0f", id, n+1, count, share)
			}
		}
	}
}

func TestDescribeTopicPartitionsInPages(t *testing.T) {
	w := newWorld(t, Settings{MaxPartitionsPage: 5}, topic("a", 4), topic("b", 1), topic("c", 7), topic("d", 0), topic("e", 1))
	type place struct {
		topic     string
		partition int32
	}
	read := func(limit int32, names ...string) (pages [][]place, missing []string) {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit = limit
		for _, n := range names {
			rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
			rt.Topic = n
			req.Topics = append(req.Topics, rt)
		}
		for len(pages) < 30 {
			resp := ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req)
			var page []place
			for _, rt := range resp.Topics {
				if rt.ErrorCode != 0 {
					missing = append(missing, *rt.Topic)
				}
				for _, p := range rt.Partitions {
					page = append(page, place{*rt.Topic, p.Partition})
				}
			}
			pages = append(pages, page)
			if resp.NextCursor == nil {
				return pages, missing
			}
			req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
		}
		t.Fatal("it never ends")
		return nil, nil
	}
	for _, limit := range []int32{2000, 5, 3, 1, 0, -7} {
		pages, _ := read(limit)
		var all []place
		for _, page := range pages {
			if most := max(min(int(limit), 5), 1); len(page) > most {
				t.Errorf("limit %d: a page of %d partitions", limit, len(page))
			}
			all = append(all, page...)
		}
		var want []place
		for _, tp := range w.image.Topics() {
			for p := range tp.Coordinators {
				want = append(want, place{tp.Name, int32(p)})
			}
		}
		if diff := cmp.Diff(want, all, cmp.AllowUnexported(place{})); diff != "" {
			t.Errorf("limit %d:\n%s", limit, diff)
		}
	}
	pages, missing := read(2000, "e", "nope", "b", "b", "bad name")
	if diff := cmp.Diff([][]place{{{"b", 0}, {"e", 0}}}, pages, cmp.AllowUnexported(place{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"bad name", "nope"}, missing); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeTopicPartitionsRefusesBadCursors(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 3))
	describe := func(cursor string, partition int32) *kmsg.DescribeTopicPartitionsResponse {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
		rt.Topic = "a"
		req.Topics = append(req.Topics, rt)
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: cursor, Partition: partition}
		return ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req)
	}
	wantCode(t, "a negative partition", describe("a", -1).Topics[0].ErrorCode, kerr.InvalidRequest)
	wantCode(t, "a topic that was not asked for", describe("b", 0).Topics[0].ErrorCode, kerr.InvalidRequest)
	if resp := describe("a", 1<<31-1); resp.NextCursor != nil || len(resp.Topics[0].Partitions) != 0 || resp.Topics[0].ErrorCode != 0 {
		t.Errorf("far behind the end: %+v", resp)
	}
	if resp := describe("a", 1); len(resp.Topics[0].Partitions) != 2 || resp.Topics[0].AuthorizedOperations != 3576 {
		t.Errorf("from partition 1: %+v", resp.Topics[0])
	}
}

func TestDescribeCluster(t *testing.T) {
	w := newWorld(t, Settings{})
	for endpoint, want := range map[int8]*kerr.Error{1: nil, 2: kerr.MismatchedEndpointType, 9: kerr.UnsupportedEndpointType} {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.EndpointType, req.IncludeClusterAuthorizedOperations = endpoint, true
		resp := ask[*kmsg.DescribeClusterResponse](w, 1, req)
		wantCode(t, fmt.Sprint("endpoint type ", endpoint), resp.ErrorCode, want)
		if want == nil && (len(resp.Brokers) != 1 || resp.ClusterID != "uuid" || resp.ControllerID != 7 || resp.ClusterAuthorizedOperations != 8096) {
			t.Errorf("got %+v", resp)
		}
	}
}

func TestDescribeConfigsIsAnsweredHere(t *testing.T) {
	w := newWorld(t, Settings{}, topic("a", 1), &topics.ConfigResource{Type: topics.ConfigTopic, Name: "a", Settings: []topics.Setting{{Name: "retention.ms", Value: "5"}}})
	req := kmsg.NewPtrDescribeConfigsRequest()
	res := kmsg.NewDescribeConfigsRequestResource()
	res.ResourceType, res.ResourceName, res.ConfigNames = kmsg.ConfigResourceTypeTopic, "a", []string{"retention.ms"}
	req.Resources = append(req.Resources, res)
	got := ask[*kmsg.DescribeConfigsResponse](w, 4, req).Resources[0].Configs
	if len(got) != 1 || *got[0].Value != "5" || len(w.forwarded) != 0 {
		t.Errorf("got %+v", got)
	}
}
