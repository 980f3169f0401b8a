package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
)

func portOf(b *broker.Broker) string { return strconv.Itoa(int(b.Address().Port)) }

func TestProduceAndConsumeInAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		createTopic(t, c, "orders", 4, nil)
		produceSync(t, c, "orders", 0, 1000)
		consumer := c.client(t, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if got := poll(t, consumer, 1000); len(got) != 1000 {
			t.Fatalf("%d records", len(got))
		}
		if err := consumer.CommitUncommittedOffsets(t.Context()); err != nil {
			t.Fatal(err)
		}
		lags, err := c.admin(t).Lag(t.Context(), "g")
		if err != nil || lags.Error() != nil || lags["g"].Lag.Total() != 0 {
			t.Fatalf("lag %d, %v, %v", lags["g"].Lag.Total(), err, lags.Error())
		}
	})
}

// An idle cluster costs nothing, also while consumers wait; the record that ends the wait is read from memory.
func TestIdleMakesNoStorageRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		createTopic(t, c, "orders", 4, nil)
		produceSync(t, c, "orders", 0, 100)
		consumer := c.client(t, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		poll(t, consumer, 100)
		time.Sleep(2 * time.Minute) // what compaction and start-up still have to do
		before := c.store.Calls(faulty.Any)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if fetches := consumer.PollFetches(ctx); ctx.Err() == nil {
			t.Fatalf("an idle topic had %d records", fetches.NumRecords())
		}
		if n := c.store.Calls(faulty.Any) - before; n != 0 {
			t.Errorf("%d requests to the store in an idle hour", n)
		}
		gets := c.store.Calls(faulty.Get)
		arrived := make(chan time.Time, 1)
		go func() {
			poll(t, consumer, 1)
			arrived <- time.Now()
		}()
		produceSync(t, c, "orders", 100, 1)
		acked := time.Now()
		if d := (<-arrived).Sub(acked); d > 20*time.Millisecond {
			t.Errorf("the waiting consumer had the record %s after its ack", d)
		}
		if n := c.store.Calls(faulty.Get) - gets; n != 0 {
			t.Errorf("%d GETs for a record that was in memory", n)
		}
	})
}

func TestDeletedTopicsLeaveTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		for i := range 3 {
			name := fmt.Sprintf("orders-%d", i)
			createTopic(t, c, name, 3, nil)
			for range 10 {
				produceSync(t, c, name, 0, 10)
			}
		}
		if n := len(c.objects(t)); n < 10 {
			t.Fatalf("only %d objects before", n)
		}
		admin := c.admin(t)
		if _, err := admin.DeleteTopics(t.Context(), "orders-0", "orders-1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		if n := len(c.objects(t)); n == 0 || n > 30 {
			t.Errorf("%d objects of one remaining topic", n)
		}
		if n := len(readFromStart(t, c, "orders-2", 100)); n != 100 {
			t.Errorf("%d records of the topic that stays", n)
		}
		if _, err := admin.DeleteTopics(t.Context(), "orders-2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		if left := c.objects(t); len(left) != 0 {
			t.Errorf("%d objects of no topic: %v", len(left), left[0])
		}
	})
}

func TestRetentionLeavesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		createTopic(t, c, "by-time", 1, map[string]*string{"retention.ms": kadm.StringPtr("3600000")})
		createTopic(t, c, "by-size", 1, map[string]*string{"retention.bytes": kadm.StringPtr("20000")})
		for i := range 50 {
			produceSync(t, c, "by-time", i*10, 10)
			produceSync(t, c, "by-size", i*10, 10)
		}
		time.Sleep(30 * time.Minute)
		start := startOffset(t, c, "by-size")
		if start == 0 || start >= 500 {
			t.Errorf("by-size starts at %d", start)
		}
		if got := startOffset(t, c, "by-time"); got != 0 {
			t.Errorf("by-time starts at %d before its time", got)
		}
		if got := readFromStart(t, c, "by-size", int(500-start)); got[0].Offset != start {
			t.Errorf("the first record of by-size is at %d, want %d", got[0].Offset, start)
		}
		time.Sleep(2 * time.Hour)
		if got := startOffset(t, c, "by-time"); got != 500 {
			t.Errorf("by-time starts at %d after its time, want 500", got)
		}
		left := len(c.objects(t))
		if left == 0 || left > 30 {
			t.Errorf("%d objects remain", left)
		}
		produceSync(t, c, "by-time", 500, 10)
		if got := readFromStart(t, c, "by-time", 10); got[0].Offset != 500 {
			t.Errorf("the next record is at %d", got[0].Offset)
		}
	})
}
