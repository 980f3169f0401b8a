package batchcoordinator

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/rpc"
)

// CommitObjects is rpc.ObjectCommitter.
func (c *Coordinator) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	if err := c.accept(ctx, req.Coordinator, req.MetadataOffset); err != nil {
		return nil, fmt.Errorf("commit objects: %w", err)
	}
	refused, err := c.checkSegments(req)
	if err != nil {
		return nil, fmt.Errorf("commit objects: %w", err)
	}
	began := c.cfg.Clock.Now()
	r, err := propose[state.CommitResult](ctx, c, &state.CommitObjects{
		Broker: req.Broker, BrokerEpoch: req.BrokerEpoch, AcknowledgedBelow: req.AcknowledgedBelow,
		// Read after the checks: whatever topic they found is known at this offset.
		MetadataOffset: c.image.Offset(),
		Objects:        req.Objects, Refused: refused,
	})
	if err != nil {
		return nil, fmt.Errorf("commit objects: %w", err)
	}
	if r.Err != nil {
		return nil, fmt.Errorf("commit objects of broker %d, epoch %d: %w", req.Broker, req.BrokerEpoch, r.Err)
	}
	c.released(r.Released)
	c.queued(&r)
	c.metrics.committed(r.Response, c.cfg.Clock.Now().Sub(began))
	return r.Response, nil
}

// checkSegments finds the segments whose topic is unknown. A segment that another partition owns refuses the whole call: the
// caller sent the object by another placement.
func (c *Coordinator) checkSegments(req *rpc.CommitObjectsRequest) (refused []state.RefusedSegment, err error) {
	for i := range req.Objects {
		segments := req.Objects[i].Segments
		for j := range segments {
			_, code := c.owns(segments[j].Partition)
			switch code {
			case 0:
			case kerr.NotCoordinator.Code:
				return nil, fmt.Errorf("%s belongs to another partition of %s: %w", segments[j].Partition, rpc.BatchCoordinatesTopic, kerr.NotCoordinator)
			default:
				refused = append(refused, state.RefusedSegment{Object: i, Segment: j, Error: code})
			}
		}
	}
	return refused, nil
}

// queued wakes parked requests for work when a commit filled a group.
func (c *Coordinator) queued(r *state.CommitResult) {
	before := state.QueueSize{Objects: r.Queued.Objects - r.Added.Objects, Bytes: r.Queued.Bytes - r.Added.Bytes, Coordinates: r.Queued.Coordinates - r.Added.Coordinates}
	policy := c.policy()
	if r.Added.Objects > 0 && (r.Queued.Full(&policy) && !before.Full(&policy) || before.Objects == 0) {
		c.work.wake() // also for the first one: from it on there is a time to look again
	}
}
