package metadatacache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// Config of a Cache.
type Config struct {
	Cluster    kafka.ClusterID // for logs
	Follower   rpc.TopicFollower
	Clock      clock.Clock           // the system's if nil
	Rand       *rand.Rand            // jitter; used by the cache alone
	Logger     *slog.Logger          // none if nil
	Registerer prometheus.Registerer // no metrics if nil

	PollWait    time.Duration // how long a poll waits for a record, 10 s
	PollTimeout time.Duration // how much longer a poll's answer may take, 5 s
	PollBytes   int32         // of records in one answer, 4 MiB
	MinBackoff  time.Duration // after the first failed poll, 50 ms
	MaxBackoff  time.Duration // after many, 2 s
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{
		{&c.PollWait, 10 * time.Second},
		{&c.PollTimeout, 5 * time.Second},
		{&c.MinBackoff, 50 * time.Millisecond},
		{&c.MaxBackoff, 2 * time.Second},
	} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	if c.PollBytes == 0 {
		c.PollBytes = 4 << 20
	}
}

// Validate reports every mistake.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("metadata cache: "+format, args...))
		}
	}
	check(c.Follower != nil, "Follower is not set")
	check(c.Rand != nil, "Rand is not set")
	check(c.PollWait >= time.Millisecond && c.PollWait <= 10*time.Minute, "PollWait is %v, want 1ms to 10m", c.PollWait)
	check(c.PollTimeout >= time.Millisecond, "PollTimeout is %v, want at least 1ms", c.PollTimeout)
	check(c.PollBytes > 0, "PollBytes is %d, want at least 1", c.PollBytes)
	check(c.MinBackoff >= time.Millisecond && c.MinBackoff <= c.MaxBackoff, "MinBackoff is %v, want 1ms to MaxBackoff (%v)", c.MinBackoff, c.MaxBackoff)
	return errors.Join(errs...)
}

// Cache is one broker's view of its cluster.
type Cache struct {
	cfg     Config
	latest  *clusterimage.Latest
	metrics *metrics
	cancel  context.CancelCauseFunc
	done    sync.WaitGroup
}

// New starts to follow the topic. The image is empty until the first poll has brought it up to date: WaitFor says when.
func New(cfg Config) (*Cache, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Cache{cfg: cfg, latest: clusterimage.NewLatest()}
	c.metrics = newMetrics(cfg.Clock, c.latest)
	if err := c.metrics.register(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("metadata cache: %w", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.follow(ctx) })
	return c, nil
}

// Image is the newest image.
func (c *Cache) Image() *clusterimage.Image { return c.latest.Image() }

// WaitFor returns nil once the image shows the record at offset; at once for a negative offset. After Close it waits until ctx ends.
func (c *Cache) WaitFor(ctx context.Context, offset int64) error {
	return c.latest.WaitFor(ctx, offset)
}

// Changed is closed when the image moves on. Take it before looking at the image.
func (c *Cache) Changed() <-chan struct{} { return c.latest.Changed() }

// Close stops following and returns when the loop has ended. The last image stays.
func (c *Cache) Close() error {
	c.cancel(kafka.ErrClosed)
	c.done.Wait()
	c.metrics.unregister(c.cfg.Registerer)
	return nil
}
