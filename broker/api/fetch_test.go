package api

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/topics"
)

// fetchRequest asks for partitions 0 to n-1 of topic t.
func fetchRequest(version int16, partitions ...int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.SessionEpoch = 1<<20, 1, 500, -1
	rt := kmsg.NewFetchRequestTopic()
	if version >= 13 {
		rt.TopicID = topicID("t")
	} else {
		rt.Topic = "t"
	}
	for _, p := range partitions {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.PartitionMaxBytes, rp.FetchOffset = p, 1000, int64(10*p)
		rt.Partitions = append(rt.Partitions, rp)
	}
	if len(partitions) > 0 {
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func upTo(n int32) (all []int32) {
	for p := range n {
		all = append(all, p)
	}
	return all
}

// log is a Fetcher over partitions that have one batch of batchBytes for each offset below end.
type log struct {
	end      map[int32]int64
	batch    []byte
	released int
	asked    []*FetchRequest
}

func (l *log) fetch(_ context.Context, req *FetchRequest) []FetchResult {
	l.asked = append(l.asked, req)
	results := make([]FetchResult, len(req.Partitions))
	left := req.MaxBytes
	for i, p := range req.Partitions {
		end := l.end[p.Partition.Partition]
		results[i] = FetchResult{HighWatermark: end, LastStableOffset: end, Release: func() { l.released++ }}
		if p.Offset < end && left > 0 {
			results[i].Records = [][]byte{l.batch}
			left -= len(l.batch)
		}
	}
	return results
}

type told struct {
	Partition int32
	High      int64
	Records   string
	Code      int16
}

func toldBy(resp *kmsg.FetchResponse) (all []told) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			all = append(all, told{p.Partition, p.HighWatermark, string(p.RecordBatches), p.ErrorCode})
		}
	}
	return all
}

func TestFetchInEveryVersion(t *testing.T) {
	w := newWorld(t, Settings{FetchMaxBytes: 5000}, topic("t", 3))
	for v := int16(4); v <= 18; v++ {
		l := &log{end: map[int32]int64{0: 5, 1: 10, 2: 0}, batch: []byte("batch")}
		w.fetch = l.fetch
		req := fetchRequest(v, 1, 0, 2)
		resp := ask[*kmsg.FetchResponse](w, v, req)
		want := []told{{1, 10, "", 0}, {0, 5, "batch", 0}, {2, 0, "", 0}}
		if diff := cmp.Diff(want, toldBy(resp)); diff != "" {
			t.Errorf("version %d:\n%s", v, diff)
		}
		if l.released != 3 {
			t.Errorf("version %d: %d results of 3 were released", v, l.released)
		}
		asked := l.asked[0]
		if asked.MaxBytes != 5000 || asked.MinBytes != 1 || asked.MaxWait != 500*time.Millisecond || len(asked.Partitions) != 3 {
			t.Errorf("version %d: asked for %+v", v, asked)
		}
		if p := asked.Partitions[0]; p.Partition.Partition != 1 || p.Partition.Coordinator != 1 || p.Offset != 10 || p.MaxBytes != 1000 || p.Partition.ID != topicID("t") || p.Partition.MetadataOffset != 0 {
			t.Errorf("version %d: asked for %+v", v, p)
		}
		if v >= 13 && resp.Topics[0].TopicID != topicID("t") {
			t.Errorf("version %d: topic id %x", v, resp.Topics[0].TopicID)
		}
	}
}

