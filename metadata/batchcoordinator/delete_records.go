package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// DeleteRecords is rpc.RecordDeleter. It answers when the last page of coordinates is gone.
func (c *Coordinator) DeleteRecords(ctx context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, req.MetadataOffset); err != nil {
		return nil, fmt.Errorf("delete records: %w", err)
	}
	resp := &rpc.DeleteRecordsResponse{Partitions: make([]rpc.DeleteRecordsResult, len(req.Partitions))}
	cmd := &state.DeleteRecords{MaxCoordinates: c.cfg.PageCoordinates}
	var asked []int // the request's index of each partition in cmd
	for i, p := range req.Partitions {
		info, code := c.owns(p.Partition)
		if code == 0 && !info.Delete {
			code = kerr.PolicyViolation.Code // as Kafka: cleanup.policy has no "delete"
		}
		if code != 0 {
			resp.Partitions[i] = rpc.DeleteRecordsResult{Error: code, LogStartOffset: -1}
			continue
		}
		asked, cmd.Partitions = append(asked, i), append(cmd.Partitions, p)
	}
	if err := c.view(func(r statestore.Reader) { resolveEnds(r, cmd.Partitions) }); err != nil {
		return nil, fmt.Errorf("delete records: %w", err)
	}
	for more := len(asked) > 0; more; {
		r, err := propose[state.DeleteRecordsResult](ctx, c, cmd)
		if err != nil {
			return nil, fmt.Errorf("delete records: %w", err)
		}
		c.released(r.Released)
		for i, p := range r.Partitions {
			resp.Partitions[asked[i]] = p
		}
		more = r.More
	}
	return resp, nil
}

// resolveEnds replaces -1 by the high watermark of now: the high watermark of a later page would take newer records, too.
func resolveEnds(r statestore.Reader, partitions []rpc.DeleteRecords) {
	for i := range partitions {
		if p := &partitions[i]; p.Before == -1 {
			s, _ := state.ReadPartition(r, p.Partition)
			p.Before = s.HighWatermark
		}
	}
}
