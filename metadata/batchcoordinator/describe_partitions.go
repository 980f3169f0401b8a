package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// DescribePartitions is rpc.PartitionDescriber.
func (c *Coordinator) DescribePartitions(ctx context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, req.MetadataOffset); err != nil {
		return nil, fmt.Errorf("describe partitions: %w", err)
	}
	resp := &rpc.DescribePartitionsResponse{Partitions: make([]rpc.PartitionDescription, len(req.Partitions))}
	err := c.view(func(r statestore.Reader) {
		for i, tp := range req.Partitions {
			if _, code := c.owns(tp); code != 0 {
				resp.Partitions[i].Error = code
				continue
			}
			resp.Partitions[i] = state.DescribePartition(r, tp, req.Producers)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("describe partitions: %w", err)
	}
	return resp, nil
}