func TestFetchErrorsStayWithTheirPartitionAndAreToldAtOnce(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 2))
	l := &log{end: map[int32]int64{0: 5}, batch: []byte("batch")}
	w.fetch = func(ctx context.Context, req *FetchRequest) []FetchResult {
		results := l.fetch(ctx, req)
		if req.MaxWait != 0 {
			t.Errorf("a request with errors waits for %s", req.MaxWait)
		}
		return results
	}
	req := fetchRequest(12, 0, 5, -1)
	req.Topics[0].Partitions[0].CurrentLeaderEpoch = 0
	other := kmsg.NewFetchRequestTopic()
	other.Topic, other.Partitions = "nope", req.Topics[0].Partitions[:1]
	req.Topics = append(req.Topics, other)
	got := toldBy(ask[*kmsg.FetchResponse](w, 12, req))
	unknown := kerr.UnknownTopicOrPartition.Code
	if diff := cmp.Diff([]told{{0, 5, "batch", 0}, {5, -1, "", unknown}, {-1, -1, "", unknown}, {0, -1, "", unknown}}, got); diff != "" {
		t.Error(diff)
	}
	l.asked = nil
	req = fetchRequest(13, 0)
	req.Topics[0].TopicID = topicID("gone")
	wantCode(t, "an unknown id", toldBy(ask[*kmsg.FetchResponse](w, 13, req))[0].Code, kerr.UnknownTopicID)
	if len(l.asked) != 0 {
		t.Error("the cache was asked for nothing")
	}
	req = fetchRequest(12, 0)
	req.Topics[0].Partitions[0].CurrentLeaderEpoch = 3
	wantCode(t, "a leader epoch to come", toldBy(ask[*kmsg.FetchResponse](w, 12, req))[0].Code, kerr.UnknownLeaderEpoch)
	req.Topics[0].Partitions[0].CurrentLeaderEpoch, req.MaxWaitMillis = -2, 0
	wantCode(t, "a leader epoch below none, which is none here alone", toldBy(ask[*kmsg.FetchResponse](w, 12, req))[0].Code, nil)
}

func TestFetchErrorsOfTheCache(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 4))
	w.fetch = func(context.Context, *FetchRequest) []FetchResult {
		return []FetchResult{
			{Err: fmt.Errorf("below the log start: %w", kerr.OffsetOutOfRange), HighWatermark: 9, LogStartOffset: 4}, {HighWatermark: 1, Records: [][]byte{[]byte("ba"), []byte("tch")}},
			{Err: errors.New("disk on fire")}, {Err: context.DeadlineExceeded},
		}
	}
	got := toldBy(ask[*kmsg.FetchResponse](w, 12, fetchRequest(12, upTo(4)...)))
	want := []told{{0, -1, "", kerr.OffsetOutOfRange.Code}, {1, 1, "batch", 0}, {2, -1, "", kerr.UnknownServerError.Code}, {3, -1, "", kerr.RequestTimedOut.Code}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	contains(t, w.log.String(), "disk on fire")
}

func TestReplicasCannotFetch(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	req := fetchRequest(12, 0)
	req.ReplicaID = 1
	wantCode(t, "a follower", ask[*kmsg.FetchResponse](w, 12, req).Topics[0].Partitions[0].ErrorCode, kerr.NotLeaderForPartition)
	req = fetchRequest(15, 0)
	req.ReplicaState.ID = 1
	wantCode(t, "a follower", ask[*kmsg.FetchResponse](w, 15, req).Topics[0].Partitions[0].ErrorCode, kerr.NotLeaderForPartition)
}

// Before topic ids clients look for the code of a whole request at each partition.
func TestUnknownIsolationLevel(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	for _, version := range []int16{4, 7, 12, 13} {
		req := fetchRequest(version, 0)
		req.IsolationLevel = 2
		got := ask[*kmsg.FetchResponse](w, version, req)
		if version >= 7 {
			wantCode(t, "the request", got.ErrorCode, kerr.UnknownServerError)
		}
		if version < 13 {
			wantCode(t, "the partition", got.Topics[0].Partitions[0].ErrorCode, kerr.UnknownServerError)
		} else if len(got.Topics) != 0 {
			t.Errorf("version %d answers topics", version)
		}
	}
}

func TestAClientOfAnotherRackIsSentThere(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	w.brokers = []Broker{w.broker(7, "a"), w.broker(8, "b")}
	l := &log{end: map[int32]int64{0: 5}, batch: []byte("batch")}
	w.fetch = l.fetch
	for rack, want := range map[string]int32{"": -1, "a": -1, "b": 8, "nowhere": -1} {
		l.asked = nil
		req := fetchRequest(12, 0)
		req.Rack = rack
		got := ask[*kmsg.FetchResponse](w, 12, req).Topics[0].Partitions[0]
		if got.PreferredReadReplica != want || (len(got.RecordBatches) > 0) != (want < 0) || (len(l.asked) > 0) != (want < 0) {
			t.Errorf("rack %q: broker %d, %d bytes", rack, got.PreferredReadReplica, len(got.RecordBatches))
		}
	}
}

// consumer is a client with a fetch session.
type consumer struct {
	w       *world
	version int16
	id      int32
	epoch   int32
}

