package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Config of one Controller.
type Config struct {
	Cluster kafka.ClusterID
	// ClusterUUID is what clients see as cluster.id; a registering broker must name it or the cluster's name. Empty: not checked.
	ClusterUUID string
	// Log is the log of __metadata; its state machine is state.Machine.
	Log        raftlog.Log
	Clock      clock.Clock
	NewTopicID func() kafka.TopicID  // random, never zero
	Logger     *slog.Logger          // none if nil
	Registerer prometheus.Registerer // no metrics if nil

	BatchCoordinators      int32         // partitions of __batch_coordinates, at least 1
	NumPartitions          int32         // num.partitions, 1
	MaxPartitionsPerTopic  int32         // 10,000
	MaxPartitionsPerCreate int32         // of all topics of one request, 10,000 as in Kafka
	MaxPartitions          int64         // of the cluster, 200,000
	PartitionLimit         func() int64  // the cluster's own limit (max.partitions), below MaxPartitions; none if nil or 0
	AllowCost              func() bool   // whether ReportCost commands may be written; nil: they may
	SessionTimeout         time.Duration // broker.session.timeout.ms, 9 s
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.NumPartitions, 1)
	setDefault(&c.MaxPartitionsPerTopic, 10_000)
	setDefault(&c.MaxPartitionsPerCreate, 10_000)
	setDefault(&c.MaxPartitions, 200_000)
	setDefault(&c.SessionTimeout, 9*time.Second)
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// Validate reports every mistake.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("controller: "+format, args...))
		}
	}
	check(c.Cluster != "", "Cluster is empty")
	check(c.Log != nil, "Log is not set")
	check(c.NewTopicID != nil, "NewTopicID is not set")
	check(c.BatchCoordinators >= 1 && c.BatchCoordinators <= 10_000, "BatchCoordinators is %d, want 1 to 10000", c.BatchCoordinators)
	check(c.MaxPartitionsPerTopic >= 1 && c.MaxPartitionsPerTopic <= 1_000_000, "MaxPartitionsPerTopic is %d, want 1 to 1000000", c.MaxPartitionsPerTopic)
	check(c.NumPartitions >= 1 && c.NumPartitions <= c.MaxPartitionsPerTopic, "num.partitions is %d, want 1 to MaxPartitionsPerTopic (%d)", c.NumPartitions, c.MaxPartitionsPerTopic)
	check(c.MaxPartitionsPerCreate >= 1, "MaxPartitionsPerCreate is %d, want at least 1", c.MaxPartitionsPerCreate)
	check(c.MaxPartitions >= 1, "MaxPartitions is %d, want at least 1", c.MaxPartitions)
	check(c.SessionTimeout >= 100*time.Millisecond, "broker.session.timeout.ms is %d, want at least 100", c.SessionTimeout.Milliseconds())
	return errors.Join(errs...)
}

// Controller of one cluster, on one node.
type Controller struct {
	cfg      Config
	batch    atomic.Int32 // partitions of __batch_coordinates
	sessions sessions
	metrics  *metrics
	cancel   context.CancelCauseFunc
	done     sync.WaitGroup
}

// New starts to watch sessions. Requests may come at once; where this node does not lead they are refused.
func New(cfg Config) (*Controller, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{cfg: cfg, sessions: sessions{timeout: cfg.SessionTimeout}}
	c.batch.Store(cfg.BatchCoordinators)
	c.metrics = newMetrics(cfg.Cluster, cfg.Clock)
	if err := c.metrics.register(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.watchSessions(ctx) })
	return c, nil
}

// SetBatchCoordinators says how many partitions __batch_coordinates has by now: topic-partitions that are created from then on are placed on all of them.
func (c *Controller) SetBatchCoordinators(n int32) { c.batch.Store(n) }

// Close returns when the loop has ended. It does not close the log.
func (c *Controller) Close() error {
	c.cancel(kafka.ErrClosed)
	c.done.Wait()
	c.metrics.unregister(c.cfg.Registerer)
	return nil
}

// maxPartitions is how many partitions the cluster may have now.
func (c *Controller) maxPartitions() int64 {
	if c.cfg.PartitionLimit != nil {
		if limit := c.cfg.PartitionLimit(); limit > 0 {
			return min(limit, c.cfg.MaxPartitions)
		}
	}
	return c.cfg.MaxPartitions
}

// propose replicates one command and gives its result.
func (c *Controller) propose(ctx context.Context, cmd state.Command) (state.Result, error) {
	result, err := c.cfg.Log.Propose(ctx, state.Encode(c.cfg.Clock.Now().UnixMilli(), cmd))
	if err != nil {
		return state.Result{}, fmt.Errorf("__metadata of %s: %w", c.cfg.Cluster, err)
	}
	return result.(state.Result), nil
}

// view is Log.View; a damaged state halts this partition, and ends neither the process nor a connection.
func (c *Controller) view(fn func(statestore.Reader)) error {
	if err := statestore.View(c.cfg.Log, fn); err != nil {
		return fmt.Errorf("__metadata of %s: %w: %w", c.cfg.Cluster, kerr.CoordinatorNotAvailable, err)
	}
	return nil
}

// read calls fn with the state as of now: everything that was acknowledged is in it.
func (c *Controller) read(ctx context.Context, fn func(statestore.Reader)) error {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return fmt.Errorf("__metadata of %s: %w", c.cfg.Cluster, err)
	}
	return c.view(fn)
}
