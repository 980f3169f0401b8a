package processes

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/test/servers"
)

const topic = "drained"

func client(t *testing.T, address string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestTermDrains: SIGTERM under load ends the process with code 0, soon, though consumers wait; every record in flight is acknowledged or refused, and what
// was acknowledged is there, once.
func TestTermDrains(t *testing.T) {
	server := startKept(t, servers.Options{Dir: t.TempDir()})
	createDrained(t, server)
	// Members of a group and a reader of the tail are parked at the broker while it ends.
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for _, opts := range [][]kgo.Opt{{kgo.ConsumerGroup("g")}, {kgo.ConsumerGroup("g")}, {}} {
		c := client(t, server.Listen, append(opts, kgo.ConsumeTopics(topic, "idle"), kgo.FetchMaxWait(time.Minute))...)
		readers.Go(func() {
			for ctx.Err() == nil {
				c.PollFetches(ctx)
			}
		})
	}
	defer readers.Wait()
	defer cancel()

	l := load(t, server.Listen, 3)
	l.awaitAcked(t, 2000)
	began := time.Now()
	if err := server.Stop(); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	t.Logf("ended %s after SIGTERM", time.Since(began).Round(time.Millisecond))
	l.stop()
	cancel()
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.verify(t, server.Listen)
	if err := server.Stop(); err != nil {
		t.Errorf("the second SIGTERM: %v", err)
	}
}

func startKept(t *testing.T, opts servers.Options) *servers.Server {
	t.Helper()
	server, err := servers.StartInkwell(t.Context(), binary(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Kill()
		if t.Failed() {
			t.Log(server.LogTail(5000))
		}
	})
	return server
}

func createDrained(t *testing.T, server *servers.Server) {
	t.Helper()
	setup := client(t, server.Listen)
	defer setup.Close()
	if _, err := kadm.NewClient(setup).CreateTopic(t.Context(), 3, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// loader writes without retries, so that each record is written at most once and its fate is what the broker said.
type loader struct {
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	acked   map[string]int64
	refused int
	changed chan struct{}
}

func load(t *testing.T, address string, writers int, opts ...kgo.Opt) *loader {
	ctx, cancel := context.WithCancel(t.Context())
	l := &loader{cancel: cancel, acked: map[string]int64{}, changed: make(chan struct{}, 1)}
	for w := range writers {
		c := client(t, address, append([]kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.RecordRetries(0), kgo.DisableIdempotentWrite(),
			kgo.MaxProduceRequestsInflightPerBroker(5), kgo.MaxBufferedRecords(500), kgo.RecordDeliveryTimeout(30 * time.Second)}, opts...)...)
		l.work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				c.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "%d/%d", w, i), Value: make([]byte, 500)}, l.told)
			}
			flush, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := c.Flush(flush); err != nil {
				t.Errorf("records without a fate: %v", err)
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *loader) told(r *kgo.Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused++
	} else {
		l.acked[string(r.Key)] = int64(r.Partition)<<40 | r.Offset
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *loader) counts() (acked, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked), l.refused
}

func (l *loader) awaitAcked(t *testing.T, n int) { l.await(t, n, 0) }

// await waits until so many records are acknowledged and so many refused.
func (l *loader) await(t *testing.T, acked, refused int) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		a, r := l.counts()
		if a >= acked && r >= refused {
			return
		}
		select {
		case <-l.changed:
		case <-deadline:
			t.Fatalf("%d records acknowledged, %d refused, want %d and %d", a, r, acked, refused)
		}
	}
}

func (l *loader) stop() {
	l.cancel()
	l.work.Wait()
}

// verify reads everything: what was acknowledged is where the ack said, nothing is there twice.
func (l *loader) verify(t *testing.T, address string) {
	t.Helper()
	acked, refused := l.counts()
	reader := client(t, address, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ends, err := kadm.NewClient(client(t, address)).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	missing := int64(0)
	ends.Each(func(o kadm.ListedOffset) { missing += o.Offset })
	t.Logf("%d records acknowledged, %d refused, %d there", acked, refused, missing)
	seen := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for missing > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records cannot be read: %v", missing, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			missing--
			key := string(r.Key)
			if seen[key] {
				t.Errorf("record %s is there twice", key)
			}
			seen[key] = true
			if at, ok := l.acked[key]; ok && at != int64(r.Partition)<<40|r.Offset {
				t.Errorf("record %s is not at the offset of its ack", key)
			}
		})
	}
	lost := 0
	for key := range l.acked {
		if !seen[key] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d acknowledged records are lost", lost)
	}
}

// A broker whose Metadata cluster is gone has nothing to finish: it tries to say goodbye for 3 s and ends.
func TestBrokerEndsWithoutItsMetadataCluster(t *testing.T) {
	s := startSystem(t)
	b := s.broker("red", s.create("red"), 1)
	awaitBrokers(t, b, 1)
	if err := s.metadata.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	// It took 15 s; the bound leaves a loaded machine room.
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
}
