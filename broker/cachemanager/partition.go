package cachemanager

import (
	"sort"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

const (
	// maxWindow bounds one partition's window while there is room for all, minWindow when there is not.
	maxWindow = 1024
	minWindow = 16
	// maxAhead bounds the coordinates that wait for those before them.
	maxAhead = 1024
)

// windowEntry is a coordinate of a window. before is the sum of all bytes that came through the window earlier, so that the bytes between
// two entries are one subtraction.
type windowEntry struct {
	rpc.Coordinate
	before int64
}

// bounds of a partition as they are told to clients. No transaction is ever open in this release, so the last stable offset is the high watermark.
type bounds struct{ logStart, highWatermark int64 }

var unknownBounds = bounds{-1, -1}

// atLeast takes in what is known from elsewhere. Neither bound ever goes back.
func (b bounds) atLeast(other bounds) bounds {
	return bounds{max(b.logStart, other.logStart), max(b.highWatermark, other.highWatermark)}
}

// partition is what is known of one partition that somebody reads.
type partition struct {
	m           *Manager
	id          kafka.TopicIDPartition
	coordinator int32

	pins atomic.Int32 // fetches that use it now
	used atomic.Int64 // ms, the last fetch
	// unanswered: the coordinator did not answer the last Find Segment in time.
	unanswered atomic.Bool

	// mu guards all below; held for memory work only.
	mu        sync.Mutex
	loaded    bool // bounds and window are right and the tail continues them
	deleted   bool // the topic id is gone for ever
	forgotten bool // no longer in the Manager's map
	bounds
	window []windowEntry // all coordinates from windowFrom up to the high watermark
	// windowFrom may lie below the first coordinate: key compaction leaves offsets that none covers.
	windowFrom int64
	total      int64 // bytes that came through the window
	ahead      []rpc.Coordinate
	lost       int64 // the greatest last offset that had no room in ahead
	waiters    map[*waiter]struct{}
	finds      map[int64]*find // Find Segment calls under way, by offset
	pages      []*page         // history, by first offset
	ends       [4]int64        // where recent reads ended: a read that begins there is sequential
	nextEnd    int
}

func newPartition(m *Manager, p *Partition) *partition {
	return &partition{
		m: m, id: p.TopicIDPartition, coordinator: p.Coordinator, bounds: unknownBounds, lost: -1,
		waiters: map[*waiter]struct{}{}, finds: map[int64]*find{}, ends: [4]int64{-1, -1, -1, -1},
	}
}

// windowStart is the first offset of the window.
func (p *partition) windowStart() int64 {
	if len(p.window) > 0 {
		return p.windowFrom
	}
	return p.highWatermark
}

// windowIndex is the entry that holds offset, or the next one.
func (p *partition) windowIndex(offset int64) int {
	return sort.Search(len(p.window), func(i int) bool { return p.window[i].LastOffset >= offset })
}

type location int8

const (
	mustFind location = iota // only the coordinator can say
	atEnd                    // nothing to read yet
	inWindow
	inHistory
)

// locate says where the coordinates from offset on are. What is known of the past stays right when the tail is lost; only whether there is more is not.
func (p *partition) locate(offset int64) location {
	switch {
	case offset < p.logStart || offset > p.highWatermark:
		return mustFind
	case offset == p.highWatermark && p.loaded:
		return atEnd
	case offset == p.highWatermark:
		return mustFind
	case offset >= p.windowStart():
		return inWindow
	case p.pageOf(offset) != nil:
		return inHistory
	}
	return mustFind
}

// available counts the bytes from offset to the high watermark, as coordinates tell them. History counts as plenty.
func (p *partition) available(offset int64, most int) int {
	switch p.locate(offset) {
	case inWindow:
		i := p.windowIndex(offset)
		if i == len(p.window) {
			return 0
		}
		e := &p.window[i]
		rest := p.total - e.before - int64(e.Bytes)
		return int(min(int64(most), rest+restOf(&e.Coordinate, offset)))
	case inHistory:
		return most
	}
	return 0
}

// restOf estimates the bytes of c from offset on: where its batches lie is known only with the bytes.
func restOf(c *rpc.Coordinate, offset int64) int64 {
	if offset <= c.BaseOffset {
		return int64(c.Bytes)
	}
	records := c.LastOffset - c.BaseOffset + 1
	return max(1, int64(float64(c.Bytes)*float64(c.LastOffset-offset+1)/float64(records)))
}

// isLagging says whether c is too far from the high watermark for the tail pool.
func (p *partition) isLagging(c *rpc.Coordinate) bool {
	i := p.windowIndex(c.BaseOffset)
	return c.BaseOffset < p.windowStart() || i >= len(p.window) || p.total-p.window[i].before > p.m.cfg.TailDistanceBytes
}

// extend adds c to the window's end.
func (p *partition) extend(c *rpc.Coordinate) {
	if len(p.window) == 0 {
		p.windowFrom = c.BaseOffset
	}
	p.window = append(p.window, windowEntry{*c, p.total})
	p.total += int64(c.Bytes)
	p.highWatermark = c.LastOffset + 1
	p.m.cache.spans.add(c)
	most := maxWindow
	if p.m.windowEntries.Add(1) > int64(p.m.cfg.CoordinateCacheEntries/2) {
		most = minWindow
	}
	if drop := len(p.window) - most; drop > 0 {
		p.dropFront(drop)
	}
	for w := range p.waiters {
		w.add(int64(c.Bytes), p.m.cfg.Clock)
	}
}

func (p *partition) dropFront(n int) {
	if n == 0 {
		return
	}
	for i := range n {
		p.m.cache.spans.remove(&p.window[i].Coordinate)
	}
	p.windowFrom = p.window[n-1].LastOffset + 1
	p.m.windowEntries.Add(-int64(n))
	p.window = p.window[n:]
}

// resetWindow empties the window; it begins again at the high watermark.
func (p *partition) resetWindow() {
	p.dropFront(len(p.window))
	p.window = nil
}

// invalidate makes the next reader ask the coordinator, and wakes those that are parked to do so.
func (p *partition) invalidate() {
	p.loaded = false
	p.wakeAll()
}

func (p *partition) wakeAll() {
	for w := range p.waiters {
		w.wake()
	}
}

// committed takes a new coordinate, from the tail (which is in order) or from this broker's own commit (which may be ahead of what
// other brokers committed before it).
func (p *partition) committed(c *rpc.Coordinate, own bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.deleted || p.forgotten:
	case !p.loaded:
		p.addAhead(c)
	case c.BaseOffset < p.highWatermark: // known
	case c.BaseOffset == p.highWatermark:
		p.extend(c)
		p.connectAhead()
	case own:
		p.addAhead(c)
	default:
		p.m.metrics.gaps.Inc()
		p.m.log.Warn("followed coordinates do not connect", "partition", p.id.String(), "high_watermark", p.highWatermark, "base_offset", c.BaseOffset)
		p.addAhead(c)
		p.invalidate()
	}
}

