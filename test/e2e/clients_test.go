package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func createTopic(t *testing.T, c *cluster, name string, partitions int32, configs map[string]*string) {
	t.Helper()
	if _, err := c.admin(t).CreateTopic(t.Context(), partitions, 1, configs, name); err != nil {
		t.Fatal(err)
	}
}

// produceSync writes n numbered records, 256 bytes each, and returns when they are acknowledged.
func produceSync(t *testing.T, c *cluster, topic string, first, n int) {
	t.Helper()
	client := c.client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "%d", first+i), Value: make([]byte, 256)}
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	client.Close()
}

// poll waits for n records.
func poll(t *testing.T, client *kgo.Client, n int) (records []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Errorf("after %d of %d records: %v", len(records), n, err)
			return records
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func readFromStart(t *testing.T, c *cluster, topic string, n int) []*kgo.Record {
	t.Helper()
	client := c.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	records := poll(t, client, n)
	if len(records) < n {
		t.FailNow()
	}
	return records
}

func startOffset(t *testing.T, c *cluster, topic string) int64 {
	t.Helper()
	listed, err := c.admin(t).ListStartOffsets(t.Context(), topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		t.Fatal(err)
	}
	o, _ := listed.Lookup(topic, 0)
	return o.Offset
}
