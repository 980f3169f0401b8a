package cachemanager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	followBytes     = 1 << 20
	firstBackoff    = 20 * time.Millisecond
	longestBackoff  = 2 * time.Second
	followSlack     = 10 * time.Second       // what an answer may take beyond its long poll
	untoldWait      = 100 * time.Millisecond // for the answer to an own commit; it left when the record did
	positionUnknown = int64(-1)
)

// tail follows one partition of __batch_coordinates for all partitions of interest that it owns.
type tail struct {
	coordinator int32
	ready       chan struct{} // closed when the first position is known
	// generation counts the positions that the tail began anew at. What was found under an older one may lack what the tail skipped.
	generation  atomic.Int64
	lastSuccess atomic.Int64 // unix ms
	readyOnce   sync.Once
}

// tail finds or starts the tail of a coordinator partition.
func (m *Manager) tail(coordinator int32) *tail {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tails[coordinator]
	if t == nil {
		t = &tail{coordinator: coordinator, ready: make(chan struct{})}
		t.lastSuccess.Store(m.cfg.Clock.Now().UnixMilli())
		m.tails[coordinator] = t
		if !m.closed {
			m.workers.Go(func() { m.follow(t) })
		}
	}
	return t
}

// wait returns the generation once the tail has a position: a Find Segment that is made later can be continued by the tail.
func (t *tail) wait(ctx context.Context) (int64, error) {
	select {
	case <-t.ready:
		return t.generation.Load(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: the tail of __batch_coordinates-%d has no position yet", context.Cause(ctx), t.coordinator)
	}
}

func (m *Manager) follow(t *tail) {
	position, backoff := positionUnknown, firstBackoff
	for m.ctx.Err() == nil {
		next, err := m.followOnce(t, position)
		if err == nil {
			t.lastSuccess.Store(m.cfg.Clock.Now().UnixMilli())
			position, backoff = next, firstBackoff
			continue
		}
		if m.ctx.Err() != nil {
			return
		}
		if errors.Is(err, kerr.OffsetOutOfRange) {
			m.log.Warn("followed records were removed", "coordinator", t.coordinator, "offset", position)
			position = positionUnknown
			continue
		}
		m.log.Warn("following batch coordinates failed", "coordinator", t.coordinator, "index", position, "error", err)
		if clock.Sleep(m.ctx, m.cfg.Clock, backoff) != nil {
			return
		}
		backoff = min(2*backoff, longestBackoff)
	}
}

// followOnce makes one call and returns the next position.
func (m *Manager) followOnce(t *tail, position int64) (int64, error) {
	if position == positionUnknown {
		end, err := m.endOfTopic(t)
		if err != nil {
			return 0, err
		}
		m.restart(t)
		return end, nil
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.FollowWait+followSlack)
	defer cancel()
	response, err := m.deps.Coordinator.FollowTopic(ctx, &rpc.FollowTopicRequest{
		Topic: rpc.BatchCoordinatesTopic, Partition: t.coordinator, Offset: position, MaxBytes: followBytes, MaxWaitMillis: int32(m.cfg.FollowWait.Milliseconds()),
	})
	if err != nil {
		return 0, err
	}
	for i := range response.Records {
		m.followed(t, &response.Records[i])
	}
	return max(position, response.NextOffset), nil
}

// endOfTopic asks where the next record will be.
func (m *Manager) endOfTopic(t *tail) (int64, error) {
	offset := int64(0)
	for range 3 { // the start may move while it is asked for
		ctx, cancel := context.WithTimeout(m.ctx, m.cfg.FindTimeout)
		response, err := m.deps.Coordinator.FollowTopic(ctx, &rpc.FollowTopicRequest{
			Topic: rpc.BatchCoordinatesTopic, Partition: t.coordinator, Offset: offset, MaxBytes: 1,
		})
		cancel()
		if err == nil {
			return response.HighWatermark, nil
		}
		if !errors.Is(err, kerr.OffsetOutOfRange) || response == nil {
			return 0, err
		}
		offset = response.StartOffset
	}
	return 0, fmt.Errorf("%w: the start of __batch_coordinates-%d moves faster than it can be read", kerr.UnknownServerError, t.coordinator)
}

// restart makes every window of the coordinator begin anew, after the position is known.
func (m *Manager) restart(t *tail) {
	t.generation.Add(1)
	for _, p := range m.partitionsOf(func(p *partition) bool { return p.coordinator == t.coordinator }) {
		p.mu.Lock()
		if p.loaded {
			p.invalidate()
		}
		p.mu.Unlock()
	}
	t.readyOnce.Do(func() { close(t.ready) })
}

func (m *Manager) partitionsOf(wanted func(*partition) bool) (out []*partition) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, p := range m.partitions {
		if wanted(p) {
			out = append(out, p)
		}
	}
	return out
}