func (p *partition) addAhead(c *rpc.Coordinate) {
	if len(p.ahead) >= maxAhead {
		// The tail brings it again if it was an own commit of a loaded window; otherwise the load that is under way must reach this far.
		p.lost = max(p.lost, c.LastOffset)
		return
	}
	i := sort.Search(len(p.ahead), func(i int) bool { return p.ahead[i].BaseOffset >= c.BaseOffset })
	if i < len(p.ahead) && p.ahead[i].BaseOffset == c.BaseOffset {
		return
	}
	p.ahead = append(p.ahead, rpc.Coordinate{})
	copy(p.ahead[i+1:], p.ahead[i:])
	p.ahead[i] = *c
}

// connectAhead moves what connects by now into the window.
func (p *partition) connectAhead() {
	n := 0
	for ; n < len(p.ahead) && p.ahead[n].BaseOffset <= p.highWatermark; n++ {
		if c := &p.ahead[n]; c.BaseOffset == p.highWatermark {
			p.extend(c)
		}
	}
	p.ahead = p.ahead[n:]
	if len(p.ahead) == 0 {
		p.ahead = nil
	}
}

// found takes an answer of Find Segment that was made at the tail's current generation.
func (p *partition) found(offset int64, r *rpc.FindSegmentResult, current bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.Error {
	case kerr.UnknownTopicID.Code:
		p.deleted = true
		p.wakeAll()
		return
	case 0, kerr.OffsetOutOfRange.Code:
	default:
		return
	}
	if p.forgotten || p.deleted {
		return
	}
	p.logStart = max(p.logStart, r.LogStartOffset)
	if !p.loaded || r.HighWatermark > p.highWatermark {
		p.loaded = p.renew(offset, r) && current
	}
	p.addPage(offset, r.Coordinates)
}

// renew makes the window end at the answer's high watermark. Coordinates in between that the answer does not have are history. False: more
// was committed meanwhile than could be kept, and only the next answer can tell.
func (p *partition) renew(offset int64, r *rpc.FindSegmentResult) bool {
	before := p.highWatermark
	if p.loaded && p.highWatermark >= 0 {
		for i := range r.Coordinates {
			if c := &r.Coordinates[i]; c.BaseOffset == p.highWatermark {
				p.extend(c)
			}
		}
	}
	if p.highWatermark < r.HighWatermark || !p.loaded {
		n := len(r.Coordinates)
		p.resetWindow()
		p.highWatermark = max(p.highWatermark, r.HighWatermark)
		if n > 0 && r.Coordinates[n-1].LastOffset+1 == p.highWatermark {
			p.highWatermark = r.Coordinates[0].BaseOffset // extend ends where it was
			for i := range r.Coordinates {
				p.extend(&r.Coordinates[i])
			}
			if drop := n - len(p.window); drop <= 0 {
				p.windowFrom = min(p.windowFrom, max(offset, p.logStart))
			}
		}
	}
	p.connectAhead()
	complete := p.lost < p.highWatermark
	p.lost = -1
	if p.highWatermark != before || !complete {
		p.wakeAll()
	}
	return complete
}

// logStartMoved follows a deletion of records.
func (p *partition) logStartMoved(to int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to <= p.logStart {
		return
	}
	p.logStart = to
	n := sort.Search(len(p.window), func(i int) bool { return p.window[i].LastOffset >= to })
	p.dropFront(n)
	p.wakeAll()
}

// topicDeleted follows the end of the topic id.
func (p *partition) topicDeleted() {
	p.mu.Lock()
	p.deleted = true
	p.wakeAll()
	p.mu.Unlock()
	p.m.remove(p)
}

// forget drops what is remembered, when nobody will ask this partition any more.
func (p *partition) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgotten, p.loaded = true, false
	p.resetWindow()
	p.ahead = nil
	p.dropPages()
}

// dropHistory forgets all coordinates, for one of them led to an object that is gone.
func (p *partition) dropHistory() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropPages()
	p.resetWindow()
	p.invalidate()
}

// readEnded notes where a read ended.
func (p *partition) readEnded(at int64) {
	p.mu.Lock()
	p.ends[p.nextEnd] = at
	p.nextEnd = (p.nextEnd + 1) % len(p.ends)
	p.mu.Unlock()
}
