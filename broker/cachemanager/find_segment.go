package cachemanager

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// find is one partition's part of a Find Segment call; concurrent readers of the same offset share it.
type find struct {
	since  time.Time
	done   chan struct{} // closed when the fields below are set
	result rpc.FindSegmentResult
	err    error
}

// findAsk is a partition and an offset whose coordinates are not known.
type findAsk struct {
	p              *partition
	offset         int64
	metadataOffset int64
}

// findAll asks the coordinators, one call for each that has several of the partitions, and returns a find for each ask, in order, under way.
func (m *Manager) findAll(asks []findAsk) []*find {
	finds := make([]*find, len(asks))
	var mine []int // those that nobody asks for yet
	for i := range asks {
		a := &asks[i]
		a.p.mu.Lock()
		f := a.p.finds[a.offset]
		switch {
		case f != nil:
		case a.p.locate(a.offset) != mustFind: // another's find ended since the caller looked
			f = a.p.foundAlready()
		default:
			f = &find{since: m.cfg.Clock.Now(), done: make(chan struct{})}
			a.p.finds[a.offset] = f
			mine = append(mine, i)
		}
		a.p.mu.Unlock()
		finds[i] = f
	}
	for len(mine) > 0 {
		coordinator := asks[mine[0]].p.coordinator
		var group, rest []int
		for _, i := range mine {
			if asks[i].p.coordinator == coordinator {
				group = append(group, i)
			} else {
				rest = append(rest, i)
			}
		}
		mine = rest
		groupAsks, groupFinds := make([]findAsk, len(group)), make([]*find, len(group))
		for j, i := range group {
			groupAsks[j], groupFinds[j] = asks[i], finds[i]
		}
		if !m.start(func() { m.findGroup(coordinator, groupAsks, groupFinds) }) {
			settle(groupAsks, groupFinds, nil, kafka.ErrClosed)
		}
	}
	return finds
}

// foundAlready is the answer of a partition that knows its coordinates. Called under mu.
func (p *partition) foundAlready() *find {
	return &find{done: alwaysReady, result: rpc.FindSegmentResult{LogStartOffset: p.logStart, HighWatermark: p.highWatermark}}
}

// findGroup makes one call and lets its partitions know what it says.
func (m *Manager) findGroup(coordinator int32, asks []findAsk, finds []*find) {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.FindTimeout)
	defer cancel()
	t := m.tail(coordinator)
	generation, err := t.wait(ctx)
	var response *rpc.FindSegmentsResponse
	if err == nil {
		req := &rpc.FindSegmentsRequest{Coordinator: coordinator, MetadataOffset: -1, Partitions: make([]rpc.FindSegment, len(asks))}
		for i, a := range asks {
			req.MetadataOffset = max(req.MetadataOffset, a.metadataOffset)
			req.Partitions[i] = rpc.FindSegment{Partition: a.p.id, Offset: a.offset, MaxBytes: 1 << 40, MaxCoordinates: m.cfg.PageCoordinates}
		}
		m.metrics.finds.Inc()
		response, err = m.deps.Coordinator.FindSegments(ctx, req)
		if err == nil && len(response.Partitions) != len(asks) {
			err = fmt.Errorf("%w: Find Segment answered %d of %d partitions", kerr.UnknownServerError, len(response.Partitions), len(asks))
		}
	}
	if err != nil {
		m.log.Warn("Find Segment failed", "coordinator", coordinator, "partitions", len(asks), "error", err)
		for i := range asks {
			asks[i].p.unanswered.Store(true)
		}
		settle(asks, finds, nil, err)
		return
	}
	for i := range asks {
		r := &response.Partitions[i]
		asks[i].p.unanswered.Store(false)
		asks[i].p.found(asks[i].offset, r, generation == t.generation.Load())
		if r.Error == kerr.UnknownTopicID.Code {
			m.remove(asks[i].p)
		}
	}
	m.pages.trim()
	settle(asks, finds, response.Partitions, nil)
}

// settle ends finds, in the order that lets the next reader ask anew rather than see an old answer.
func settle(asks []findAsk, finds []*find, results []rpc.FindSegmentResult, err error) {
	for i, f := range finds {
		p := asks[i].p
		p.mu.Lock()
		delete(p.finds, asks[i].offset)
		p.mu.Unlock()
		if f.err = err; err == nil {
			f.result = results[i]
		}
		close(f.done)
	}
}

// coordinates returns those from the one that holds offset on, as far as they are known, until they have limit bytes, and the bounds of that moment: none of
// them is above its high watermark. more says that coordinates follow whose place is not in memory.
func (p *partition) coordinates(offset, limit int64, most int) (out []planned, now bounds, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = p.bounds
	var bytes int64
	add := func(c *rpc.Coordinate) bool {
		if bytes >= limit && len(out) > 0 || len(out) >= most {
			return false
		}
		bytes += restOf(c, offset)
		offset = c.LastOffset + 1
		out = append(out, planned{Coordinate: *c, lagging: p.isLagging(c)})
		return true
	}
	for {
		switch p.locate(offset) {
		case inHistory:
			g := p.pageOf(offset)
			p.m.pages.used(g)
			rest := g.from(offset)
			for i := range rest {
				if !add(&rest[i]) {
					return out, now, false
				}
			}
		case inWindow:
			for i := p.windowIndex(offset); i < len(p.window); i++ {
				if !add(&p.window[i].Coordinate) {
					return out, now, false
				}
			}
			return out, now, false
		case mustFind:
			return out, now, offset < p.highWatermark
		default:
			return out, now, false
		}
	}
}
