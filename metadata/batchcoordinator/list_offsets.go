package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// ListOffsets is rpc.OffsetLister.
func (c *Coordinator) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, req.MetadataOffset); err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	resp := &rpc.ListOffsetsResponse{Partitions: make([]rpc.ListOffsetResult, len(req.Partitions))}
	err := c.view(func(r statestore.Reader) {
		for i := range req.Partitions {
			q := &req.Partitions[i]
			if _, code := c.owns(q.Partition); code != 0 {
				resp.Partitions[i] = rpc.ListOffsetResult{Error: code, LogStartOffset: -1, HighWatermark: -1, LastStableOffset: -1}
				continue
			}
			resp.Partitions[i] = state.ListOffset(r, q)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	return resp, nil
}
