package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/topics"
)

func TestAnOrdinaryConsumerReadsEveryTopic(t *testing.T) {
	c := newCluster(t)
	var want []string
	for i := range 2500 { // more than two batches
		write(t, c.clusters, fmt.Sprintf("node/%d=n%d@%d", i%7, i, 1000+i))
		want = append(want, fmt.Sprintf("__cluster_metadata-0 %d node/%d=n%d@%d", i, i%7, i, 1000+i))
	}
	for p, l := range c.batches {
		for i := range 10 {
			write(t, l, fmt.Sprintf("object/%d=%s@%d", i, strings.Repeat("x", 20<<10*p), 5))
			want = append(want, fmt.Sprintf("__batch_coordinates.c-%d %d object/%d=%s@5", p, i, i, strings.Repeat("x", 20<<10*p)))
		}
	}
	write(t, c.metadata, "topic/a=1@7", "topic/b=2@8", "topic/a=3@9", "topic/b@10", "x=@11")
	c.metadata.gone = map[int64]bool{0: true, 1: true}
	want = append(want, "__metadata.c-0 2 topic/a=3@9", "__metadata.c-0 3 topic/b@10", "__metadata.c-0 4 x=@11")
	cl := c.client(kgo.ConsumeTopics(topics.ClusterMetadata, topics.BatchCoordinates("c"), topics.Metadata("c")))
	defer cl.Close()
	got := c.consume(cl, len(want))
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff[:min(len(diff), 2000)])
	}
}

// Of offsets 0 to 9 only 3, 4 and 8 are left: the consumer steps over gaps inside the topic and over the one at its end, and is woken by the next record.
func TestACompactedTopicIsReadAcrossItsGaps(t *testing.T) {
	c := newCluster(t)
	for i := range 10 {
		write(t, c.metadata, fmt.Sprintf("k=%d@%d", i, i))
	}
	c.metadata.gone = map[int64]bool{0: true, 1: true, 2: true, 5: true, 6: true, 7: true, 9: true}
	cl := c.client(kgo.ConsumeTopics(topics.Metadata("c")), kgo.FetchMaxWait(30*time.Second))
	defer cl.Close()
	if got := c.consume(cl, 3); !slices.Equal(got, []string{"__metadata.c-0 3 k=3@3", "__metadata.c-0 4 k=4@4", "__metadata.c-0 8 k=8@8"}) {
		t.Fatalf("got %q", got)
	}
	time.AfterFunc(50*time.Millisecond, func() { _, _ = c.metadata.Propose(context.Background(), []byte("k=10@10")) })
	began := time.Now()
	if got := c.consume(cl, 1); !slices.Equal(got, []string{"__metadata.c-0 10 k=10@10"}) {
		t.Fatalf("got %q", got)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Fatalf("the long poll ended after %s: the record did not wake it", took)
	}
}

func TestConsumersShareAGroup(t *testing.T) {
	c := newCluster(t)
	var want []string
	for p, l := range c.batches {
		for i := range 20 {
			write(t, l, fmt.Sprintf("k=%d@1", i))
			want = append(want, fmt.Sprintf("__batch_coordinates.c-%d %d k=%d@1", p, i, i))
		}
	}
	group := []kgo.Opt{kgo.DisableAutoCommit(), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics(topics.BatchCoordinates("c")), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(100 * time.Millisecond)}
	first := c.client(group...)
	got := c.consume(first, len(want))
	if err := first.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.Close()
	write(t, c.batches[1], "k=20@1")
	want = append(want, "__batch_coordinates.c-1 20 k=20@1")
	second := c.client(group...) // goes on where the first ended
	defer second.Close()
	got = append(got, c.consume(second, 1)...)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	offsets := c.client(kgo.ConsumeTopics("__consumer_offsets"))
	defer offsets.Close()
	if n := len(c.consume(offsets, 3)); n < 3 {
		t.Fatalf("%d records in __consumer_offsets", n)
	}
}
