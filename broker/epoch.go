package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/broker/api"
	"github.com/inkwell-project/inkwell/broker/batchprocessor"
	"github.com/inkwell-project/inkwell/broker/forwarding"
	"github.com/inkwell-project/inkwell/broker/metadatacache"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// epochs keeps this broker registered: it has a Batch Processor for the current broker epoch, and another when that one is fenced.
type epochs struct {
	cfg       *Config
	batches   batchprocessor.Config
	sink      batchprocessor.CommittedSink
	forwarder *forwarding.Forwarder
	identity  forwarding.Identity
	image     *metadatacache.Cache
	puts      batchprocessor.PutBudget // of every epoch, nil for no bound

	current atomic.Pointer[epoch]
	stalls  stalls

	ctx     context.Context
	cancel  context.CancelFunc
	renewal sync.WaitGroup // the goroutine that registers anew, if any
	beating sync.WaitGroup // the heartbeat

	mu       sync.Mutex // guards closed and starting the renewal
	closed   bool
	renewing bool
}

// epoch is one registration.
type epoch struct {
	number    int64
	processor *batchprocessor.Processor
}

// register makes the first registration.
func (e *epochs) register(ctx context.Context) error {
	number, err := e.forwarder.Register(ctx, e.identity)
	if err != nil {
		return err
	}
	if err := e.makeKnown(ctx, number); err != nil {
		return err
	}
	cfg := e.batches
	cfg.BrokerEpoch = number
	if err := cfg.Validate(); err != nil {
		return err
	}
	e.current.Store(&epoch{number: number, processor: batchprocessor.New(cfg, batchprocessor.Deps{
		Bucket: e.cfg.Spent.Bucket(e.cfg.Bucket, "flush"), Committer: e.cfg.Metadata, Clock: e.cfg.Clock, Rand: e.cfg.NewRand(), Sink: e.sink, Budget: e.puts,
		Fenced: e.fenced, Logger: e.cfg.Logger, Registerer: e.cfg.Registerer,
	})})
	e.cfg.Logger.Info("registered", "cluster", cfg.Cluster, "broker", e.cfg.ID, "epoch", number)
	return nil
}

// makeKnown has the coordinator partition that plans sweeps hear of a new epoch before its first upload: it looks at registrations now and then only, and an epoch that began and
// ended between two looks would never be swept. A commit of no object does that, and nothing else.
func (e *epochs) makeKnown(ctx context.Context, number int64) error {
	for backoff := 50 * time.Millisecond; ; backoff = min(2*backoff, time.Second) {
		_, err := e.cfg.Metadata.CommitObjects(ctx, &rpc.CommitObjectsRequest{Broker: e.cfg.ID, BrokerEpoch: number, MetadataOffset: -1})
		if err == nil || errors.Is(err, kerr.StaleBrokerEpoch) {
			return err
		}
		if clock.Sleep(ctx, e.cfg.Clock, backoff) != nil {
			return fmt.Errorf("telling partition 0 of %s of epoch %d: %w", rpc.BatchCoordinatesTopic, number, err)
		}
	}
}

// heartbeatInterval is Kafka's broker.heartbeat.interval.ms.
const heartbeatInterval = 2 * time.Second

// heartbeat keeps the current epoch alive until ctx ends, and learns that it is over even when nothing is produced.
func (e *epochs) heartbeat() {
	e.stalls.tick(e.cfg.Clock.Now(), e.cfg.SessionTimeout)
	for clock.Sleep(e.ctx, e.cfg.Clock, heartbeatInterval) == nil {
		e.stalls.tick(e.cfg.Clock.Now(), e.cfg.SessionTimeout)
		current := e.current.Load()
		ctx, cancel := context.WithTimeout(e.ctx, 2*heartbeatInterval)
		err := e.forwarder.Heartbeat(ctx, e.cfg.ID, current.number, e.image.Image().Offset(), false)
		cancel()
		switch {
		case err == nil || e.ctx.Err() != nil:
		case errors.Is(err, kerr.StaleBrokerEpoch), errors.Is(err, kerr.BrokerIDNotRegistered):
			e.over(current, err)
		default:
			e.cfg.Logger.Warn("broker heartbeat", "broker", e.cfg.ID, "epoch", current.number, "error", err)
		}
	}
}

