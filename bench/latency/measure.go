package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	steadyRate  = 5 << 20 // bytes a second
	recordBytes = 1 << 10
	topicParts  = 16
	batchBytes  = 1 << 20
	inFlight    = 5
)

// times are when records were sent, acknowledged and read, by partition and offset.
type times struct {
	mu    sync.Mutex // guards both
	acked map[[2]int64]time.Time
	late  []time.Duration // from the ack to the waiting consumer
	acks  []time.Duration
	read  map[[2]int64]time.Time
}

// steady produces 5 MB/s of 1 KiB records to 16 partitions while a consumer waits for each.
func steady(ctx context.Context, server *servers.Server) ([]load.Row, error) {
	if err := load.CreateTopic(ctx, server.Listen, "steady", topicParts); err != nil {
		return nil, err
	}
	writer, err := load.NewClient(server.Listen, kgo.DefaultProduceTopic("steady"), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	reader, err := load.NewClient(server.Listen, kgo.ConsumeTopics("steady"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	t := &times{acked: map[[2]int64]time.Time{}, read: map[[2]int64]time.Time{}}
	reading, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { t.readAll(reading, reader) })
	err = t.write(ctx, writer)
	if flushErr := writer.Flush(ctx); err == nil {
		err = flushErr
	}
	time.Sleep(time.Second) // the last records' readers
	stop()
	work.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, acked := range t.acked {
		if read, ok := t.read[at]; ok {
			t.late = append(t.late, max(0, read.Sub(acked)))
		}
	}
	if len(t.late) == 0 {
		return nil, errors.Join(err, errors.New("nothing was read"))
	}
	return []load.Row{
		{Figure: "ack p50 at 5 MB/s", Measured: load.Millis(load.Quantile(t.acks, 0.5)), Target: "160 ms"},
		{Figure: "ack p99 at 5 MB/s", Measured: load.Millis(load.Quantile(t.acks, 0.99)), Target: ""},
		{Figure: "read by a waiting consumer after the ack, p50", Measured: load.Millis(load.Quantile(t.late, 0.5)), Target: ""},
		{Figure: "read by a waiting consumer after the ack, p99", Measured: load.Millis(load.Quantile(t.late, 0.99)), Target: "20 ms"},
		{Figure: "records read", Measured: strconv.Itoa(len(t.late)) + " of " + strconv.Itoa(len(t.acked)), Target: "all"},
	}, err
}

func (t *times) write(ctx context.Context, writer *kgo.Client) error {
	value := load.Noise(recordBytes)
	const tick = 5 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began, sent := time.Now(), 0
	var failed error
	for time.Since(began) < *duration {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		for due := int(time.Since(began).Seconds() * steadyRate / recordBytes); sent < due; sent++ {
			start := time.Now()
			writer.Produce(ctx, &kgo.Record{Value: value}, func(r *kgo.Record, err error) {
				now := time.Now()
				t.mu.Lock()
				defer t.mu.Unlock()
				if err != nil {
					failed = err
					return
				}
				t.acked[[2]int64{int64(r.Partition), r.Offset}] = now
				t.acks = append(t.acks, now.Sub(start))
			})
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return failed
}

func (t *times) readAll(ctx context.Context, reader *kgo.Client) {
	for ctx.Err() == nil {
		fetches := reader.PollFetches(ctx)
		now := time.Now()
		t.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) { t.read[[2]int64{int64(r.Partition), r.Offset}] = now })
		t.mu.Unlock()
	}
}

// pipelined is one producer with 5 requests of 1 MiB in flight on one partition, as librdkafka's defaults allow.
func pipelined(ctx context.Context, server *servers.Server) ([]load.Row, error) {
	if err := load.CreateTopic(ctx, server.Listen, "pipelined", 1); err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards requests
	var requests []time.Duration
	writer, err := load.NewClient(server.Listen, kgo.DefaultProduceTopic("pipelined"), kgo.ProducerBatchMaxBytes(batchBytes-(10<<10)), kgo.MaxProduceRequestsInflightPerBroker(inFlight),
		kgo.DisableIdempotentWrite(), kgo.MaxBufferedRecords(1<<20), kgo.MaxBufferedBytes(64<<20), kgo.WithHooks(produceHook(func(d time.Duration) {
			mu.Lock()
			requests = append(requests, d)
			mu.Unlock()
		})))
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	value := load.Noise(100 << 10)
	began := time.Now()
	bytes := 0
	var failed error
	for time.Since(began) < *duration {
		bytes += len(value)
		writer.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	if err := writer.Flush(ctx); err != nil {
		return nil, err
	}
	rate := float64(bytes) / time.Since(began).Seconds()
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(requests)
	// What the client's limits allow if an ack takes what it has to take: the PUT and half as much again.
	allowed := float64(inFlight*batchBytes) / (160 * time.Millisecond).Seconds()
	return []load.Row{{
		Figure: "one producer, 5 requests of 1 MiB in flight, one partition", Measured: fmt.Sprintf("%.1f MB/s (%.0f%% of %.0f; request p50 %s)", rate/1e6, 100*rate/allowed, allowed/1e6, load.Millis(load.Quantile(requests, 0.5))), Target: "80%",
	}}, failed
}

// produceHook sees how long each Produce request took.
type produceHook func(d time.Duration)

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (h produceHook) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key == 0 {
		h(e2e.DurationE2E())
	}
}

// idle measures the process's CPU while nothing happens but a consumer that waits.
func idle(ctx context.Context, server *servers.Server) ([]load.Row, error) {
	reader, err := load.NewClient(server.Listen, kgo.ConsumeTopics("steady"), kgo.ConsumerGroup("idle"), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	settled, cancel := context.WithTimeout(ctx, 5*time.Second)
	reader.PollFetches(settled)
	cancel()
	before, err := load.CPUTime(server.PID())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, *duration)
	reader.PollFetches(waiting)
	cancel()
	after, err := load.CPUTime(server.PID())
	if err != nil {
		return nil, err
	}
	return []load.Row{{Figure: "CPU at rest, one consumer group waiting", Measured: fmt.Sprintf("%.2f%% of a core", 100*(after-before).Seconds()/time.Since(began).Seconds()), Target: "1%"}}, nil
}
