package compaction

import (
	"context"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/rpc"
)

// Jobs asks for work and does it.
type Jobs struct {
	cfg      Config
	metrics  *metrics
	memory   *slab.Arena // of what rewriting jobs read and write
	bytes    *budget
	requests *budget
	slots    chan struct{} // one in it for each job that rewrites
	cancel   context.CancelFunc
	loops    sync.WaitGroup
}

var (
	rewriting = []rpc.WorkKind{rpc.WorkMerge, rpc.WorkCompactKeys}
	deleting  = []rpc.WorkKind{rpc.WorkDelete, rpc.WorkSweep}
)

// New starts two loops for each coordinator partition, also for those that come later.
func New(cfg Config) *Jobs {
	j, ctx := newJobs(cfg)
	started := j.startLoops(ctx, 0)
	j.loops.Go(func() {
		for clock.Sleep(ctx, cfg.Clock, lookInterval) == nil {
			started = j.startLoops(ctx, started)
		}
	})
	return j
}

// newJobs has no loops; ctx is theirs.
func newJobs(cfg Config) (*Jobs, context.Context) {
	cfg.SetDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Jobs{
		cfg: cfg, metrics: newMetrics(cfg.Registerer, cfg.Clock), cancel: cancel, slots: make(chan struct{}, cfg.Settings.MaxConcurrentJobs),
		memory: cfg.Buffers.NewArena(int64(cfg.Settings.MaxConcurrentJobs) * cfg.jobBytes()),
		bytes:  newBudget(cfg.Clock, cfg.Settings.BytesPerSecond), requests: newBudget(cfg.Clock, cfg.Settings.RequestsPerSecond),
	}, ctx
}

// lookInterval is how soon a coordinator partition that is new has its jobs.
const lookInterval = 10 * time.Second

// startLoops starts those of the coordinator partitions from started on, and returns how many have theirs.
func (j *Jobs) startLoops(ctx context.Context, started int32) int32 {
	n := max(started, j.cfg.View.BatchCoordinators())
	for p := started; p < n; p++ {
		j.loops.Go(func() { j.run(ctx, p, deleting) })
		j.loops.Go(func() { j.run(ctx, p, rewriting) })
	}
	return n
}

// Close ends the loops and waits; a job in flight is cut short and leased again later.
func (j *Jobs) Close() error {
	j.cancel()
	j.loops.Wait()
	j.memory.Close()
	j.cfg.Buffers.Trim()
	return nil
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

func (j *Jobs) run(ctx context.Context, coordinator int32, kinds []rpc.WorkKind) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		err := j.once(ctx, coordinator, kinds)
		if err == nil {
			j.metrics.succeeded()
			backoff = firstBackoff
			continue
		}
		if ctx.Err() != nil {
			return
		}
		j.cfg.Logger.Warn("compaction: looking for work or a job failed; it is tried again", "cluster", j.cfg.Cluster, "coordinator", coordinator, "error", err)
		wait := time.Duration(float64(backoff) * (0.5 + j.cfg.Jitter()))
		_ = clock.Sleep(ctx, j.cfg.Clock, wait) // ends early only with ctx, which the loop looks at
		backoff = min(2*backoff, lastBackoff)
	}
}

// waitForSlot returns when a job that rewrites could begin, so that no lease is taken that others could work on.
func (j *Jobs) waitForSlot(ctx context.Context) error {
	select {
	case j.slots <- struct{}{}:
		<-j.slots
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
