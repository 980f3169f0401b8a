package batchcoordinator

import (
	"context"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// enableRetry is how soon the feature level is looked at again while it may not be raised yet.
const enableRetry = time.Second

// planWork raises the feature level as soon as it may be, and then looks for key compactions that are due. Everything else comes up by itself, where
// commits and completions are applied.
func (c *Coordinator) planWork(ctx context.Context) {
	for {
		enabled, err := c.enableWork(ctx)
		c.ran(ctx, "enable_work", err)
		if enabled {
			break
		}
		if clock.Sleep(ctx, c.cfg.Clock, enableRetry) != nil {
			return
		}
	}
	for clock.Sleep(ctx, c.cfg.Clock, c.cfg.Work.CheckInterval) == nil {
		c.ran(ctx, "plan_work", c.planCompactions(ctx))
		c.ran(ctx, "work_metrics", c.measureWork())
	}
}

// enableWork says whether the second feature level of work is in force.
func (c *Coordinator) enableWork(ctx context.Context) (bool, error) {
	if err := c.log.ReadBarrier(ctx); err != nil {
		return false, err
	}
	if enabled, err := c.workEnabled(); enabled || err != nil {
		return enabled, err
	}
	if !c.cfg.Allow(state.KindEnableWork) {
		return false, nil
	}
	for {
		r, err := propose[state.EnableResult](ctx, c, &state.EnableWork{Level: 1, MaxCoordinates: c.cfg.PageCoordinates, Policy: c.policy()})
		if err != nil || r.Level > 0 {
			c.work.wake()
			return err == nil, err
		}
	}
}

// planCompactions looks at the compacted partitions of the image, one read each, and proposes those that are due.
func (c *Coordinator) planCompactions(ctx context.Context) error {
	type candidate struct {
		partition kafka.TopicIDPartition
		settings  state.CompactionSettings
	}
	var candidates []candidate
	c.image.Partitions(c.cfg.Partition, func(tp kafka.TopicIDPartition, info PartitionInfo) bool {
		if info.Compact {
			candidates = append(candidates, candidate{tp, info.Compaction})
		}
		return true
	})
	for len(candidates) > 0 {
		n := min(len(candidates), partitionsPerView)
		cmd := &state.PlanCompaction{}
		now := c.nowMillis()
		err := c.view(func(r statestore.Reader) {
			for _, p := range candidates[:n] {
				if state.CompactionDue(r, p.partition, p.settings, now) {
					cmd.Partitions = append(cmd.Partitions, state.CompactionPlan{
						Partition: p.partition, MinLagMillis: p.settings.MinLagMillis, DeleteRetentionMillis: p.settings.DeleteRetentionMillis})
				}
			}
		})
		if err != nil {
			return err
		}
		candidates = candidates[n:]
		if len(cmd.Partitions) == 0 {
			continue
		}
		if _, err := propose[state.PlanResult](ctx, c, cmd); err != nil {
			return fmt.Errorf("plan key compaction: %w", err)
		}
		c.work.wake()
	}
	return nil
}

// measureWork sets the gauges of what waits and of what is there.
func (c *Coordinator) measureWork() error {
	now := c.nowMillis()
	err := c.view(func(r statestore.Reader) {
		c.metrics.measured(state.SummarizeWork(r, c.cfg.ObjectDeleteDelay.Milliseconds(), now, maxSummedWork), now)
	})
	var total state.LiveData
	for next := []byte(nil); err == nil; {
		err = c.view(func(r statestore.Reader) { next = state.SumPartitions(r, next, partitionsPerView, &total) })
		if next == nil {
			break
		}
	}
	if err == nil {
		c.metrics.liveCoordinates.WithLabelValues().Set(float64(total.Coordinates))
		c.metrics.liveBytes.WithLabelValues().Set(float64(total.Bytes))
	}
	return err
}
