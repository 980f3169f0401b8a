package cachemanager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// Partition names a partition together with the Batch Coordinator partition that owns it, as the image at MetadataOffset says.
type Partition struct {
	kafka.TopicIDPartition
	Coordinator    int32
	MetadataOffset int64
}

// FetchRequest is one Fetch.
type FetchRequest struct {
	Partitions []FetchPartition
	MinBytes   int
	MaxBytes   int // of the whole answer; the first batch is given even if it is larger
	MaxWait    time.Duration
}

// FetchPartition asks for batches from Offset on.
type FetchPartition struct {
	Partition Partition
	Offset    int64
	MaxBytes  int
}

// FetchResult has whole batches, the first one holding the offset asked for. Records alias cached memory until Release is called, which
// must happen once if it is not nil. Bounds are -1 where they are not known.
type FetchResult struct {
	Err              error
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	Records          [][]byte
	Release          func()
}

const (
	// maxPlanned bounds the coordinates of one partition in one answer.
	maxPlanned = 512
	// leastPatience is how long a fetch waits for the coordinator or for room at least: a client that is told to try again does so at once.
	leastPatience = time.Second
	findBackoff   = 50 * time.Millisecond
	maxAttempts   = 8
	// othersPatience is how long partitions that can be read wait for the coordinator of one whose coordinates are not known; not at all once it has not
	// answered in time. While the Metadata cluster is away, reads of what is known go on.
	othersPatience = 2 * time.Second
	// errorPause keeps a client that asks again at once from causing a GET each time.
	errorPause = 100 * time.Millisecond
)

// fetch is one call of Fetch.
type fetch struct {
	m         *Manager
	ctx       context.Context
	req       *FetchRequest
	cursors   []cursor
	impatient *clock.Timer // set when patience is needed first
	spent     int          // bytes gathered
}

// cursor is one partition of a fetch.
type cursor struct {
	ask *FetchPartition
	p   *partition
	err error
	bounds
	from     int64            // where the next coordinates are to be read; above what was asked for behind offsets without records
	found    []rpc.Coordinate // what the coordinator said, if it had to be asked
	planned  []planned
	piece    int64 // bytes of a large coordinate's piece, and
	ahead    int64 // bytes to read ahead, as the partition's share
	advanced bool  // from has moved, and nothing was found yet
	gone     bool  // a coordinate's object is gone; asked is said to
	relooked bool  // have been asked anew because of that, once
	slices   [][]byte
	held     []*block
}

// planned is a coordinate that a fetch wants to answer from.
type planned struct {
	rpc.Coordinate
	lagging bool
	block   *block
}

func (p *planned) pool() poolName {
	if p.lagging {
		return laggingPool
	}
	return tailPool
}

// Fetch reads partitions in the order of the request. It returns as soon as req.MinBytes can be read or there is an error to tell, and after req.MaxWait with
// what there is. The results are in the request's order.
func (m *Manager) Fetch(ctx context.Context, req *FetchRequest) []FetchResult {
	f := &fetch{m: m, ctx: ctx, req: req, cursors: make([]cursor, len(req.Partitions))}
	for i := range f.cursors {
		f.cursors[i].ask = &req.Partitions[i]
		f.cursors[i].p = m.pin(&req.Partitions[i].Partition)
		f.cursors[i].from = req.Partitions[i].Offset
	}
	// What is known may be dropped by others before it is used; the coordinator's answer to this fetch itself is not.
	for attempts := 0; f.await() && !f.plan() && attempts < maxAttempts; attempts++ {
	}
	f.serve()
	for f.again() {
		for attempts := 0; attempts < maxAttempts; attempts++ {
			if f.resolve(); f.plan() {
				break
			}
		}
		f.serve()
	}
	f.pause()
	f.end()
	results := make([]FetchResult, len(f.cursors))
	for i := range f.cursors {
		results[i] = f.result(&f.cursors[i])
		f.cursors[i].p.unpin()
	}
	return results
}

func (f *fetch) serve() {
	f.acquire()
	f.readAhead()
	f.gather()
}

// again says whether there are partitions to look at once more, and prepares them: those that have read nothing yet but offsets without records, or
// whose records are in another object by now.
func (f *fetch) again() (any bool) {
	if f.ctx.Err() != nil || f.m.ctx.Err() != nil || f.spent > 0 && f.spent >= f.req.MaxBytes {
		return false
	}
	for i := range f.cursors {
		c := &f.cursors[i]
		if (c.gone || c.advanced) && c.err == nil {
			any = true
		}
		c.gone, c.advanced = false, false
	}
	return any
}

