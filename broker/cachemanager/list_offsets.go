package cachemanager

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/rpc"
)

// ListedOffset is Offset -1 where no record matches.
type ListedOffset struct {
	Err       error
	Offset    int64
	Timestamp int64
}

var noOffset = ListedOffset{Offset: -1, Timestamp: -1}

// ListOffset answers a timestamp of 0 or more with the first record of that time or later, or a special timestamp: rpc.LatestTimestamp,
// rpc.EarliestTimestamp or, for the first record of the greatest timestamp, rpc.MaxTimestamp.
func (m *Manager) ListOffset(ctx context.Context, p Partition, timestamp int64) ListedOffset {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.FindTimeout+m.cfg.GetTimeout)
	defer cancel()
	listed, err := m.listOffset(ctx, &p, timestamp)
	if err != nil {
		listed = noOffset
		listed.Err = err
	}
	return listed
}

func (m *Manager) listOffset(ctx context.Context, p *Partition, timestamp int64) (ListedOffset, error) {
	response, err := m.deps.Coordinator.ListOffsets(ctx, &rpc.ListOffsetsRequest{
		Coordinator: p.Coordinator, MetadataOffset: p.MetadataOffset, Partitions: []rpc.ListOffset{{Partition: p.TopicIDPartition, Timestamp: timestamp}},
	})
	if err != nil {
		return noOffset, fmt.Errorf("%w: %w", kerr.OffsetNotAvailable, err)
	}
	if len(response.Partitions) != 1 {
		return noOffset, fmt.Errorf("%w: ListOffsets answered %d partitions", kerr.UnknownServerError, len(response.Partitions))
	}
	r := &response.Partitions[0]
	if r.Error != 0 {
		return noOffset, kerr.ErrorForCode(r.Error)
	}
	switch timestamp {
	case rpc.LatestTimestamp:
		return ListedOffset{Offset: r.HighWatermark, Timestamp: -1}, nil
	case rpc.EarliestTimestamp:
		return ListedOffset{Offset: r.LogStartOffset, Timestamp: -1}, nil
	}
	if !r.Found {
		return noOffset, nil
	}
	pinned := m.pin(p)
	defer pinned.unpin()
	s := search{m: m, ctx: ctx, p: p, pinned: pinned, target: timestamp, logStart: r.LogStartOffset}
	if timestamp == rpc.MaxTimestamp {
		// The coordinate's max timestamp is that of a batch of it, and the batch's that of a record.
		s.target, s.exact = r.Coordinate.MaxTimestamp, true
	}
	return s.from(&r.Coordinate, r.HighWatermark)
}

// search looks for a record by its time.
type search struct {
	m        *Manager
	ctx      context.Context
	p        *Partition
	pinned   *partition
	target   int64
	exact    bool // the target itself, not a later time
	logStart int64
}

// from searches c and, when its matching records are below the log start, what follows.
func (s *search) from(c *rpc.Coordinate, highWatermark int64) (ListedOffset, error) {
	for {
		listed, err := s.coordinate(c)
		if err != nil || listed.Offset >= 0 {
			return listed, err
		}
		next := c.LastOffset + 1
		if c = nil; next < highWatermark {
			if c, err = s.next(next, highWatermark); err != nil {
				return noOffset, err
			}
		}
		if c == nil {
			return noOffset, nil
		}
	}
}

