package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// mostUnacked bounds what a producer has in flight; while the cluster is away it waits.
	mostUnacked = 2000
	// adminTimeout is for one try of an administrator's request.
	adminTimeout = 10 * time.Second
)

// newClient is a client that looks again soon after it lost a server.
func (s *soak) newClient(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(s.cluster.clients, ",")...), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RetryBackoffFn(func(tries int) time.Duration {
			return min(time.Duration(tries)*50*time.Millisecond, 500*time.Millisecond)
		}),
	}, opts...)...)
}

// producer writes numbered records to all topics at a steady rate, idempotently and with acks=all.
type producer struct {
	s      *soak
	id     int
	client *kgo.Client
	random *rand.Rand
	next   map[string][]int64
}

func (s *soak) newProducer(id int, random *rand.Rand) (*producer, error) {
	client, err := s.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(mostUnacked), kgo.ProducerLinger(10*time.Millisecond),
		// Bytes of the topic with retention.bytes are counted, and would be guessed if they were compressed.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		// Without it the client would go on under a new producer id, and what the server forgot would go unseen.
		kgo.StopProducerOnDataLossDetected(), kgo.ProduceRequestTimeout(10*time.Second))
	return &producer{s: s, id: id, client: client, random: random, next: map[string][]int64{}}, err
}

// run writes until ctx ends, and then one last record with a value to each partition.
func (p *producer) run(ctx context.Context) {
	const tick = 100 * time.Millisecond
	weights := 0
	for _, t := range p.s.topics {
		weights += t.weight
	}
	began, written := time.Now(), 0
	for sleep(ctx, tick) {
		// What an outage held up is not made up for: the load stays what it is.
		due := min(int(time.Since(began).Seconds()*p.s.scale.recordsPerSecond/producers)-written, int(p.s.scale.recordsPerSecond))
		for range due {
			n := p.random.IntN(weights)
			for _, t := range p.s.topics {
				if n -= t.weight; n < 0 {
					p.write(t, p.random.Int32N(t.partitions), false)
					break
				}
			}
		}
		written = int(time.Since(began).Seconds() * p.s.scale.recordsPerSecond / producers)
	}
	for _, t := range p.s.topics {
		for partition := range t.partitions {
			p.write(t, partition, true)
		}
	}
}

func (p *producer) write(t *topic, partition int32, value bool) {
	if p.next[t.name] == nil {
		p.next[t.name] = make([]int64, t.partitions)
	}
	w := written{p.id, p.next[t.name][partition]}
	r := newRecord(t, partition, w, p.random)
	for value && r.Value == nil {
		r = newRecord(t, partition, w, p.random)
	}
	p.next[t.name][partition]++
	// Blocks while too much is unacknowledged.
	p.client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		if err != nil {
			p.s.model.violated("producer %d: record %d of %s-%d was refused: %v", p.id, w.number, t.name, partition, err)
			return
		}
		p.s.model.acknowledged(w, r)
	})
}

// deleteRecords moves the start of the topics with cuts until ctx ends.
func (s *soak) deleteRecords(ctx context.Context, random *rand.Rand) {
	client, err := s.newClient()
	if err != nil {
		s.model.violated("client: %v", err)
		return
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for sleep(ctx, s.scale.retention/10) {
		for _, t := range s.topics {
			for partition := range t.partitions {
				if t.cuts {
					s.cut(ctx, admin, t, partition, random)
				}
			}
		}
	}
}

// cut leaves between a half and all of what a retention leaves.
func (s *soak) cut(ctx context.Context, admin *kadm.Client, t *topic, partition int32, random *rand.Rand) {
	p := s.model.at(t.name, partition)
	s.model.mu.Lock()
	to, oldest := p.cutAsked, time.Now().Add(-s.scale.retention/2-time.Duration(random.Int64N(int64(s.scale.retention/2)))).UnixMilli()
	for _, e := range p.entries {
		if e.atMillis < oldest {
			to = max(to, e.offset)
		}
	}
	p.cutAsked = to
	s.model.mu.Unlock()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: t.name, Partition: partition, At: to})
	err := retry(ctx, adminTimeout, func(ctx context.Context) error {
		answers, err := admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return err
		}
		answer, _ := answers.Lookup(t.name, partition)
		if answer.Err == nil && answer.LowWatermark != to {
			s.model.violated("DeleteRecords of %s-%d up to %d: the log begins at %d", t.name, partition, to, answer.LowWatermark)
		}
		return answer.Err
	})
	switch {
	case err == nil:
		s.model.mu.Lock()
		p.cut = to
		s.model.mu.Unlock()
		s.cuts.Add(1)
	case ctx.Err() == nil:
		s.model.violated("DeleteRecords of %s-%d up to %d: %v", t.name, partition, to, err)
	}
}

// visit makes topics, writes, reads everything back and deletes them, until ctx ends.
func (s *soak) visit(ctx context.Context, random *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		t := &topic{name: fmt.Sprintf("visitor-%d", n), partitions: 3, bytes: 2000, weight: 1}
		s.model.add(t)
		if err := s.visitOnce(ctx, t, random); err != nil && ctx.Err() == nil {
			s.model.violated("%s: %v", t.name, err)
		}
		s.model.mu.Lock()
		delete(s.model.partitions, t.name)
		s.model.mu.Unlock()
	}
}

func (s *soak) visitOnce(ctx context.Context, t *topic, random *rand.Rand) error {
	p, err := s.newProducer(9, random)
	if err != nil {
		return err
	}
	defer p.client.Close()
	admin := kadm.NewClient(p.client)
	if err := s.createTopic(ctx, admin, t); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(s.t.Context(), settleTime) // also when the load ends meanwhile: the topic goes
	defer cancel()
	for i := 0; i < 300 && sleep(ctx, s.scale.retention/600); i++ {
		p.write(t, random.Int32N(t.partitions), false)
	}
	if err := p.client.Flush(limit); err != nil {
		return fmt.Errorf("%d records are not acknowledged: %w", p.client.BufferedProduceRecords(), err)
	}
	one := &soak{t: s.t, scale: s.scale, cluster: s.cluster, model: s.model, topics: []*topic{t}}
	if err := one.readBack(limit, true); err != nil {
		return err
	}
	if err := retry(limit, adminTimeout, func(ctx context.Context) error {
		answers, err := admin.DeleteTopics(ctx, t.name)
		if err == nil {
			err = answers[t.name].Err
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil // the answer to an earlier try was lost
		}
		return err
	}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	s.deletedTopics.Add(1)
	return nil
}

func (s *soak) createTopic(ctx context.Context, admin *kadm.Client, t *topic) error {
	configs := map[string]*string{}
	for name, value := range t.configs {
		configs[name] = &value
	}
	return retry(ctx, adminTimeout, func(ctx context.Context) error {
		_, err := admin.CreateTopic(ctx, t.partitions, 1, configs, t.name)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		return err
	})
}
