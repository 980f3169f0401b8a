package metadatacache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
)

// following is where the loop stands.
type following struct {
	builder *clusterimage.Builder
	next    int64
	// loading: the builder's image is older than what is known to exist, so it is not shown yet.
	loading bool
}

func startAt(offset int64) *following {
	return &following{builder: clusterimage.Empty().Edit(), next: offset, loading: true}
}

// follow polls until ctx ends.
func (c *Cache) follow(ctx context.Context) {
	at := startAt(0)
	backoff := c.cfg.MinBackoff
	failing := false
	for ctx.Err() == nil {
		err := c.poll(ctx, at)
		switch {
		case err == nil:
			if failing {
				c.cfg.Logger.Info("following __metadata again", "cluster", c.cfg.Cluster, "offset", c.latest.Offset())
			}
			backoff, failing = c.cfg.MinBackoff, false
			continue
		case ctx.Err() != nil:
			return
		}
		c.metrics.failures.Inc()
		if !failing || backoff == c.cfg.MaxBackoff {
			c.cfg.Logger.Warn("following __metadata: the poll failed, this broker's view may be old", "cluster", c.cfg.Cluster,
				"offset", at.next, "age", c.metrics.age().Round(time.Millisecond), "error", err)
		}
		failing = true
		wait := time.Duration(float64(backoff) * (0.5 + c.cfg.Rand.Float64()/2))
		if clock.Sleep(ctx, c.cfg.Clock, wait) != nil {
			return
		}
		backoff = min(2*backoff, c.cfg.MaxBackoff)
	}
}

// poll asks once and applies the answer.
func (c *Cache) poll(ctx context.Context, at *following) error {
	ask, cancel := context.WithCancelCause(ctx)
	deadline := c.cfg.Clock.AfterFunc(c.cfg.PollWait+c.cfg.PollTimeout, func() { cancel(context.DeadlineExceeded) })
	defer cancel(nil)
	defer deadline.Stop()
	resp, err := c.cfg.Follower.FollowTopic(ask, &rpc.FollowTopicRequest{
		Topic: rpc.MetadataTopic, Offset: at.next, MaxBytes: c.cfg.PollBytes, MaxWaitMillis: int32(c.cfg.PollWait.Milliseconds()),
	})
	if errors.Is(err, kerr.OffsetOutOfRange) {
		return c.rebuild(at, resp)
	}
	if err != nil {
		return err
	}
	for _, r := range resp.Records {
		if r.Offset < at.next {
			continue
		}
		if err := at.builder.Apply(r.Offset, r.Key, r.Value); err != nil {
			c.show(at, resp.HighWatermark) // what came before it is good
			return fmt.Errorf("__metadata cannot be followed further, a newer release may have to run here: %w", err)
		}
		at.next = r.Offset + 1
		c.metrics.records.Inc()
	}
	if resp.NextOffset > at.next { // what is missing below it was compacted away
		at.next = resp.NextOffset
		at.builder.Advance(at.next - 1)
	}
	c.metrics.succeeded()
	c.show(at, resp.HighWatermark)
	return nil
}

// show publishes the builder's image if it is newer than the one that is shown and has all that is known to exist.
func (c *Cache) show(at *following, highWatermark int64) {
	if at.loading && at.next < highWatermark {
		return
	}
	if at.builder.Offset() <= c.latest.Offset() {
		return // a rebuilt image that is still behind
	}
	at.loading = false
	c.latest.Publish(at.builder.Build())
}

// rebuild starts anew where the topic starts now: records between the image and there are gone, and only the compacted
// topic from its start says what became of them.
func (c *Cache) rebuild(at *following, resp *rpc.FollowTopicResponse) error {
	start := int64(0)
	if resp != nil {
		start = resp.StartOffset
	}
	c.metrics.rebuilds.Inc()
	c.cfg.Logger.Info("building the view of __metadata anew: records that it missed are gone", "cluster", c.cfg.Cluster, "offset", at.next, "start", start)
	again := at.next == start && at.loading
	*at = *startAt(start)
	if again {
		return fmt.Errorf("__metadata has no offset %d, its own start: %w", start, kerr.OffsetOutOfRange)
	}
	return nil
}