func (c *consumer) fetch(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	c.w.t.Helper()
	req.SessionID, req.SessionEpoch = c.id, c.epoch
	resp := ask[*kmsg.FetchResponse](c.w, c.version, req)
	if resp.ErrorCode == 0 {
		c.id = resp.SessionID
		c.epoch++
	}
	return resp
}

func TestIncrementalAnswersCarryWhatChanged(t *testing.T) {
	for _, v := range []int16{7, 12, 13, 18} {
		w := newWorld(t, Settings{}, topic("t", 4))
		l := &log{end: map[int32]int64{0: 0, 1: 5, 2: 5, 3: 5}, batch: []byte("batch")}
		w.fetch = l.fetch
		c := &consumer{w: w, version: v}
		resp := c.fetch(fetchRequest(v, upTo(4)...))
		if resp.SessionID == 0 || len(toldBy(resp)) != 4 {
			t.Fatalf("version %d: a full answer: session %d, %v", v, resp.SessionID, toldBy(resp))
		}
		step := func(what string, req *kmsg.FetchRequest, want ...told) {
			t.Helper()
			if diff := cmp.Diff(want, toldBy(c.fetch(req))); diff != "" {
				t.Errorf("version %d, %s:\n%s", v, what, diff)
			}
		}
		step("nothing new", fetchRequest(v))
		l.end[2] = 6
		step("a new high watermark", fetchRequest(v), told{2, 6, "", 0})
		step("told before", fetchRequest(v))
		l.end[1] = 11
		step("records", fetchRequest(v), told{1, 11, "batch", 0})
		step("records again", fetchRequest(v), told{1, 11, "batch", 0})
		moved := fetchRequest(v, 1)
		moved.Topics[0].Partitions[0].FetchOffset = 11
		step("the client went on", moved)
		forget := fetchRequest(v)
		ft := kmsg.NewFetchRequestForgottenTopic()
		ft.Topic, ft.TopicID, ft.Partitions = "t", topicID("t"), []int32{2, 3, 9}
		forget.ForgottenTopics = append(forget.ForgottenTopics, ft)
		l.end[2], l.end[3] = 7, 7
		step("forgotten partitions", forget)
		if n := len(l.asked[len(l.asked)-1].Partitions); n != 2 {
			t.Errorf("version %d: %d partitions are left, want 2", v, n)
		}
		step("one comes back", fetchRequest(v, 3), told{3, 7, "", 0})
	}
}

func TestAnErrorIsToldEachTimeAndItsEnd(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	l := &log{end: map[int32]int64{0: 0}}
	w.fetch = l.fetch
	c := &consumer{w: w, version: 12}
	c.fetch(fetchRequest(12, 0))
	w.put(&topics.Topic{ID: topicID("t"), Name: "other", Coordinators: []int32{0}})
	for range 2 {
		got := toldBy(c.fetch(fetchRequest(12)))
		if len(got) != 1 {
			t.Fatalf("told %v", got)
		}
		wantCode(t, "a topic that is gone", got[0].Code, kerr.UnknownTopicOrPartition)
	}
	w.put(topic("t", 1))
	if got := toldBy(c.fetch(fetchRequest(12))); len(got) != 1 || got[0].Code != 0 {
		t.Fatalf("told %v", got)
	}
	if got := toldBy(c.fetch(fetchRequest(12))); len(got) != 0 {
		t.Fatalf("told %v", got)
	}
}

