package compaction

import (
	"context"
	"errors"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/rpc"
)

// errMapFull: the keys do not fit the map; with more passes each has fewer.
var errMapFull = errors.New("log.cleaner.dedupe.buffer.size is too small for the keys")

// maxPasses bounds how often a key compaction reads its input.
const maxPasses = 1 << 10

// compactKeys keeps the latest record of each key, to the rules of Kafka's log cleaner. First the keys of the dirty part are read, then everything is written
// without the records that a later one replaces. Keys that do not fit the map are looked at in several passes, each for those of some hashes; what a pass finds replaced is
// remembered, one bit for a record.
func (w *job) compactKeys(ctx context.Context, work *rpc.CompactKeysWork) (*rpc.CompleteWorkRequest, error) {
	run := rpc.PartitionRun{Partition: work.Partition, Coordinates: work.Coordinates}
	if err := checkRun(run); err != nil {
		return nil, err
	}
	w.tookOn(run)
	var outdated outdated
	var err error
	for passes := uint64(1); ; passes *= 2 {
		outdated, err = w.findOutdated(ctx, work, passes)
		if !errors.Is(err, errMapFull) {
			break
		}
		if passes == maxPasses {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	defer outdated.release()
	return w.writeCompacted(ctx, work, run, outdated)
}

// outdated says of each record, in their order, whether a later one has its key: by the map of all keys, or by what the passes noted.
type outdated struct {
	keys  *offsetMap
	noted []uint64
}

func (o *outdated) release() {
	if o.keys != nil {
		o.keys.release()
	}
}

func (o *outdated) is(index int64, offset int64, key []byte) bool {
	if o.keys != nil {
		return offset < o.keys.get(hashKey(key))
	}
	return index>>6 < int64(len(o.noted)) && o.noted[index>>6]&(1<<(index&63)) != 0
}

func (o *outdated) note(index int64) {
	for index>>6 >= int64(len(o.noted)) {
		o.noted = append(o.noted, 0)
	}
	o.noted[index>>6] |= 1 << (index & 63)
}

func (w *job) findOutdated(ctx context.Context, work *rpc.CompactKeysWork, passes uint64) (o outdated, err error) {
	records := int64(0) // at most
	var dirty []rpc.Coordinate
	for _, c := range work.Coordinates {
		if c.LastOffset >= work.FirstDirtyOffset {
			dirty = append(dirty, c)
			records += c.LastOffset - c.BaseOffset + 1
		}
	}
	keys := newOffsetMap(w.cfg.Buffers, w.cfg.Settings.DedupeBufferBytes, records)
	if passes == 1 {
		if err := w.readKeys(ctx, dirty, work, keys, 0, 1); err != nil {
			keys.release()
			return o, err
		}
		return outdated{keys: keys}, nil
	}
	defer keys.release()
	for pass := range passes {
		keys.clear()
		if err := w.readKeys(ctx, dirty, work, keys, pass, passes); err != nil {
			return o, err
		}
		index := int64(-1)
		err := w.scanRecords(ctx, work.Coordinates, func(offset int64, r *recordbatch.Record) error {
			index++
			if r.Key == nil {
				return nil
			}
			if h := hashKey(r.Key); h.pass(passes) == pass && offset < keys.get(h) {
				o.note(index)
			}
			return nil
		})
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// pass is the one of a power of two of passes that looks at the key; its bits are not those that the map goes by.
func (h keyHash) pass(passes uint64) uint64 {
	return uint64(h[hashBytes-1])<<8&(passes-1) | uint64(h[hashBytes-2])&(passes-1)
}

// readKeys fills the map with the keys of the dirty part that a pass looks at.
func (w *job) readKeys(ctx context.Context, dirty []rpc.Coordinate, work *rpc.CompactKeysWork, keys *offsetMap, pass, passes uint64) error {
	return w.scanRecords(ctx, dirty, func(offset int64, r *recordbatch.Record) error {
		if r.Key == nil || offset < work.FirstDirtyOffset {
			return nil
		}
		if h := hashKey(r.Key); h.pass(passes) == pass && !keys.put(h, offset) {
			return errMapFull
		}
		return nil
	})
}

// scanRecords calls f for the records of data batches. Records of aborted transactions are data like any other until there are transactions.
func (w *job) scanRecords(ctx context.Context, coordinates []rpc.Coordinate, f func(offset int64, r *recordbatch.Record) error) error {
	if len(coordinates) == 0 {
		return nil
	}
	return w.scan(ctx, coordinates, func(i int, b recordbatch.Batch) error {
		if b.IsControl() {
			return nil
		}
		for r, err := range b.Records() {
			if err != nil {
				return corrupt(coordinates[i].Object, "the records of the batch at offset %d: %v", b.BaseOffset(), err)
			}
			if err := f(b.BaseOffset()+int64(r.OffsetDelta), &r); err != nil {
				return err
			}
		}
		return nil
	})
}

// compacted writes what is left of a partition, into as many objects as it takes.
type compacted struct {
	w        *job
	ctx      context.Context
	work     *rpc.CompactKeysWork
	outdated outdated
	last     map[int64]int64 // of each active producer, its last offset

	out     *output
	done    *rpc.CompleteWorkRequest
	written []rpc.Coordinate
	index   int64 // of the next record
	keep    []bool
	buf     []byte
	removed int64
}

func (w *job) writeCompacted(ctx context.Context, work *rpc.CompactKeysWork, run rpc.PartitionRun, o outdated) (*rpc.CompleteWorkRequest, error) {
	c := &compacted{w: w, ctx: ctx, work: work, outdated: o, last: map[int64]int64{}, done: &rpc.CompleteWorkRequest{}}
	for _, p := range work.ActiveProducers {
		c.last[p.ProducerID] = p.LastOffset
	}
	defer func() {
		if c.out != nil {
			c.out.abort()
		}
	}()
	err := w.scan(ctx, run.Coordinates, func(i int, b recordbatch.Batch) error {
		if err := c.batch(b); err != nil {
			if _, ok := err.(recordsError); ok {
				return corrupt(run.Coordinates[i].Object, "the records of the batch at offset %d: %v", b.BaseOffset(), err)
			}
			return err
		}
		return nil
	})
	if err == nil {
		err = c.finish()
	}
	if err != nil {
		return nil, err
	}
	w.metrics.records.Add(float64(c.removed))
	c.done.Segments = []rpc.ReplacedSegment{replaced(run, c.written...)}
	return c.done, nil
}

// recordsError says that a batch cannot be read, unlike one that cannot be written.
type recordsError struct{ error }

// batch writes what is left of a batch.
func (c *compacted) batch(b recordbatch.Batch) error {
	if b.LastOffset() < c.work.LogStartOffset {
		c.index += c.skipped(b)
		return nil
	}
	if b.IsControl() { // markers stay until there are transactions to tell when they may go
		return c.write(b)
	}
	kept, tombstones, err := c.decide(b)
	if err != nil {
		return err
	}
	total := int(b.RecordsCount())
	c.removed += int64(total - kept)
	horizon, hasHorizon := b.DeleteHorizon()
	set := recordbatch.NoTimestamp
	if tombstones && !hasHorizon {
		horizon = c.work.NowMillis + c.work.DeleteRetentionMillis
		set = horizon
	}
	if tombstones && (c.done.DeleteHorizonMillis == 0 || horizon < c.done.DeleteHorizonMillis) {
		c.done.DeleteHorizonMillis = horizon
	}
	switch {
	case kept == 0 && !c.stays(b):
		return nil
	case kept == total && set == recordbatch.NoTimestamp:
		return c.write(b)
	}
	i := -1
	c.buf, err = b.Rewrite(c.buf[:0], set, func(*recordbatch.Record) bool { i++; return c.keep[i] })
	if err != nil {
		return recordsError{err}
	}
	return c.write(c.buf)
}

// skipped is how many records the passes counted in a batch.
func (c *compacted) skipped(b recordbatch.Batch) int64 {
	if b.IsControl() {
		return 0
	}
	return int64(b.RecordsCount())
}

// decide fills keep: a record stays when it has a key, no later record has that key, and it is no tombstone whose time has passed.
func (c *compacted) decide(b recordbatch.Batch) (kept int, tombstones bool, err error) {
	horizon, hasHorizon := b.DeleteHorizon()
	c.keep = c.keep[:0]
	for r, err := range b.Records() {
		if err != nil {
			return 0, false, recordsError{err}
		}
		keep := r.Key != nil && (r.Value != nil || !hasHorizon || c.work.NowMillis < horizon) &&
			!c.outdated.is(c.index, b.BaseOffset()+int64(r.OffsetDelta), r.Key)
		c.index++
		c.keep = append(c.keep, keep)
		if keep {
			kept++
			tombstones = tombstones || r.Value == nil
		}
	}
	return kept, tombstones, nil
}

// stays says of a batch without records whether its header is still needed: for the sequence of an active producer, or because it ends the log.
func (c *compacted) stays(b recordbatch.Batch) bool {
	if b.LastOffset() == c.work.HighWatermark-1 {
		return true
	}
	last, active := c.last[b.ProducerID()]
	return active && b.ProducerID() >= 0 && last == b.LastOffset()
}

// defaultObjectBytes is how large an output becomes when the coordinator does not say.
const defaultObjectBytes = 256 << 20

func (c *compacted) write(b recordbatch.Batch) error {
	most := c.work.MaxObjectBytes
	if most <= 0 {
		most = defaultObjectBytes
	}
	if c.out != nil && c.out.Bytes()+int64(len(b)) > most {
		if err := c.finish(); err != nil {
			return err
		}
	}
	if c.out == nil {
		out, err := c.w.newOutput(c.ctx)
		if err != nil {
			return err
		}
		c.out = out
		out.Begin(c.work.Partition)
	}
	if _, err := c.out.Add(b); err != nil {
		return fmt.Errorf("writing offset %d: %w", b.BaseOffset(), err)
	}
	return nil
}

// finish ends the open object, if there is one.
func (c *compacted) finish() error {
	if c.out == nil {
		return nil
	}
	segments, objectBytes, err := c.out.finish()
	if err != nil {
		return err
	}
	c.done.Outputs = append(c.done.Outputs, rpc.OutputObject{Object: c.out.object, ObjectBytes: objectBytes})
	c.written = append(c.written, stampedCoordinate(c.out, segments[0]))
	c.out = nil
	return nil
}