// next is the first coordinate from offset on that may have a match, nil for none.
func (s *search) next(offset, highWatermark int64) (*rpc.Coordinate, error) {
	for offset < highWatermark {
		response, err := s.m.deps.Coordinator.FindSegments(s.ctx, &rpc.FindSegmentsRequest{
			Coordinator: s.p.Coordinator, MetadataOffset: s.p.MetadataOffset,
			Partitions: []rpc.FindSegment{{Partition: s.p.TopicIDPartition, Offset: offset, MaxBytes: 1 << 40, MaxCoordinates: s.m.cfg.PageCoordinates}},
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", kerr.OffsetNotAvailable, err)
		}
		if len(response.Partitions) != 1 || len(response.Partitions[0].Coordinates) == 0 {
			return nil, nil // removed meanwhile
		}
		coordinates := response.Partitions[0].Coordinates
		for i := range coordinates {
			if coordinates[i].MaxTimestamp >= s.target {
				return &coordinates[i], nil
			}
		}
		offset = coordinates[len(coordinates)-1].LastOffset + 1
	}
	return nil, nil
}

// coordinate searches one coordinate's records, of a large one only where its index says that they may be.
func (s *search) coordinate(c *rpc.Coordinate) (ListedOffset, error) {
	if c.Bytes == 0 {
		return noOffset, nil
	}
	if !s.m.isLarge(c, s.m.cfg.MinPieceBytes) {
		return s.piece(c)
	}
	index := s.m.indexes.get(c, s.pinned.id.ID)
	select {
	case <-index.ready:
	case <-s.ctx.Done():
		return noOffset, fmt.Errorf("%w: the index of object %s is not there in time", kerr.OffsetNotAvailable, c.Object)
	}
	if index.err != nil {
		return noOffset, s.m.storageError(s.pinned, c, index.err)
	}
	for k := range index.entries {
		if index.entries[k].MaxTimestamp < s.target {
			continue
		}
		piece := index.between(k, k+1)
		if piece.LastOffset < s.logStart {
			continue
		}
		if listed, err := s.piece(&piece); err != nil || listed.Offset >= 0 {
			return listed, err
		}
	}
	return noOffset, nil
}

// piece searches what is read at a time.
func (s *search) piece(c *rpc.Coordinate) (ListedOffset, error) {
	f := fetch{m: s.m, ctx: s.ctx, req: &FetchRequest{}}
	defer f.end()
	p := planned{Coordinate: *c, lagging: true}
	if p.block = s.m.cache.get(c, s.pinned.id.ID, laggingPool, demand); p.block == nil {
		p.block = f.getWithRoom(&p, s.pinned.id.ID)
	}
	if p.block == nil || !f.ready(&p, true) {
		if p.block != nil {
			s.m.cache.release(p.block)
		}
		return noOffset, fmt.Errorf("%w: no room or no answer in time to read object %s", kerr.OffsetNotAvailable, c.Object)
	}
	defer s.m.cache.release(p.block)
	segment, err := p.block.segment(c)
	if err != nil {
		return noOffset, s.m.storageError(s.pinned, c, err)
	}
	for _, b := range segment.each() {
		if b.MaxTimestamp() < s.target || b.LastOffset() < s.logStart {
			continue
		}
		if listed, err := s.batch(b); err != nil || listed.Offset >= 0 {
			if err != nil {
				err = s.m.storageError(s.pinned, c, err)
			}
			return listed, err
		}
	}
	return noOffset, nil
}

func (s *search) batch(b recordbatch.Batch) (ListedOffset, error) {
	if b.IsLogAppendTime() && (!s.exact || b.MaxTimestamp() == s.target) { // every record has the batch's time
		return ListedOffset{Offset: max(b.BaseOffset(), s.logStart), Timestamp: b.MaxTimestamp()}, nil
	}
	for r, err := range b.Records() {
		if err != nil {
			return noOffset, err
		}
		offset := b.BaseOffset() + int64(r.OffsetDelta)
		if r.Timestamp >= s.target && (!s.exact || r.Timestamp == s.target) && offset >= s.logStart {
			return ListedOffset{Offset: offset, Timestamp: r.Timestamp}, nil
		}
	}
	return noOffset, nil
}

// each is the segment's batches.
func (s *segment) each() []recordbatch.Batch {
	out := make([]recordbatch.Batch, len(s.batches))
	start := int32(0)
	for i, b := range s.batches {
		if s.whole != nil {
			out[i] = recordbatch.Batch(s.whole[start:b.end])
		} else {
			out[i] = recordbatch.Batch(s.pieces[i])
		}
		start = b.end
	}
	return out
}