func TestFetchSessionErrors(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 2))
	fetch := func(version int16, id, epoch int32) *kmsg.FetchResponse {
		req := fetchRequest(version)
		if epoch == 0 {
			req = fetchRequest(version, 0)
		}
		req.SessionID, req.SessionEpoch = id, epoch
		return ask[*kmsg.FetchResponse](w, version, req)
	}
	first := fetch(12, 0, 0)
	id := first.SessionID
	wantCode(t, "an unknown session", fetch(12, id+1, 1).ErrorCode, kerr.FetchSessionIDNotFound)
	wantCode(t, "an epoch to come", fetch(12, id, 2).ErrorCode, kerr.InvalidFetchSessionEpoch)
	wantCode(t, "names, then ids", fetch(13, id, 1).ErrorCode, kerr.FetchSessionTopicIDError)
	wantCode(t, "a wrong epoch and ids", fetch(13, id, 2).ErrorCode, kerr.InvalidFetchSessionEpoch)
	wantCode(t, "the right epoch", fetch(12, id, 1).ErrorCode, nil)
	wantCode(t, "an epoch that is over", fetch(12, id, 1).ErrorCode, kerr.InvalidFetchSessionEpoch)
	second := fetch(12, id, 0)
	if second.SessionID == id || second.SessionID == 0 {
		t.Errorf("a full request goes on as session %d", second.SessionID)
	}
	wantCode(t, "the session that it ended", fetch(12, id, 2).ErrorCode, kerr.FetchSessionIDNotFound)
	final := fetchRequest(12, 0)
	final.SessionID, final.SessionEpoch = second.SessionID, -1
	if resp := ask[*kmsg.FetchResponse](w, 12, final); resp.ErrorCode != 0 || resp.SessionID != 0 || len(toldBy(resp)) != 1 {
		t.Errorf("the last request: %+v", resp)
	}
	wantCode(t, "after the last request", fetch(12, second.SessionID, 1).ErrorCode, kerr.FetchSessionIDNotFound)
	if n := len(w.sessions.byID); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestASessionWithoutPartitionsEnds(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	c := &consumer{w: w, version: 13}
	c.fetch(fetchRequest(13, 0))
	forget := fetchRequest(13)
	ft := kmsg.NewFetchRequestForgottenTopic()
	ft.TopicID, ft.Partitions = topicID("t"), []int32{0}
	forget.ForgottenTopics = append(forget.ForgottenTopics, ft)
	if resp := c.fetch(forget); resp.ErrorCode != 0 || resp.SessionID != 0 || len(resp.Topics) != 0 {
		t.Errorf("got %+v", resp)
	}
	if len(w.sessions.byID) != 0 {
		t.Error("the session is still there")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Settings{MaxFetchSessions: 2}, topic("t", 1))
		begin := func() *consumer {
			c := &consumer{w: w, version: 12}
			if resp := c.fetch(fetchRequest(12, 0)); resp.ErrorCode != 0 || len(toldBy(resp)) != 1 {
				t.Fatalf("got %+v", resp)
			}
			return c
		}
		a, b := begin(), begin()
		if c := begin(); c.id != 0 {
			t.Errorf("a third session, %d, while two are in use", c.id)
		}
		time.Sleep(minSessionEviction)
		a.fetch(fetchRequest(12))
		if c := begin(); c.id != 0 {
			t.Errorf("session %d after exactly the time that protects the others", c.id)
		}
		time.Sleep(time.Millisecond)
		if c := begin(); c.id == 0 {
			t.Error("no session though one was unused for long")
		}
		wantCode(t, "the one in use", a.fetch(fetchRequest(12)).ErrorCode, nil)
		wantCode(t, "the one unused", b.fetch(fetchRequest(12)).ErrorCode, kerr.FetchSessionIDNotFound)
	})
}

func TestASessionHasABoundOfPartitions(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	c := &consumer{w: w, version: 12}
	c.fetch(fetchRequest(12, upTo(maxSessionPartitions)...))
	if c.id == 0 {
		t.Fatal("no session at the bound")
	}
	wantCode(t, "one more", c.fetch(fetchRequest(12, maxSessionPartitions)).ErrorCode, kerr.FetchSessionIDNotFound)
	c = &consumer{w: w, version: 12}
	if c.fetch(fetchRequest(12, upTo(maxSessionPartitions+1)...)); c.id != 0 || len(w.sessions.byID) != 0 {
		t.Error("a session above the bound")
	}
}

// With a budget of one batch and every partition full, each of them must get its turn.
func TestNoPartitionOfASessionStarves(t *testing.T) {
	for _, n := range []int32{2, 8, 33} {
		w := newWorld(t, Settings{}, topic("t", int(n)))
		l := &log{end: map[int32]int64{}, batch: []byte("batch")}
		for p := range n {
			l.end[p] = 1 << 40
		}
		w.fetch = l.fetch
		c := &consumer{w: w, version: 13}
		got := map[int32]int{}
		count := func(resp *kmsg.FetchResponse) {
			for _, p := range toldBy(resp) {
				if p.Records != "" {
					got[p.Partition]++
				}
			}
		}
		req := fetchRequest(13, upTo(n)...)
		req.MaxBytes = 5
		count(c.fetch(req))
		for range 10*n - 1 {
			req := fetchRequest(13)
			req.MaxBytes = 5
			count(c.fetch(req))
		}
		for p := range n {
			if got[p] != 10 {
				t.Errorf("%d partitions: partition %d was served %d times of %d, want 10", n, p, got[p], 10*n)
			}
		}
	}
}

