package groupcoordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
)

// deleteGroups answers DeleteGroups, versions 0 to 2.
func (c *Coordinator) deleteGroups(ctx context.Context, req *kmsg.DeleteGroupsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	for _, group := range req.Groups {
		r, kerror := c.leading()
		if kerror == nil {
			kerror = r.deleteGroup(ctx, group, func(g *classic.Group) *kerr.Error { return g.Delete() }, false)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = group
		if kerror != nil {
			out.ErrorCode = kerror.Code
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp, nil
}

// deleteGroup removes a group that end agrees to end. It is gone from memory at once: who joins or commits from here on makes a new group,
// whose writes wait for the deletion's.
func (r *reign) deleteGroup(ctx context.Context, group string, end func(*classic.Group) *kerr.Error, onlyIfUnused bool) *kerr.Error {
	var place *turn
	var home *cell
	var kerror *kerr.Error
	exists := r.withGroup(group, func(c *cell) {
		home = c
		if kerror = end(c.group); kerror == nil {
			place = c.writes.enqueue(true)
		}
	})
	switch {
	case !exists && r.ctx.Err() != nil:
		return r.endedWith()
	case !exists:
		return kerr.GroupIDNotFound
	case kerror != nil:
		return kerror
	}
	select {
	case <-place.begin:
		_, kerror = r.propose(ctx, &state.DeleteGroup{Group: group, TimestampMillis: r.c.now(), OnlyIfUnused: onlyIfUnused})
	case <-ctx.Done():
		kerror = kerr.CoordinatorNotAvailable
	case <-r.ctx.Done():
		kerror = r.endedWith()
	}
	if kerror == kerr.GroupIDNotFound {
		kerror = nil // nothing of it had been saved
	}
	home.with(func(c *cell) { c.writes.done(place) })
	if kerror != nil {
		home.reload()
	}
	return kerror
}
