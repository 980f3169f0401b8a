package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// producer writes numbered records to all partitions, idempotently and with acks=all, until it is told to finish.
type producer struct {
	id     int
	client *kgo.Client
	stop   chan struct{}
	loop   sync.WaitGroup
}

// mostUnacked bounds what a producer has in flight; while the server is away it waits.
const mostUnacked = 400

func startProducer(t *testing.T, h *history, address string, id int, random *rand.Rand) *producer {
	p := &producer{id: id, stop: make(chan struct{}), client: newClient(t, address,
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.MaxBufferedRecords(mostUnacked), kgo.ProducerLinger(time.Duration(id)*3*time.Millisecond),
		// Without it the client would go on under a new producer id, and what the server forgot would go unseen.
		kgo.StopProducerOnDataLossDetected(),
		kgo.ProduceRequestTimeout(5*time.Second),
	)}
	t.Cleanup(p.client.Close)
	p.loop.Go(func() { p.write(h, random) })
	return p
}

func (p *producer) write(h *history, random *rand.Rand) {
	var next [partitions]int
	padding := make([]byte, h.load.bytes)
	for i := range padding {
		padding[i] = byte(random.IntN(256))
	}
	for {
		// Bursts of changing size: batches of one record and of many.
		for range 1 + random.IntN(h.load.burst) {
			partition := random.IntN(partitions)
			w := written{cluster: h.cluster, producer: p.id, partition: partition, number: next[partition]}
			next[partition]++
			record := &kgo.Record{Partition: int32(partition), Key: w.key(), Value: padding[:random.IntN(len(padding))]}
			// Blocks while too much is unacknowledged.
			p.client.Produce(context.Background(), record, func(r *kgo.Record, err error) { h.acknowledged(w, r, err) })
		}
		select {
		case <-p.stop:
			h.wrote(p.id, next)
			return
		case <-time.After(time.Duration(random.Int64N(int64(h.load.pause)))):
		}
	}
}

// finish waits until everything that was written is acknowledged.
func (p *producer) finish(ctx context.Context, t *testing.T) {
	close(p.stop)
	p.loop.Wait()
	if err := p.client.Flush(ctx); err != nil {
		t.Fatalf("producer %d: %d records are not acknowledged in the end: %v", p.id, p.client.BufferedProduceRecords(), err)
	}
}

// load is how much a producer writes: bursts of up to so many records of up to so many bytes, with pauses of up to so long.
type load struct {
	burst, bytes int
	pause        time.Duration
}

// written names one record for ever.
type written struct {
	cluster                     string
	producer, partition, number int
}

func (w written) key() []byte {
	return fmt.Appendf(nil, "%d/%d/%d/%s", w.producer, w.partition, w.number, w.cluster)
}

func parseWritten(key []byte) (w written, err error) {
	_, err = fmt.Sscanf(string(key), "%d/%d/%d/%s", &w.producer, &w.partition, &w.number, &w.cluster)
	return w, err
}