// A client that lost patience sends the request again while the first still waits: it is told at once, and the one that waits goes on.
func TestARepeatedRequestDoesNotWaitForTheOneThatWaits(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	l := &log{end: map[int32]int64{0: 1}, batch: []byte("batch")}
	w.fetch = l.fetch
	c := &consumer{w: w, version: 12}
	c.fetch(fetchRequest(12, 0))

	waiting, wake := make(chan struct{}, 1), make(chan struct{})
	w.fetch = func(ctx context.Context, req *FetchRequest) []FetchResult {
		waiting <- struct{}{}
		<-wake
		l.end[0] = 7
		return l.fetch(ctx, req)
	}
	start := func(epoch int32) (*kmsg.FetchRequest, chan *kmsg.FetchResponse) {
		req := fetchRequest(12)
		req.SessionID, req.SessionEpoch = c.id, epoch
		answer := make(chan *kmsg.FetchResponse, 1)
		go func() { answer <- ask[*kmsg.FetchResponse](w, 12, req) }()
		<-waiting
		return req, answer
	}
	_, first := start(1)
	again := fetchRequest(12)
	again.SessionID, again.SessionEpoch = c.id, 1
	wantCode(t, "again", ask[*kmsg.FetchResponse](w, 12, again).ErrorCode, kerr.InvalidFetchSessionEpoch)
	if full := fetchRequest(12, 0); full != nil { // other sessions do not wait either
		full.SessionEpoch = -1
		before := w.fetch
		w.fetch = l.fetch
		wantCode(t, "another", ask[*kmsg.FetchResponse](w, 12, full).ErrorCode, nil)
		w.fetch = before
	}
	close(wake)
	if got := toldBy(<-first); len(got) != 1 || got[0].High != 7 {
		t.Errorf("the one that waited was told %v", got)
	}
}

func TestARequestThatWasOvertakenIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Settings{}, topic("t", 1))
		c := &consumer{w: w, version: 12}
		c.fetch(fetchRequest(12, 0))
		wake := make(chan struct{})
		var released atomic.Int32
		w.fetch = func(context.Context, *FetchRequest) []FetchResult {
			<-wake
			return []FetchResult{{HighWatermark: 9, Records: [][]byte{[]byte("batch")}, Release: func() { released.Add(1) }}}
		}
		var answers [2]*kmsg.FetchResponse
		for i := range answers {
			req := fetchRequest(12)
			req.SessionID, req.SessionEpoch = c.id, int32(i+1)
			go func() { answers[i] = ask[*kmsg.FetchResponse](w, 12, req) }()
			synctest.Wait() // it waits for records
		}
		close(wake)
		synctest.Wait()
		wantCode(t, "the first", answers[0].ErrorCode, kerr.InvalidFetchSessionEpoch)
		wantCode(t, "the second", answers[1].ErrorCode, nil)
		if answers[0].SessionID != c.id || len(answers[0].Topics) != 0 || len(toldBy(answers[1])) != 1 {
			t.Errorf("told %+v and %+v", answers[0], answers[1])
		}
		if released.Load() != 2 {
			t.Errorf("%d results of 2 were released", released.Load())
		}
	})
}

func TestEpochsWrapAround(t *testing.T) {
	if got := nextSessionEpoch(1<<31 - 1); got != 1 {
		t.Errorf("after the last comes %d", got)
	}
}

func TestASessionIsNotMadeForAClientThatIsGone(t *testing.T) {
	w := newWorld(t, Settings{}, topic("t", 1))
	ctx, cancel := context.WithCancel(t.Context())
	w.fetch = func(context.Context, *FetchRequest) []FetchResult {
		cancel()
		return make([]FetchResult, 1)
	}
	req := fetchRequest(12, 0)
	req.SessionEpoch = 0
	w.serve(ctx, 12, req)
	if len(w.sessions.byID) != 0 {
		t.Error("a session nobody knows of")
	}
}
