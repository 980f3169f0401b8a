package compaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// Deleter is the part of a bucket that the jobs need.
type Deleter interface {
	DeleteMany(ctx context.Context, keys []string) []error
}

// Config of the jobs of one broker.
type Config struct {
	Cluster      kafka.ClusterID
	Broker       int32
	BrokerEpoch  func() int64
	Coordinators int32 // partitions of __batch_coordinates
	Work         rpc.WorkRequester
	Bucket       Deleter
	Clock        clock.Clock
	Jitter       func() float64 // in [0,1)
	Logger       *slog.Logger
	Registerer   prometheus.Registerer

	MaxObjects int32         // in one lease; default 500
	Wait       time.Duration // how long a request for work parks; default 1 min
}

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	if c.MaxObjects == 0 {
		c.MaxObjects = 500
	}
	if c.Wait == 0 {
		c.Wait = time.Minute
	}
}

// Jobs asks for work and does it.
type Jobs struct {
	cfg     Config
	metrics *metrics
	cancel  context.CancelFunc
	loops   sync.WaitGroup
}

// New starts one loop for each coordinator partition.
func New(cfg Config) *Jobs {
	cfg.SetDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	j := &Jobs{cfg: cfg, metrics: newMetrics(cfg.Registerer, cfg.Clock), cancel: cancel}
	for p := range cfg.Coordinators {
		j.loops.Go(func() { j.run(ctx, p) })
	}
	return j
}

// Close ends the loops and waits; a deletion in flight is cut short and leased again later.
func (j *Jobs) Close() error {
	j.cancel()
	j.loops.Wait()
	return nil
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

func (j *Jobs) run(ctx context.Context, coordinator int32) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		err := j.once(ctx, coordinator)
		if err == nil {
			j.metrics.succeeded()
			backoff = firstBackoff
			continue
		}
		if ctx.Err() != nil {
			return
		}
		j.cfg.Logger.Warn("compaction: a job failed and will be leased again", "cluster", j.cfg.Cluster, "coordinator", coordinator, "error", err)
		wait := time.Duration(float64(backoff) * (0.5 + j.cfg.Jitter()))
		_ = clock.Sleep(ctx, j.cfg.Clock, wait) // ends early only with ctx, which the loop looks at
		backoff = min(2*backoff, lastBackoff)
	}
}

// once leases one page of objects, deletes what may be deleted and reports it.
func (j *Jobs) once(ctx context.Context, coordinator int32) error {
	leased, err := j.cfg.Work.RequestWork(ctx, &rpc.RequestWorkRequest{
		Coordinator: coordinator, Broker: j.cfg.Broker, BrokerEpoch: j.cfg.BrokerEpoch(), MaxObjects: j.cfg.MaxObjects, WaitMillis: j.cfg.Wait.Milliseconds(),
	})
	if err != nil {
		return fmt.Errorf("requesting work: %w", err)
	}
	if len(leased.Objects) == 0 {
		return nil
	}
	objects, err := j.releasedEverywhere(ctx, coordinator, leased.Objects)
	if err != nil {
		return err
	}
	deleted, deleteErr := j.deleteObjects(ctx, objects)
	// Also with nothing deleted: completing returns the others to the coordinator.
	_, err = j.cfg.Work.CompleteWork(ctx, &rpc.CompleteWorkRequest{
		Coordinator: coordinator, Broker: j.cfg.Broker, BrokerEpoch: j.cfg.BrokerEpoch(), Lease: leased.Lease, Deleted: deleted,
	})
	if errors.Is(err, kerr.FencedInstanceID) {
		err = fmt.Errorf("lease %d ran out before it was completed: %w", leased.Lease, err)
	}
	if err = errors.Join(err, deleteErr); err == nil && len(deleted) == 0 {
		// Everything waits for other coordinator partitions. Asking again at once would be a busy loop.
		return clock.Sleep(ctx, j.cfg.Clock, lastBackoff)
	}
	return err
}

// releasedEverywhere keeps the objects that the other owning partitions have released, too.
func (j *Jobs) releasedEverywhere(ctx context.Context, self int32, objects []rpc.ReleasedObject) ([]kafka.ObjectID, error) {
	ask := map[int32][]kafka.ObjectID{}
	for _, o := range objects {
		for _, c := range o.Coordinators {
			if c != self {
				ask[c] = append(ask[c], o.Object)
			}
		}
	}
	held := map[kafka.ObjectID]bool{}
	for c, ids := range ask {
		resp, err := j.cfg.Work.CheckReleased(ctx, &rpc.CheckReleasedRequest{Coordinator: c, Objects: ids})
		if err != nil {
			return nil, fmt.Errorf("asking coordinator partition %d what it has released: %w", c, err)
		}
		if len(resp.Released) != len(ids) {
			return nil, fmt.Errorf("coordinator partition %d answered for %d of %d objects", c, len(resp.Released), len(ids))
		}
		for i, id := range ids {
			if !resp.Released[i] {
				held[id] = true
			}
		}
	}
	var free []kafka.ObjectID
	for _, o := range objects {
		if !held[o.Object] {
			free = append(free, o.Object)
		}
	}
	return free, nil
}

// deleteObjects returns the objects that are gone; the error names one that is not.
func (j *Jobs) deleteObjects(ctx context.Context, objects []kafka.ObjectID) (deleted []kafka.ObjectID, failed error) {
	if len(objects) == 0 {
		return nil, nil
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key(j.cfg.Cluster)
	}
	for i, err := range j.cfg.Bucket.DeleteMany(ctx, keys) {
		if err == nil {
			deleted = append(deleted, objects[i])
		} else if failed == nil {
			failed = fmt.Errorf("deleting %s: %w", keys[i], err)
		}
	}
	j.metrics.deleted(len(deleted), len(objects)-len(deleted))
	return deleted, failed
}