// followed applies one record. One that cannot be read, written by a newer release perhaps, may have extended any window: all begin anew.
func (m *Manager) followed(t *tail, r *rpc.TopicRecord) {
	if r.Value == nil {
		return
	}
	record, err := topics.DecodeBatchCoordinate(r.Value)
	if err != nil {
		m.log.Error("a followed record cannot be read", "coordinator", t.coordinator, "index", r.Offset, "error", err)
		m.restart(t)
		return
	}
	switch v := record.(type) {
	case *topics.ObjectCommitted:
		m.followedObject(t, v)
	case *topics.CoordinatesReplaced:
		m.followedReplacement(v)
	case *topics.LogStartMoved:
		if p := m.lookup(v.Partition); p != nil {
			p.logStartMoved(v.LogStartOffset)
		}
	case *topics.TopicDeleted:
		for _, p := range m.partitionsOf(func(p *partition) bool { return p.id.ID == v.ID }) {
			p.topicDeleted()
		}
	}
}

func (m *Manager) followedObject(t *tail, o *topics.ObjectCommitted) {
	partitions := make([]*partition, len(o.Segments))
	var coordinates []rpc.Coordinate
	for i := range o.Segments {
		if partitions[i] = m.lookup(o.Segments[i].Partition); partitions[i] != nil {
			for j := range o.Segments[i].Coordinates {
				coordinates = append(coordinates, coordinateOf(o.Object, &o.Segments[i].Coordinates[j]))
			}
		}
	}
	if len(coordinates) > 0 {
		m.awaitOwnUpload(t.coordinator, o.Object)
	}
	// The reader that the first partition wakes GETs what the others need, too.
	for i := range coordinates {
		m.cache.spans.add(&coordinates[i])
	}
	next := coordinates
	for i, p := range partitions {
		if p == nil {
			continue
		}
		for range o.Segments[i].Coordinates {
			p.committed(&next[0], false)
			next = next[1:]
		}
	}
	for i := range coordinates {
		m.cache.spans.remove(&coordinates[i])
	}
}

// awaitOwnUpload waits a moment for ObjectCommitted when the record of an own commit is here before its answer is.
func (m *Manager) awaitOwnUpload(coordinator int32, object kafka.ObjectID) {
	if m.deps.Untold == nil {
		return
	}
	told := m.deps.Untold(coordinator, object)
	if told == nil {
		return
	}
	timer := m.cfg.Clock.NewTimer(untoldWait)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	case <-m.ctx.Done():
	}
}

func coordinateOf(object kafka.ObjectID, c *topics.CommittedCoordinate) rpc.Coordinate {
	return rpc.Coordinate{
		Object: object, Position: c.Position, Bytes: c.Bytes, BaseOffset: c.BaseOffset, LastOffset: c.LastOffset,
		MaxTimestamp: c.MaxTimestamp, AppendTimestamp: c.AppendTimestamp, Batches: c.Batches,
		Stamped: c.Stamped, IndexPosition: c.IndexPosition, IndexBytes: c.IndexBytes,
	}
}
