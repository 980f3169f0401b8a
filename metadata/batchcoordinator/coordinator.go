package batchcoordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// Coordinator serves one partition of __batch_coordinates.
type Coordinator struct {
	cfg     Config
	log     raftlog.Log
	image   MetadataImage
	logger  *slog.Logger
	metrics *metrics
	work    broadcast // an object was released or came back: parked requests for work look again

	cancel context.CancelCauseFunc
	done   sync.WaitGroup
}

var (
	_ rpc.ObjectCommitter    = (*Coordinator)(nil)
	_ rpc.SegmentFinder      = (*Coordinator)(nil)
	_ rpc.OffsetLister       = (*Coordinator)(nil)
	_ rpc.RecordDeleter      = (*Coordinator)(nil)
	_ rpc.PartitionDescriber = (*Coordinator)(nil)
	_ rpc.WorkRequester      = (*Coordinator)(nil)
	_ rpc.WorkDescriber      = (*Coordinator)(nil)
	_ rpc.ObjectDescriber    = (*Coordinator)(nil)
)

// New starts a coordinator, which serves whenever its replica leads.
func New(cfg Config) (*Coordinator, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Coordinator{
		cfg: cfg, log: cfg.Log, image: cfg.Metadata,
		logger: cfg.Logger.With("cluster", string(cfg.Cluster), "topic", rpc.BatchCoordinatesTopic, "partition", cfg.Partition),
	}
	c.work.init()
	c.metrics = newMetrics(cfg)
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.followLeadership(ctx) })
	return c, nil
}

// Close stops the loops and waits for them. Calls that are under way end with their own contexts. Close is safe twice.
func (c *Coordinator) Close() error {
	c.cancel(kafka.ErrClosed)
	c.done.Wait()
	c.metrics.unregister()
	return nil
}

// followLeadership runs the leader's loops while this replica leads.
func (c *Coordinator) followLeadership(ctx context.Context) {
	for ctx.Err() == nil {
		changed := c.log.LeadershipChanged() // before Leadership, so that no change is missed
		if c.log.Leadership().IsLeader {
			c.lead(ctx)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// lead returns when leadership, this term's, is lost and the loops have ended.
func (c *Coordinator) lead(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	defer c.metrics.notLeading() // last: the loops set gauges
	defer loops.Wait()
	defer cancel()
	term := c.log.Leadership().Term
	c.logger.Info("leading", "term", term)
	loops.Go(func() { c.every(ctx, "retention", c.cfg.RetentionCheckInterval, c.checkRetention) })
	loops.Go(func() {
		c.every(ctx, "producer_expiry", c.cfg.ProducerIDExpirationCheckInterval, c.expireProducers)
	})
	loops.Go(func() { c.followMetadata(ctx) })
	loops.Go(func() { c.planWork(ctx) })
	for {
		changed := c.log.LeadershipChanged()
		if l := c.log.Leadership(); !l.IsLeader || l.Term != term {
			c.logger.Info("no longer leading", "term", l.Term, "leader", l.Leader)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// maxFirstDelay is when a loop runs first (log.initial.task.delay.ms): a process that is often restarted cleans up, too.
const maxFirstDelay = 30 * time.Second

func (c *Coordinator) every(ctx context.Context, loop string, interval time.Duration, run func(context.Context) error) {
	for wait := min(interval, maxFirstDelay); clock.Sleep(ctx, c.cfg.Clock, wait) == nil; wait = interval {
		c.ran(ctx, loop, run(ctx))
	}
}

func (c *Coordinator) ran(ctx context.Context, loop string, err error) {
	switch {
	case err == nil:
		c.metrics.loopSucceeded(loop, c.cfg.Clock.Now())
	case ctx.Err() != nil || errors.Is(err, kerr.NotCoordinator): // the next leader's
	default:
		c.logger.Warn("loop failed and will run again", "loop", loop, "error", err)
	}
}

func (c *Coordinator) nowMillis() int64 { return c.cfg.Clock.Now().UnixMilli() }

// propose replicates cmd and returns its result.
func propose[R any](ctx context.Context, c *Coordinator, cmd state.Command) (R, error) {
	v, err := c.log.Propose(ctx, state.Encode(c.nowMillis(), cmd))
	r, ok := v.(R)
	if err == nil && !ok {
		err = fmt.Errorf("the log answered %T to %T", v, cmd)
	}
	return r, err
}

// prepare is the beginning of every read: the callee's image is as new as the caller's, and the state is current.
func (c *Coordinator) prepare(ctx context.Context, coordinator int32, metadataOffset int64) error {
	if err := c.accept(ctx, coordinator, metadataOffset); err != nil {
		return err
	}
	return c.log.ReadBarrier(ctx)
}

// accept refuses what is for another partition or another leader and waits for the caller's image.
func (c *Coordinator) accept(ctx context.Context, coordinator int32, metadataOffset int64) error {
	if coordinator != c.cfg.Partition {
		return fmt.Errorf("request for partition %d of %s at partition %d: %w", coordinator, rpc.BatchCoordinatesTopic, c.cfg.Partition, kerr.NotCoordinator)
	}
	if !c.log.Leadership().IsLeader {
		return kerr.NotCoordinator
	}
	return c.image.WaitFor(ctx, metadataOffset)
}

// owns returns the code that a partition is refused with, 0 when it belongs here.
func (c *Coordinator) owns(tp kafka.TopicIDPartition) (PartitionInfo, int16) {
	info, ok := c.image.Partition(tp)
	switch {
	case !ok:
		return info, kerr.UnknownTopicID.Code
	case info.Coordinator != c.cfg.Partition:
		return info, kerr.NotCoordinator.Code
	}
	return info, 0
}

// view reads the state; what is damaged there is this partition's error and no panic of the node.
func (c *Coordinator) view(fn func(statestore.Reader)) (err error) {
	c.log.View(func(r statestore.Reader) {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case *state.Damaged:
				err = fmt.Errorf("%w: %w", kerr.KafkaStorageError, p)
			case *statestore.Failure:
				err = fmt.Errorf("%w: %w", kerr.KafkaStorageError, p)
			default:
				panic(p)
			}
		}()
		fn(r)
	})
	if err != nil {
		c.logger.Error("the state cannot be read", "error", err)
	}
	return err
}

// broadcast wakes all who wait on its channel.
type broadcast struct {
	mu sync.Mutex // guards ch
	ch chan struct{}
}

func (b *broadcast) init() { b.ch = make(chan struct{}) }

func (b *broadcast) channel() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// released wakes parked requests for work.
func (c *Coordinator) released(objects int) {
	if objects > 0 {
		c.metrics.objectsReleased.Add(float64(objects))
		c.work.wake()
	}
}