func (e *epochs) number() int64 { return e.current.Load().number }

// nextObject is a new object id of the current epoch.
func (e *epochs) nextObject() kafka.ObjectID { return e.current.Load().processor.NextObject() }

// registered says whether the current epoch is not known to be over.
func (e *epochs) registered() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.renewing
}

// fenced is called by a Processor whose epoch is over. Producers have been told to retry; a new epoch takes them.
func (e *epochs) fenced(cause error) { e.over(e.current.Load(), cause) }

// over starts to register anew, unless old is not the current epoch any more.
func (e *epochs) over(old *epoch, cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.renewing || e.current.Load() != old {
		return
	}
	e.renewing = true
	e.cfg.Logger.Warn("this broker's epoch is fenced: registering anew", "broker", e.cfg.ID, "epoch", e.number(), "error", cause)
	e.renewal.Go(e.renew)
}

func (e *epochs) renew() {
	old := e.current.Load()
	_ = old.processor.Close(e.ctx) // a fenced processor has nothing left to lose
	jitter := e.cfg.jitter()
	for backoff := 50 * time.Millisecond; ; backoff = min(2*backoff, 5*time.Second) {
		attempt, cancel := e.cfg.startContext(e.ctx)
		err := e.register(attempt)
		cancel()
		if err == nil {
			break
		}
		e.cfg.Logger.Warn("registering anew", "broker", e.cfg.ID, "error", err)
		if clock.Sleep(e.ctx, e.cfg.Clock, time.Duration(float64(backoff)*(0.5+jitter()))) != nil {
			return
		}
	}
	e.mu.Lock()
	e.renewing = false
	e.mu.Unlock()
}

// farewell is how long a broker that ends tries to tell the controller. Without an answer its session ends by itself.
const farewell = 1500 * time.Millisecond

// close finishes uploads and commits until ctx ends.
func (e *epochs) close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.renewal.Wait()
	e.beating.Wait()
	if current := e.current.Load(); current != nil {
		if err := current.processor.Close(ctx); err != nil {
			return fmt.Errorf("not every upload and commit ended in time: %w", err)
		}
		goodbye, cancel := context.WithTimeout(ctx, farewell)
		defer cancel()
		if err := e.forwarder.Heartbeat(goodbye, e.cfg.ID, current.number, e.image.Image().Offset(), true); err != nil {
			e.cfg.Logger.Info("could not end the registration, its session will end by itself", "broker", e.cfg.ID, "error", err)
		}
	}
	return nil
}

// Append implements api.Appender on the current epoch's Processor.
func (e *epochs) Append(ctx context.Context, frame *slab.Buffer, batches []api.AppendBatch, timeout time.Duration, done func([]api.AppendResult)) {
	req := &batchprocessor.AppendRequest{Frame: frame, Partitions: make([]batchprocessor.PartitionBatch, len(batches))}
	if timeout > 0 {
		req.Deadline = e.cfg.Clock.Now().Add(timeout)
	}
	for i, b := range batches {
		req.MetadataOffset = max(req.MetadataOffset, b.Partition.MetadataOffset)
		req.Partitions[i] = batchprocessor.PartitionBatch{
			Partition: b.Partition.TopicIDPartition, Coordinator: b.Partition.Coordinator, LogAppendTime: b.LogAppendTime, Batch: b.Batch,
		}
	}
	e.current.Load().processor.Append(ctx, req, func(r batchprocessor.AppendResult) {
		results := make([]api.AppendResult, len(r.Partitions))
		for i, p := range r.Partitions {
			results[i] = api.AppendResult{BaseOffset: p.BaseOffset, AppendTime: p.LogAppendTime, LogStartOffset: p.LogStartOffset}
			if err := kerr.ErrorForCode(p.Error); err != nil {
				results[i].Err = err
			}
		}
		done(results)
	})
}
