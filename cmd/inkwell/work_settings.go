package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
)

// workSettings say what is merged, compacted, deleted and swept when. The metadata node decides that; brokers only have the settings of what a job may cost.
type workSettings struct {
	lease, backoff time.Duration
	sweeps         string
	batchcoordinator.WorkConfig
}

// define gives every setting the default that a Batch Coordinator has without it.
func (w *workSettings) define(s *settings.Set) {
	w.SetDefaults()
	size := func(p *int64, name string, high int64, help string) { s.Bytes(p, name, sizeText(*p), 1, high, help) }
	count := func(p *int64, name string, low, high int64, help string) { s.Int(p, name, *p, low, high, help) }
	wait := func(p *time.Duration, name string, help string) {
		s.Duration(p, name, *p, time.Millisecond, 365*24*time.Hour, help)
	}
	count(&w.MergeObjects, "compaction.merge.objects", 2, 100_000, "small objects of one merge: it starts when so many wait")
	size(&w.MergeBytes, "compaction.merge.bytes", 1<<30, "or when so many bytes wait")
	count(&w.MergeCoordinates, "compaction.merge.coordinates", 2, 1_000_000, "or when so many batch coordinates wait; also the most of one job")
	wait(&w.MergeAge, "compaction.merge.max.age", "or when the oldest waits for so long")
	size(&w.PartitionBytes, "compaction.partition.bytes", 1<<30, "a partition's merged history is merged again when there is so much of it in pieces, at most compaction.object.bytes")
	count(&w.PartitionCoordinates, "compaction.partition.coordinates", 2, 100_000, "or when there are so many pieces")
	wait(&w.PartitionAge, "compaction.partition.max.age", "or when there are a few and the oldest was written so long ago")
	size(&w.FinalBytes, "compaction.final.bytes", 1<<30, "size at which a merged piece is left as it is")
	size(&w.ObjectBytes, "compaction.object.bytes", 1<<30, "most bytes of an object that a job writes")
	count(&w.MaxLeases, "compaction.max.leases", 1, 10_000, "jobs at a time of each partition of __batch_coordinates")
	count(&w.MaxLeasesPerBroker, "compaction.max.leases.per.broker", 1, 1_000, "of them, at one broker")
	w.lease = time.Minute
	s.Duration(&w.lease, "compaction.lease.timeout", w.lease, time.Second, time.Hour, "time after which a job that its broker does not renew is given to another")
	w.backoff = 30 * time.Second
	wait(&w.backoff, "compaction.retry.backoff", "wait before a job that failed is tried again; it doubles with each failure")
	wait(&w.MaxBackoff, "compaction.retry.backoff.max", "longest such wait")
	count(&w.MaxAttempts, "compaction.max.attempts", 1, 1_000, "failures after which a job is parked")
	wait(&w.ParkedRetry, "compaction.parked.retry", "time that a parked job rests")
	wait(&w.CheckInterval, "log.cleaner.backoff", "time between two looks for topics to compact by key")
	texts := make([]string, len(w.SweepDelays))
	for i, d := range w.SweepDelays {
		texts[i] = durationText(d)
	}
	s.String(&w.sweeps, "compaction.sweep.delays", strings.Join(texts, ","),
		"waits before each look for uploads that a broker left behind when it died, TIME[,TIME...]; the last must outlast what a store may list late", w.parseSweeps)
}

// parseSweeps is the check of compaction.sweep.delays, and keeps what it read.
func (w *workSettings) parseSweeps(text string) error {
	fields := strings.Split(text, ",")
	if len(fields) > 32 {
		return errors.New("want at most 32 times")
	}
	delays := make([]time.Duration, len(fields))
	for i, field := range fields {
		d, err := time.ParseDuration(strings.TrimSpace(field))
		if err != nil || d < time.Millisecond || d > 365*24*time.Hour {
			return fmt.Errorf("%q: want times such as 1m,10m,1h, each from 1ms to 8760h", field)
		}
		delays[i] = d
	}
	w.SweepDelays = delays
	return nil
}

// sizeText writes a size as settings take it, in the largest unit that divides it.
func sizeText(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// durationText is d without zeros at its end: 10m, not 10m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if t, ok := strings.CutSuffix(text, "m0s"); ok {
		text = t + "m"
	}
	if t, ok := strings.CutSuffix(text, "h0m"); ok {
		text = t + "h"
	}
	return text
}
