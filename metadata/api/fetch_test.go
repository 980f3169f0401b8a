package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/topics"
)

// fetchOf asks for partitions of __batch_coordinates.c from offsets on, in this order.
func fetchOf(maxWaitMillis, minBytes, maxBytes, partitionMaxBytes int32, offsets ...int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 12, maxWaitMillis, minBytes, maxBytes
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topics.BatchCoordinates("c")
	for i, offset := range offsets {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = int32(i), offset, partitionMaxBytes, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// shown is a fetch answer as "partition: error or first-last of records, high watermark", one line each.
func shown(t *testing.T, resp *kmsg.FetchResponse) string {
	t.Helper()
	var out strings.Builder
	for _, p := range resp.Topics[0].Partitions {
		fmt.Fprintf(&out, "%d:", p.Partition)
		if p.ErrorCode != 0 {
			fmt.Fprintf(&out, " %s", kerr.ErrorForCode(p.ErrorCode).(*kerr.Error).Message)
		}
		for rest := p.RecordBatches; len(rest) > 0; {
			b, after, err := recordbatch.Next(rest)
			if err != nil || b.CRC() != b.ComputeCRC() || b.PartitionLeaderEpoch() != 0 {
				t.Fatalf("a batch that cannot be read: %v", err)
			}
			fmt.Fprintf(&out, " %d-%d", b.BaseOffset(), b.LastOffset())
			rest = after
		}
		fmt.Fprintf(&out, " hw %d\n", p.HighWatermark)
	}
	return out.String()
}

func TestFetchSpendsItsBudgetInRequestOrder(t *testing.T) {
	c := newHandlers(t, 9092)
	for _, l := range c.batches {
		for i := range 10 {
			write(t, l, fmt.Sprintf("k=%s@%d", strings.Repeat("v", 1000), i))
		}
	}
	for _, step := range []struct {
		name string
		req  *kmsg.FetchRequest
		want string
	}{
		{"all", fetchOf(0, 1, 1<<20, 1<<20, 0, 5, 9), "0: 0-9 hw 10\n1: 5-9 hw 10\n2: 9-9 hw 10\n"},
		{"a partition's bound", fetchOf(0, 1, 1<<20, 3500, 0, 5, 10), "0: 0-2 hw 10\n1: 5-7 hw 10\n2: hw 10\n"},
		{"the request's bound", fetchOf(0, 1, 12_500, 1<<20, 0, 5, 0), "0: 0-9 hw 10\n1: 5-6 hw 10\n2: hw 10\n"},
		{"one record is given although it is larger", fetchOf(0, 1, 100, 50, 10, 5, 0), "0: hw 10\n1: 5-5 hw 10\n2: hw 10\n"},
		{"no bound at all", fetchOf(0, 1, 0, 0, 3), "0: 3-3 hw 10\n"},
		{"errors stay in their partition", fetchOf(0, 1, 1<<20, 1<<20, 11, -1, 9, 0), "0: OFFSET_OUT_OF_RANGE hw -1\n1: OFFSET_OUT_OF_RANGE hw -1\n2: 9-9 hw 10\n3: UNKNOWN_TOPIC_OR_PARTITION hw -1\n"},
	} {
		if got := shown(t, ask[*kmsg.FetchResponse](c, admin, step.req)); got != step.want {
			t.Errorf("%s: got\n%swant\n%s", step.name, got, step.want)
		}
	}
}

func TestFetchRefusesFollowersSessionsAndOtherLeaders(t *testing.T) {
	c := newHandlers(t, 9092)
	follower := fetchOf(0, 1, 1<<20, 1<<20, 0)
	follower.ReplicaID = 2
	session := fetchOf(0, 1, 1<<20, 1<<20, 0)
	session.SessionID, session.SessionEpoch = 5, 1
	for want, req := range map[*kerr.Error]*kmsg.FetchRequest{kerr.NotLeaderForPartition: follower, kerr.FetchSessionIDNotFound: session} {
		if got := ask[*kmsg.FetchResponse](c, admin, req).ErrorCode; got != want.Code {
			t.Errorf("%s: got %v", want.Message, kerr.ErrorForCode(got))
		}
	}
	byID := fetchOf(0, 1, 1<<20, 1<<20, 0)
	byID.Version = 13
	byID.Topics[0].TopicID = [16]byte{1}
	if got := shown(t, ask[*kmsg.FetchResponse](c, admin, byID)); !strings.Contains(got, kerr.UnknownTopicID.Message) {
		t.Error(got)
	}
	byID.Topics[0].TopicID = api.TopicID(topics.BatchCoordinates("c"))
	if got := shown(t, ask[*kmsg.FetchResponse](c, admin, byID)); got != "0: hw 0\n" {
		t.Error(got)
	}
	byID.Topics[0].Partitions[0].CurrentLeaderEpoch = 3
	if got := shown(t, ask[*kmsg.FetchResponse](c, admin, byID)); !strings.Contains(got, kerr.UnknownLeaderEpoch.Message) {
		t.Error(got)
	}
	c.batches[0].SetLeader(false)
	// A replica that does not lead must not say that an offset is out of range: it may be behind.
	if got := shown(t, ask[*kmsg.FetchResponse](c, admin, fetchOf(0, 1, 1<<20, 1<<20, 7))); got != "0: NOT_LEADER_FOR_PARTITION hw -1\n" {
		t.Error(got)
	}
}

func TestTheEndOfACompactedTopicIsReached(t *testing.T) {
	c := newHandlers(t, 9092)
	write(t, c.metadata, "a=1@1", "b=2@2", "c=3@3", "d=4@4")
	c.metadata.gone = map[int64]bool{0: true, 2: true, 3: true}
	fetch := func(offset int64) string {
		req := fetchOf(0, 1, 1<<20, 1<<20, offset)
		req.Topics[0].Topic = topics.Metadata("c")
		return shown(t, ask[*kmsg.FetchResponse](c, admin, req))
	}
	for offset, want := range map[int64]string{0: "0: 1-1 hw 4\n", 2: "0: 2-3 hw 4\n", 4: "0: hw 4\n", 5: "0: OFFSET_OUT_OF_RANGE hw -1\n"} {
		if got := fetch(offset); got != want {
			t.Errorf("from %d: got %s, want %s", offset, got, want)
		}
	}
	c.metadata.deposed = true // it may be behind: nothing is out of range then
	if got := fetch(5); got != "0: NOT_LEADER_FOR_PARTITION hw -1\n" {
		t.Errorf("from a deposed leader: %s", got)
	}
	if got := listOffset(c, 11, topics.Metadata("c"), -1); got.ErrorCode != kerr.NotLeaderForPartition.Code || got.Offset != -1 {
		t.Errorf("from a deposed leader: %+v", got)
	}
}

func TestLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHandlers(t, 9092)
		poll := func(req *kmsg.FetchRequest, after time.Duration, then func()) (string, time.Duration) {
			began := time.Now()
			timer := time.AfterFunc(after, then)
			defer timer.Stop()
			got := shown(t, ask[*kmsg.FetchResponse](c, admin, req))
			return got, time.Since(began)
		}
		record := func(size int) func() {
			return func() { _, _ = c.batches[1].Propose(context.Background(), []byte("k="+strings.Repeat("v", size))) }
		}
		if got, took := poll(fetchOf(500, 1, 1<<20, 1<<20, 0, 0, 0), time.Hour, func() {}); got != "0: hw 0\n1: hw 0\n2: hw 0\n" || took != 500*time.Millisecond {
			t.Fatalf("nothing came: %s after %s", got, took)
		}
		if got, took := poll(fetchOf(500, 1, 1<<20, 1<<20, 0, 0, 0), 30*time.Millisecond, record(10)); got != "0: hw 0\n1: 0-0 hw 1\n2: hw 0\n" || took != 30*time.Millisecond {
			t.Fatalf("a record came: %s after %s", got, took)
		}
		if got, took := poll(fetchOf(500, 2000, 1<<20, 1<<20, 0, 0, 0), 30*time.Millisecond, record(10)); got != "0: hw 0\n1: 0-1 hw 2\n2: hw 0\n" || took != 500*time.Millisecond {
			t.Fatalf("less than min bytes: %s after %s", got, took)
		}
		if got, took := poll(fetchOf(500, 2000, 1<<20, 1<<20, 0, 0, 0), 30*time.Millisecond, record(5000)); got != "0: hw 0\n1: 0-2 hw 3\n2: hw 0\n" || took != 30*time.Millisecond {
			t.Fatalf("min bytes came: %s after %s", got, took)
		}
		if got, took := poll(fetchOf(500, 1, 1<<20, 1<<20, 5, 3), time.Hour, func() {}); took != 0 {
			t.Fatalf("an error waits: %s after %s", got, took)
		}
		lost := func() { c.batches[2].SetLeader(false) }
		if got, took := poll(fetchOf(500, 1, 1<<20, 1<<20, 0, 3, 0), 30*time.Millisecond, lost); got != "0: hw 0\n1: hw 3\n2: NOT_LEADER_FOR_PARTITION hw -1\n" || took != 500*time.Millisecond {
			t.Fatalf("leadership was lost: %s after %s", got, took)
		}
		if _, took := poll(fetchOf(3_600_000, 1, 1<<20, 1<<20, 0), 10*time.Hour, func() {}); took != time.Minute {
			t.Fatalf("a poll of an hour took %s", took)
		}
	})
}

func TestAPollEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHandlers(t, 9092)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		for _, a := range c.handlers.APIs() {
			if a.Key == kmsg.Fetch.Int16() {
				a.Serve(ctx, listener.NewRequest(&listener.Conn{Principal: admin}, fetchOf(30_000, 1, 1<<20, 1<<20, 0), func(listener.Response) {}))
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Fatalf("it took %s", took)
		}
	})
}
