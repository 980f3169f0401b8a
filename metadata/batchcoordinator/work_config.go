package batchcoordinator

import (
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
)

// WorkConfig says what is merged when, and how many leases there are.
type WorkConfig struct {
	// MaxLeases is compaction.max.leases: of each partition of __batch_coordinates. MaxLeasesPerBroker is compaction.max.leases.per.broker.
	MaxLeases, MaxLeasesPerBroker int64
	// MaxAttempts is compaction.max.attempts: failures after which work is parked, for ParkedRetry (compaction.parked.retry.ms).
	MaxAttempts int64
	ParkedRetry time.Duration
	// MaxBackoff bounds the wait after a failure, which begins with WorkRetryDelay and doubles (compaction.retry.backoff.max.ms).
	MaxBackoff time.Duration
	// CheckInterval is log.cleaner.backoff.ms: between two looks for key compactions.
	CheckInterval time.Duration

	// Commits are merged together once there are this many objects (compaction.merge.objects), bytes (compaction.merge.bytes) or coordinates
	// (compaction.merge.coordinates) of them, or the oldest is this old (compaction.merge.max.age.ms).
	MergeObjects     int64
	MergeBytes       int64
	MergeCoordinates int64
	MergeAge         time.Duration
	// A partition's merged coordinates are merged again once they have PartitionBytes (compaction.partition.bytes) together, there are
	// PartitionCoordinates (compaction.partition.coordinates) of them, or a few and the oldest is PartitionAge (compaction.partition.max.age) old; one of FinalBytes (compaction.final.bytes) is left alone. ObjectBytes
	// (compaction.object.bytes) bounds what a job writes.
	PartitionBytes       int64
	PartitionCoordinates int64
	PartitionAge         time.Duration
	FinalBytes           int64
	ObjectBytes          int64
	// SweepDelays are the waits before each round of sweeping a fenced epoch's uploads.
	SweepDelays []time.Duration
}

// SetDefaults fills in what is zero.
func (c *WorkConfig) SetDefaults() {
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{
		{&c.ParkedRetry, 24 * time.Hour}, {&c.MaxBackoff, time.Hour}, {&c.CheckInterval, 15 * time.Second}, {&c.MergeAge, 10 * time.Minute},
		{&c.PartitionAge, 24 * time.Hour},
	} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	for _, n := range []struct {
		to    *int64
		value int64
	}{
		{&c.MaxLeases, 64}, {&c.MaxLeasesPerBroker, 4}, {&c.MaxAttempts, 5}, {&c.MergeObjects, 1024}, {&c.MergeBytes, 64 << 20}, {&c.MergeCoordinates, 16 << 10},
		{&c.PartitionBytes, 32 << 20}, {&c.PartitionCoordinates, 1024}, {&c.FinalBytes, 8 << 20}, {&c.ObjectBytes, 256 << 20},
	} {
		if *n.to == 0 {
			*n.to = n.value
		}
	}
	if len(c.SweepDelays) == 0 {
		c.SweepDelays = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
	}
}

// Validate reports every mistake at once.
func (c *WorkConfig) Validate() error {
	var errs []error
	for _, n := range []struct {
		name             string
		value, low, high int64
	}{
		{"compaction.max.leases", c.MaxLeases, 1, 10_000},
		{"compaction.max.leases.per.broker", c.MaxLeasesPerBroker, 1, 1_000},
		{"compaction.max.attempts", c.MaxAttempts, 1, 1_000},
		{"compaction.merge.objects", c.MergeObjects, 2, 100_000},
		{"compaction.merge.bytes", c.MergeBytes, 1, 1 << 30},
		{"compaction.merge.coordinates", c.MergeCoordinates, 2, 1_000_000},
		{"compaction.partition.bytes", c.PartitionBytes, 1, 1 << 30},
		{"compaction.partition.coordinates", c.PartitionCoordinates, 2, 100_000},
		{"compaction.final.bytes", c.FinalBytes, 1, 1 << 30},
		{"compaction.object.bytes", c.ObjectBytes, 1, 1 << 30},
	} {
		if n.value < n.low || n.value > n.high {
			errs = append(errs, fmt.Errorf("batch coordinator: %s is %d, want %d to %d", n.name, n.value, n.low, n.high))
		}
	}
	if c.PartitionBytes > c.ObjectBytes {
		errs = append(errs, fmt.Errorf("batch coordinator: compaction.partition.bytes is %d, want at most compaction.object.bytes, %d", c.PartitionBytes, c.ObjectBytes))
	}
	for _, d := range append([]time.Duration{c.ParkedRetry, c.MaxBackoff, c.CheckInterval, c.MergeAge, c.PartitionAge}, c.SweepDelays...) {
		if d < time.Millisecond {
			errs = append(errs, fmt.Errorf("batch coordinator: a wait of work is %v, want at least 1ms", d))
		}
	}
	return errors.Join(errs...)
}

// policy is what travels in the commands.
func (c *Coordinator) policy() state.WorkPolicy {
	w := &c.cfg.Work
	p := state.WorkPolicy{
		LeaseMillis: c.cfg.WorkLease.Milliseconds(), DeleteDelayMillis: c.cfg.ObjectDeleteDelay.Milliseconds(),
		MaxLeases: w.MaxLeases, MaxLeasesPerBroker: w.MaxLeasesPerBroker, MaxAttempts: w.MaxAttempts,
		BackoffMillis: c.cfg.WorkRetryDelay.Milliseconds(), MaxBackoffMillis: w.MaxBackoff.Milliseconds(), ParkedMillis: w.ParkedRetry.Milliseconds(),
		MergeObjects: w.MergeObjects, MergeBytes: w.MergeBytes, MergeCoordinates: w.MergeCoordinates, MergeAgeMillis: w.MergeAge.Milliseconds(),
		RunBytes: w.PartitionBytes, RunCoordinates: w.PartitionCoordinates, RunAgeMillis: w.PartitionAge.Milliseconds(), RunMaxBytes: w.ObjectBytes, FinalBytes: w.FinalBytes,
		SweepMillis: make([]int64, len(w.SweepDelays)),
	}
	for i, d := range w.SweepDelays {
		p.SweepMillis[i] = d.Milliseconds()
	}
	return p
}
