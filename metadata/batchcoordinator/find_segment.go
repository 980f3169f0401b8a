package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// maxFindCoordinates bounds the answer for one partition, whatever was asked for.
const maxFindCoordinates = 10_000

// FindSegments is rpc.SegmentFinder.
func (c *Coordinator) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, req.MetadataOffset); err != nil {
		return nil, fmt.Errorf("find segments: %w", err)
	}
	resp := &rpc.FindSegmentsResponse{Partitions: make([]rpc.FindSegmentResult, len(req.Partitions))}
	err := c.view(func(r statestore.Reader) {
		for i, q := range req.Partitions {
			if _, code := c.owns(q.Partition); code != 0 {
				resp.Partitions[i] = rpc.FindSegmentResult{Error: code, LogStartOffset: -1, HighWatermark: -1, LastStableOffset: -1}
				continue
			}
			q.MaxCoordinates = min(q.MaxCoordinates, maxFindCoordinates)
			resp.Partitions[i] = state.FindSegment(r, &q)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("find segments: %w", err)
	}
	return resp, nil
}
