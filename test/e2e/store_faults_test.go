package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
)

// A full store refuses, with a code that producers retry; when there is room again, the same broker goes on, and nothing that was acknowledged is missing.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		createTopic(t, c, "orders", 2, nil)
		produceSync(t, c, "orders", 0, 10)
		c.store.Inject(faulty.Rule{Op: faulty.Put, Times: -1, Fault: faulty.Fault{Err: objectstorage.ErrFull}})

		began := time.Now()
		err := produceRaw(t, c, "orders", []byte(recordbatchtest.Simple(1, 100, began.UnixMilli())))
		var code *kerr.Error
		if !errors.As(err, &code) || !code.Retriable {
			t.Errorf("a full store: %v, want a code that producers retry", err)
		}
		if d := time.Since(began); d > rawTimeout+time.Second {
			t.Errorf("answered after %s", d)
		}
		t.Logf("a full store: %v", err)
		// Reading goes on.
		if n := len(readFromStart(t, c, "orders", 10)); n != 10 {
			t.Errorf("%d records", n)
		}
		patient := c.client(t, kgo.DefaultProduceTopic("orders"), kgo.ProduceRequestTimeout(5*time.Second))
		result := make(chan error, 1)
		patient.Produce(t.Context(), kgo.StringRecord("late"), func(_ *kgo.Record, err error) { result <- err })
		time.Sleep(5 * time.Minute)
		select {
		case err := <-result:
			t.Fatalf("acknowledged or given up while the store was full: %v", err)
		default:
		}
		c.store.Heal()
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		wantValues(t, c, "orders", 11, map[string]int{"late": 1})
	})
}

// Each call to the store fails once, before and after it was done, and a tenth of all calls at random. Producers see no error, and each record is there once.
func TestStoreThatFailsNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		createTopic(t, c, "orders", 3, nil)
		client := c.client(t, kgo.DefaultProduceTopic("orders"), kgo.StopProducerOnDataLossDetected())
		want := map[string]int{}
		for n := range 20 {
			if n%2 == 0 {
				c.store.FailNth(1+n/4, objectstorage.ErrThrottled)
			} else {
				c.store.LoseNth(1+n/4, nil)
			}
			var records []*kgo.Record
			for i := range 20 {
				value := fmt.Sprintf("%d/%d", n, i)
				want[value] = 1
				records = append(records, kgo.StringRecord(value))
			}
			if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatalf("round %d: %v", n, err)
			}
			wantValues(t, c, "orders", len(want), want)
		}
	})
}

// A store that hangs holds producers up and nobody else; their requests end in time.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes())
		createTopic(t, c, "orders", 1, nil)
		produceSync(t, c, "orders", 0, 10)
		c.store.Inject(faulty.Rule{Op: faulty.Put, Times: -1, Fault: faulty.Fault{Hang: true}})
		began := time.Now()
		err := produceRaw(t, c, "orders", []byte(recordbatchtest.Simple(1, 100, began.UnixMilli())))
		if !errors.Is(err, kerr.RequestTimedOut) || time.Since(began) > rawTimeout+time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		reader := c.client(t, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		poll(t, reader, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := reader.CommitUncommittedOffsets(ctx); err != nil {
			t.Errorf("a commit of offsets: %v", err)
		}
		createTopic(t, c, "another", 1, nil)
		c.store.Heal()
		time.Sleep(10 * time.Minute)
		produceSync(t, c, "orders", 10, 10)
	})
}

// wantValues reads at least n records; each value is there as often as said.
func wantValues(t *testing.T, c *cluster, topic string, n int, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, r := range readFromStart(t, c, topic, n) {
		got[string(r.Value)]++
	}
	for value, times := range want {
		if got[value] != times {
			t.Errorf("%q is there %d times, want %d", value, got[value], times)
		}
	}
}
