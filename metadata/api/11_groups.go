package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// JoinGroup v0-9, SyncGroup v0-5, Heartbeat v0-4, LeaveGroup v0-5, DescribeGroups v0-6, ListGroups v0-5, DeleteGroups v0-2 and OffsetDelete v0 go to the Group
// Coordinator of this cluster's own __consumer_offsets. JoinGroup and SyncGroup wait there for the group's other members.
var (
	_ = register(kmsg.JoinGroup, 0, 9, (*Handlers).joinGroup)
	_ = register(kmsg.SyncGroup, 0, 5, (*Handlers).syncGroup)
	_ = register(kmsg.Heartbeat, 0, 4, (*Handlers).heartbeat)
	_ = register(kmsg.LeaveGroup, 0, 5, (*Handlers).leaveGroup)
	_ = register(kmsg.DescribeGroups, 0, 6, (*Handlers).describeGroups)
	_ = register(kmsg.ListGroups, 0, 5, (*Handlers).listGroups)
	_ = register(kmsg.DeleteGroups, 0, 2, (*Handlers).deleteGroups)
	_ = register(kmsg.OffsetDelete, 0, 0, (*Handlers).offsetDelete)
)

// coordinate asks the Group Coordinator and returns its answer, or one of ours with an error code where refuse puts it.
func (h *Handlers) coordinate(ctx context.Context, r *listener.Request, req kmsg.Request, refuse func(resp kmsg.Response, code int16)) kmsg.Response {
	refused := func(code int16) kmsg.Response {
		answer := req.ResponseKind()
		refuse(answer, code)
		return answer
	}
	if !h.isAdmin(r) {
		return refused(kerr.GroupAuthorizationFailed.Code)
	}
	client := rpc.Client{Principal: r.Conn.Principal, ClientID: r.ClientID, Host: "/" + r.Conn.Host(), Listener: r.Conn.Listener}
	resp, err := h.cfg.Groups.Handle(ctx, client, req)
	if err != nil {
		return refused(h.code(r, err))
	}
	return resp
}

func (h *Handlers) joinGroup(ctx context.Context, r *listener.Request, req *kmsg.JoinGroupRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.JoinGroupResponse).ErrorCode = code
	})
}

func (h *Handlers) syncGroup(ctx context.Context, r *listener.Request, req *kmsg.SyncGroupRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.SyncGroupResponse).ErrorCode = code
	})
}

func (h *Handlers) heartbeat(ctx context.Context, r *listener.Request, req *kmsg.HeartbeatRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.HeartbeatResponse).ErrorCode = code
	})
}

func (h *Handlers) leaveGroup(ctx context.Context, r *listener.Request, req *kmsg.LeaveGroupRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.LeaveGroupResponse).ErrorCode = code
	})
}

func (h *Handlers) describeGroups(ctx context.Context, r *listener.Request, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		for _, group := range req.Groups {
			rg := kmsg.NewDescribeGroupsResponseGroup()
			rg.Group, rg.ErrorCode = group, code
			resp.(*kmsg.DescribeGroupsResponse).Groups = append(resp.(*kmsg.DescribeGroupsResponse).Groups, rg)
		}
	})
}

// listGroups shows none to those who may see none, as Kafka does.
func (h *Handlers) listGroups(ctx context.Context, r *listener.Request, req *kmsg.ListGroupsRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		if code != kerr.GroupAuthorizationFailed.Code {
			resp.(*kmsg.ListGroupsResponse).ErrorCode = code
		}
	})
}

func (h *Handlers) deleteGroups(ctx context.Context, r *listener.Request, req *kmsg.DeleteGroupsRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		for _, group := range req.Groups {
			rg := kmsg.NewDeleteGroupsResponseGroup()
			rg.Group, rg.ErrorCode = group, code
			resp.(*kmsg.DeleteGroupsResponse).Groups = append(resp.(*kmsg.DeleteGroupsResponse).Groups, rg)
		}
	})
}

func (h *Handlers) offsetDelete(ctx context.Context, r *listener.Request, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	return h.coordinate(ctx, r, req, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.OffsetDeleteResponse).ErrorCode = code
	})
}