// served says that the partition has its part of the answer.
func (c *cursor) served() bool { return len(c.held) > 0 || c.err != nil }

func (f *fetch) result(c *cursor) FetchResult {
	r := FetchResult{Err: c.err, HighWatermark: c.highWatermark, LastStableOffset: c.highWatermark, LogStartOffset: c.logStart, Records: c.slices}
	if held := c.held; len(held) > 0 {
		cache := f.m.cache
		r.Release = func() {
			for _, b := range held {
				cache.release(b)
			}
		}
	}
	return r
}

// await returns when there is something to answer. True: there are bytes or the answer must not wait.
func (f *fetch) await() bool {
	var timer <-chan time.Time
	started := f.m.cfg.Clock.Now()
	for {
		f.resolve()
		if f.req.MaxWait <= 0 || len(f.cursors) == 0 || f.failed() || f.available() >= f.req.MinBytes {
			return true
		}
		if timer == nil {
			t := f.m.cfg.Clock.NewTimer(f.req.MaxWait - f.m.cfg.Clock.Now().Sub(started))
			defer t.Stop()
			timer = t.C
		}
		if !f.park(timer) {
			f.resolve()
			f.plan()
			return false
		}
		if f.m.ctx.Err() != nil || f.ctx.Err() != nil {
			return false
		}
	}
}

// park waits until a commit or an error makes another look worth it; false: it is time to answer.
func (f *fetch) park(timer <-chan time.Time) bool {
	w := newWaiter(max(1, f.req.MinBytes))
	watching := 0
	defer func() {
		for i := range watching {
			f.cursors[i].p.unwatch(w)
		}
	}()
	for i := range f.cursors {
		c := &f.cursors[i]
		if !c.p.watch(w, c.ask.Offset, c.ask.MaxBytes) {
			return true
		}
		watching++
	}
	f.m.metrics.parked.Inc()
	defer f.m.metrics.parked.Dec()
	select {
	case <-w.woken:
		if since := w.since.Load(); since != 0 {
			f.m.metrics.wakes.Observe(float64(f.m.cfg.Clock.Now().UnixNano()-since) / 1e9)
		}
		return true
	case <-timer:
	case <-f.ctx.Done():
	case <-f.m.ctx.Done():
	}
	return false
}

func (f *fetch) failed() bool {
	for i := range f.cursors {
		if f.cursors[i].err != nil {
			return true
		}
	}
	return false
}

func (f *fetch) available() (bytes int) {
	for i := range f.cursors {
		c := &f.cursors[i]
		if len(c.found) > 0 {
			bytes += c.ask.MaxBytes
			continue
		}
		c.p.mu.Lock()
		bytes += c.p.available(c.ask.Offset, c.ask.MaxBytes)
		c.p.mu.Unlock()
	}
	return bytes
}

// resolve finds out what is known of each partition, and asks the coordinators for the rest.
func (f *fetch) resolve() {
	var asks []findAsk
	var unknown []*cursor
	for i := range f.cursors {
		c := &f.cursors[i]
		if c.served() && c.err == nil {
			continue
		}
		c.found = nil
		c.p.mu.Lock()
		c.bounds = c.p.bounds
		if c.p.deleted {
			c.err = kerr.UnknownTopicID
		} else if c.err == nil && c.p.locate(c.from) == mustFind {
			asks = append(asks, findAsk{c.p, c.from, c.ask.Partition.MetadataOffset})
			unknown = append(unknown, c)
		}
		c.p.mu.Unlock()
	}
	if len(asks) == 0 {
		return
	}
	others := f.available() >= max(1, f.req.MinBytes)
	for wait := findBackoff; len(asks) > 0; wait *= 2 {
		finds := f.m.findAll(asks)
		var again []findAsk
		var still []*cursor
		patient := true
		for i, find := range finds {
			c := unknown[i]
			if others {
				patient = f.waitUntil(find.done, c.p.answerBy(find))
			} else {
				patient = f.waitFor(find.done)
			}
			if !patient && others {
				c.p.unanswered.Store(true)
			}
			if !patient && others && c.highWatermark >= 0 {
				continue // nothing is told of it, and its next fetch finds more
			}
			if !patient {
				c.unavailable(errors.New("the coordinator does not answer in time"))
				continue
			}
			if find.err != nil {
				c.unavailable(find.err)
				again, still = append(again, asks[i]), append(still, c)
				continue
			}
			c.resolved(&find.result)
		}
		if others || !patient || len(again) == 0 || !f.sleep(wait) {
			return
		}
		asks, unknown = again, still
	}
}

