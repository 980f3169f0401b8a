package groupcoordinator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
)

// describeKnowsMissingGroup is the version of DescribeGroups from which a missing group is an error and not a dead group.
const describeKnowsMissingGroup = 6

// describeGroups answers DescribeGroups, versions 0 to 6. Authorized operations are for the broker to fill in.
func (c *Coordinator) describeGroups(ctx context.Context, req *kmsg.DescribeGroupsRequest) (kmsg.Response, error) {
	r, kerror := c.leadingNow(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	resp := kmsg.NewPtrDescribeGroupsResponse()
	for _, group := range req.Groups {
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group = group
		switch {
		case kerror != nil:
			out.ErrorCode = kerror.Code
		case r.withGroup(group, func(cell *cell) { out = cell.group.Describe() }):
		case r.ctx.Err() != nil:
			out.ErrorCode = r.endedWith().Code
		default:
			out.State = string(classic.Dead)
			if req.Version >= describeKnowsMissingGroup {
				out.ErrorCode, out.ErrorMessage = kerr.GroupIDNotFound.Code, kmsg.StringPtr(fmt.Sprintf("Group %s not found.", group))
			}
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp, nil
}

// listGroups answers ListGroups, versions 0 to 5, with the groups of this partition; the broker asks all partitions.
func (c *Coordinator) listGroups(ctx context.Context, req *kmsg.ListGroupsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListGroupsResponse()
	r, kerror := c.leadingNow(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if kerror != nil {
		resp.ErrorCode = kerror.Code
		return resp, nil
	}
	wanted := func(filter []string, value string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(strings.TrimSpace(f), value) })
	}
	for _, each := range r.allCells() {
		each.with(func(c *cell) {
			if c.group == nil {
				return
			}
			if g := c.group.List(); wanted(req.StatesFilter, g.GroupState) && wanted(req.TypesFilter, g.GroupType) {
				resp.Groups = append(resp.Groups, g)
			}
		})
	}
	if r.ctx.Err() != nil {
		resp.ErrorCode, resp.Groups = r.endedWith().Code, nil
	}
	return resp, nil
}
