package batchcoordinator

import (
	"context"
	"fmt"
	"slices"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// followMetadata brings deletions of topics and ends of broker epochs from the image into the state.
func (c *Coordinator) followMetadata(ctx context.Context) {
	const loop = "follow_metadata"
	for {
		changed := c.image.Changed()
		err := c.compareWithImage(ctx)
		c.ran(ctx, loop, err)
		if clock.Sleep(ctx, c.cfg.Clock, c.cfg.MetadataFollowInterval) != nil {
			return
		}
		if err != nil {
			continue
		}
		if !c.awaitChange(ctx, changed) {
			return
		}
	}
}

// awaitChange returns true when the image changed, or after a while: a commit that was checked just before a deletion may have
// been applied just after the deletion was followed, and the image need not change again to show that.
func (c *Coordinator) awaitChange(ctx context.Context, changed <-chan struct{}) bool {
	timer := c.cfg.Clock.NewTimer(c.cfg.RetentionCheckInterval)
	defer timer.Stop()
	select {
	case <-changed:
		return true
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Coordinator) compareWithImage(ctx context.Context) error {
	if err := c.fenceBrokers(ctx, false); err != nil {
		return fmt.Errorf("fence brokers: %w", err)
	}
	if err := c.log.ReadBarrier(ctx); err != nil {
		return err
	}
	var known []kafka.TopicID
	var seen int64
	if err := c.view(func(r statestore.Reader) { known, seen = state.Topics(r), state.MetadataOffset(r) }); err != nil {
		return err
	}
	// A topic of the state was in some leader's image at this offset. This replica's image may be older; only one that is as
	// new can say that the topic was deleted and not that it is not there yet.
	if err := c.image.WaitFor(ctx, seen); err != nil {
		return err
	}
	for _, id := range known {
		if c.image.HasTopic(id) {
			continue
		}
		if err := c.deleteTopic(ctx, id); err != nil {
			return fmt.Errorf("delete topic %s: %w", id, err)
		}
	}
	return nil
}

func (c *Coordinator) deleteTopic(ctx context.Context, id kafka.TopicID) error {
	for more := true; more; {
		r, err := propose[state.DeleteTopicResult](ctx, c, &state.DeleteTopic{ID: id, MaxCoordinates: c.cfg.PageCoordinates})
		if err != nil {
			return err
		}
		c.released(r.Released)
		more = r.More
	}
	c.metrics.topicsDeleted.Inc()
	c.logger.Info("followed the deletion of a topic", "topic_id", id.String())
	return nil
}

// fenceBrokers writes the image's live epochs into the state when they differ. With evenEqual it does so also when they are the same:
// an epoch that began and ended since is then fenced, too.
func (c *Coordinator) fenceBrokers(ctx context.Context, evenEqual bool) error {
	asOf, live := c.image.LiveBrokers()
	if asOf < 0 {
		return nil
	}
	var old state.FenceBrokers
	if err := c.view(func(r statestore.Reader) { old = state.Fenced(r) }); err != nil {
		return err
	}
	// asOf is the last record shown; the state's bound is the first epoch that it says nothing about.
	next := &state.FenceBrokers{MetadataOffset: asOf + 1, Live: live}
	if c.cfg.Partition == 0 {
		next.SweepAfterMillis = c.cfg.Work.SweepDelays[0].Milliseconds() // one partition has an epoch swept
	}
	if next.MetadataOffset <= old.MetadataOffset || slices.Equal(live, old.Live) && !evenEqual {
		return nil
	}
	r, err := propose[state.FenceResult](ctx, c, next)
	if err == nil && r.Fenced > 0 {
		c.work.wake() // its leases came back
	}
	return err
}