// answerBy is how long others wait for a find.
func (p *partition) answerBy(f *find) time.Time {
	if p.unanswered.Load() {
		return f.since
	}
	return f.since.Add(othersPatience)
}

func (c *cursor) unavailable(err error) {
	c.err = fmt.Errorf("%w: %w", kerr.OffsetNotAvailable, err)
}

func (c *cursor) resolved(r *rpc.FindSegmentResult) {
	c.err = kerr.ErrorForCode(r.Error)
	c.bounds = c.bounds.atLeast(bounds{r.LogStartOffset, r.HighWatermark})
	c.found = r.Coordinates
}

// patience fires when the fetch has waited long enough for what is not its partitions' commits.
func (f *fetch) patience() <-chan time.Time {
	if f.impatient == nil {
		f.impatient = f.m.cfg.Clock.NewTimer(min(f.m.cfg.FindTimeout, max(f.req.MaxWait, leastPatience)))
	}
	return f.impatient.C
}

// pause holds back an answer that has nothing but damage to tell.
func (f *fetch) pause() {
	damaged := false
	for i := range f.cursors {
		if len(f.cursors[i].slices) > 0 {
			return
		}
		damaged = damaged || errors.Is(f.cursors[i].err, kerr.KafkaStorageError)
	}
	if damaged && f.req.MaxWait > 0 {
		f.sleep(min(f.req.MaxWait, errorPause))
	}
}

// end stops what patience started.
func (f *fetch) end() {
	if f.impatient != nil {
		f.impatient.Stop()
	}
}

func (f *fetch) waitFor(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-f.patience():
	case <-f.ctx.Done():
	case <-f.m.ctx.Done():
	}
	return false
}

// waitUntil waits for done no longer than to a point in time, which may be past.
func (f *fetch) waitUntil(done <-chan struct{}, end time.Time) bool {
	select {
	case <-done:
		return true
	default:
	}
	left := end.Sub(f.m.cfg.Clock.Now())
	if left <= 0 {
		return false
	}
	t := f.m.cfg.Clock.NewTimer(left)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
	case <-f.ctx.Done():
	case <-f.m.ctx.Done():
	}
	return false
}

func (f *fetch) sleep(d time.Duration) bool {
	t := f.m.cfg.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-f.patience():
	case <-f.ctx.Done():
	case <-f.m.ctx.Done():
	}
	return false
}

// fail notes why a coordinate cannot be read. An object that is gone was replaced since its coordinate was learnt, perhaps, or its records
// were deleted: the coordinator is asked once where they are now, before the client is told.
func (f *fetch) fail(c *cursor, at *rpc.Coordinate, err error) {
	if errors.Is(err, objectstorage.ErrNotFound) && !c.relooked {
		c.relooked, c.gone = true, true
		f.m.log.Warn("an object is gone; its coordinates are asked for anew", "partition", c.p.id.String(), "object", at.Object.Key(f.m.cfg.Cluster))
		c.p.dropHistory()
		return
	}
	c.err = f.m.storageError(c.p, at, err)
}

// storageError is what a client is told of a coordinate whose bytes cannot be had.
func (m *Manager) storageError(p *partition, c *rpc.Coordinate, err error) error {
	m.metrics.corrupt.Inc()
	m.log.Error("a segment cannot be read", "partition", p.id.String(), "object", c.Object.Key(m.cfg.Cluster),
		"position", c.Position, "bytes", c.Bytes, "base_offset", c.BaseOffset, "error", err)
	if errors.Is(err, objectstorage.ErrNotFound) {
		p.dropHistory() // the next reader asks where the records are now
	}
	return fmt.Errorf("%w: object %s: %w", kerr.KafkaStorageError, c.Object, errorWithoutCode{err})
}

// errorWithoutCode keeps a Kafka error inside err from being taken for the answer's code.
type errorWithoutCode struct{ err error }

func (e errorWithoutCode) Error() string { return e.err.Error() }
