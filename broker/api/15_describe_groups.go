package api

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// DescribeGroups v0-6, ListGroups v0-5 and DeleteGroups v0-2. Groups of one request may have different coordinators: each group is asked for itself,
// ListGroups asks every partition of __consumer_offsets. The brokers' own membership group is not a client's business and is left out.
var (
	_ = registerCall(kmsg.DescribeGroups, 0, 6, (*Handlers).describeGroups)
	_ = registerCall(kmsg.ListGroups, 0, 5, (*Handlers).listGroups)
	_ = registerCall(kmsg.DeleteGroups, 0, 2, (*Handlers).deleteGroups)
)

func (h *Handlers) describeGroups(ctx context.Context, r *listener.Request, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, group := range req.Groups {
		one := *req
		one.Groups = []string{group}
		resp := h.forward(ctx, r, toGroup(group), &one, 0, func(resp kmsg.Response, code int16) {
			rg := kmsg.NewDescribeGroupsResponseGroup()
			rg.Group, rg.ErrorCode = group, code
			resp.(*kmsg.DescribeGroupsResponse).Groups = append(resp.(*kmsg.DescribeGroupsResponse).Groups, rg)
		})
		for _, rg := range resp.(*kmsg.DescribeGroupsResponse).Groups {
			if req.IncludeAuthorizedOperations && rg.ErrorCode == 0 {
				rg.AuthorizedOperations = groupOperations
			}
			out.Groups = append(out.Groups, rg)
		}
	}
	return out
}

func (h *Handlers) listGroups(ctx context.Context, r *listener.Request, req *kmsg.ListGroupsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.ListGroupsResponse)
	answers := make([]*kmsg.ListGroupsResponse, h.cfg.GroupPartitions)
	var all sync.WaitGroup
	for p := range answers {
		all.Go(func() {
			one := *req
			answers[p] = h.forward(ctx, r, rpc.Target{Kind: rpc.TargetGroupPartition, Partition: int32(p)}, &one, 0, func(resp kmsg.Response, code int16) {
				resp.(*kmsg.ListGroupsResponse).ErrorCode = code
			}).(*kmsg.ListGroupsResponse)
		})
	}
	all.Wait()
	for _, a := range answers {
		if a.ErrorCode != 0 {
			out.ErrorCode = a.ErrorCode
			continue
		}
		for _, g := range a.Groups {
			if g.Group != rpc.MembershipGroup {
				out.Groups = append(out.Groups, g)
			}
		}
	}
	return out
}

func (h *Handlers) deleteGroups(ctx context.Context, r *listener.Request, req *kmsg.DeleteGroupsRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	done := map[string]bool{}
	for _, group := range req.Groups {
		if done[group] {
			continue // deleting it again would tell that it is not there
		}
		done[group] = true
		answer := kmsg.NewDeleteGroupsResponseGroup()
		answer.Group = group
		one := *req
		one.Groups = []string{group}
		resp := h.forward(ctx, r, toGroup(group), &one, 0, func(resp kmsg.Response, code int16) {
			answer.ErrorCode = code
		}).(*kmsg.DeleteGroupsResponse)
		if len(resp.Groups) == 1 {
			answer = resp.Groups[0]
		}
		out.Groups = append(out.Groups, answer)
	}
	return out
}
