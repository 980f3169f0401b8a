package batchcoordinator

import (
	"context"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// partitionsPerView bounds how long one view is held, and how many partitions one command names.
const partitionsPerView = 256

// checkRetention looks at the first coordinate of each partition and proposes a pop only where one is due. The look may be stale:
// the command says what may go, and Apply judges.
func (c *Coordinator) checkRetention(ctx context.Context) error {
	now := c.nowMillis()
	var limits []state.PartitionRetention
	c.image.Partitions(c.cfg.Partition, func(tp kafka.TopicIDPartition, info PartitionInfo) bool {
		keep := state.PartitionRetention{Partition: tp, Cutoff: -1, MaxBytes: -1}
		if info.RetentionMs >= 0 {
			keep.Cutoff = now - info.RetentionMs
		}
		if info.RetentionBytes >= 0 {
			keep.MaxBytes = info.RetentionBytes
		}
		if info.Delete && (keep.Cutoff >= 0 || keep.MaxBytes >= 0) {
			limits = append(limits, keep)
		}
		return true
	})
	for len(limits) > 0 {
		n := min(len(limits), partitionsPerView)
		if err := c.applyRetention(ctx, limits[:n]); err != nil {
			return err
		}
		limits = limits[n:]
	}
	return nil
}

func (c *Coordinator) applyRetention(ctx context.Context, limits []state.PartitionRetention) error {
	cmd := &state.ApplyRetention{MaxCoordinates: c.cfg.PageCoordinates}
	err := c.view(func(r statestore.Reader) {
		for _, keep := range limits {
			if state.RetentionDue(r, keep) {
				cmd.Partitions = append(cmd.Partitions, keep)
			}
		}
	})
	if err != nil {
		return err
	}
	for more := len(cmd.Partitions) > 0; more; {
		r, err := propose[state.RetentionResult](ctx, c, cmd)
		if err != nil {
			return err
		}
		c.metrics.retentionBytes.Add(float64(r.Bytes))
		c.metrics.retentionCoordinates.Add(float64(r.Coordinates))
		c.released(r.Released)
		more = r.More
	}
	return nil
}

// expireProducers finds producers that were idle for producer.id.expiration.ms.
func (c *Coordinator) expireProducers(ctx context.Context) error {
	const maxScan, limit = 10_000, 1_000
	cutoff := c.nowMillis() - c.cfg.ProducerIDExpiration.Milliseconds()
	var next []byte
	for {
		var expired []state.PartitionProducer
		err := c.view(func(r statestore.Reader) { expired, next = state.ExpiredProducers(r, cutoff, next, maxScan, limit) })
		if err != nil {
			return err
		}
		if len(expired) > 0 {
			r, err := propose[state.ExpireResult](ctx, c, &state.ExpireProducers{Cutoff: cutoff, Producers: expired})
			if err != nil {
				return err
			}
			c.metrics.producersExpired.Add(float64(r.Expired))
		}
		if next == nil {
			return nil
		}
	}
}
