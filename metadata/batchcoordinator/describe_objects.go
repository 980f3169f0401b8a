package batchcoordinator

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// DescribeCoordinates is rpc.ObjectDescriber.
func (c *Coordinator) DescribeCoordinates(ctx context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	if err := c.prepare(ctx, req.Coordinator, -1); err != nil {
		return nil, fmt.Errorf("describe coordinates: %w", err)
	}
	var resp *rpc.DescribeCoordinatesResponse
	err := c.view(func(r statestore.Reader) {
		resp = state.DescribeCoordinates(r, req.From, max(req.Offset, 0), int(min(max(req.MaxCoordinates, 1), maxFindCoordinates)))
	})
	if err != nil {
		return nil, fmt.Errorf("describe coordinates: %w", err)
	}
	return resp, nil
}

// DescribeObjects is rpc.ObjectDescriber.
func (c *Coordinator) DescribeObjects(ctx context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	if n := len(req.Objects); n > rpc.MaxDescribedObjects {
		return nil, fmt.Errorf("describe objects: %d objects in a request, at most %d: %w", n, rpc.MaxDescribedObjects, kerr.InvalidRequest)
	}
	if err := c.prepare(ctx, req.Coordinator, req.MetadataOffset); err != nil {
		return nil, fmt.Errorf("describe objects: %w", err)
	}
	asOf, live := c.image.LiveBrokers() // before the state, so that an epoch that ends in between is not taken for one that was swept
	resp := &rpc.DescribeObjectsResponse{Objects: make([]rpc.ObjectDescription, len(req.Objects))}
	err := c.view(func(r statestore.Reader) {
		for i, id := range req.Objects {
			d := state.DescribeObject(r, id)
			if d.Epoch == rpc.EpochLive {
				switch {
				case id.Epoch > asOf:
					d.Epoch = rpc.EpochUnissued
				case !slices.ContainsFunc(live, func(e state.BrokerEpoch) bool { return e.Epoch == id.Epoch }):
					d.Epoch = rpc.EpochEnding
				}
			}
			resp.Objects[i] = d
		}
	})
	if err != nil {
		return nil, fmt.Errorf("describe objects: %w", err)
	}
	return resp, nil
}
