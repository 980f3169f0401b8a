package groupcoordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
)

// offsetDelete answers OffsetDelete, version 0.
func (c *Coordinator) offsetDelete(ctx context.Context, req *kmsg.OffsetDeleteRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp, nil
	}
	r, kerror := c.leading()
	if kerror != nil {
		resp.ErrorCode = kerror.Code
		return resp, nil
	}
	cmd := &state.DeleteOffsets{TimestampMillis: c.now()}
	exists := r.withGroup(req.Group, func(cell *cell) {
		if kerror = cell.group.ValidateOffsetDelete(); kerror != nil {
			return
		}
		isSubscribed := cell.group.Subscriptions()
		for i := range req.Topics {
			t := &req.Topics[i]
			subscribed := isSubscribed(t.Topic)
			rt := kmsg.NewOffsetDeleteResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetDeleteResponseTopicPartition()
				rp.Partition = p.Partition
				if subscribed {
					rp.ErrorCode = kerr.GroupSubscribedToTopic.Code
				} else {
					cmd.Offsets = append(cmd.Offsets, state.OffsetKey{Group: req.Group, Topic: t.Topic, Partition: p.Partition, CommittedAtMillis: -1})
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
	})
	switch {
	case !exists && r.ctx.Err() != nil:
		kerror = r.endedWith()
	case !exists:
		kerror = kerr.GroupIDNotFound
	case kerror == nil && len(cmd.Offsets) > 0:
		_, kerror = r.propose(ctx, cmd)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if kerror != nil {
		resp.ErrorCode, resp.Topics = kerror.Code, nil
	}
	return resp, nil
}
