package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// JoinGroup v0-9, SyncGroup v0-5, Heartbeat v0-4 and LeaveGroup v0-5 go to the Group Coordinator unchanged. JoinGroup and SyncGroup park there
// until the group is complete, at the latest after its rebalance timeout.
var (
	_ = registerCall(kmsg.JoinGroup, 0, 9, (*Handlers).joinGroup)
	_ = registerCall(kmsg.SyncGroup, 0, 5, (*Handlers).syncGroup)
	_ = registerCall(kmsg.Heartbeat, 0, 4, (*Handlers).heartbeat)
	_ = registerCall(kmsg.LeaveGroup, 0, 5, (*Handlers).leaveGroup)
)

// maxParked bounds how long a proxied call may park beyond what the request says, so that a lost answer frees the connection.
const maxParked = 10 * time.Minute

func (h *Handlers) joinGroup(ctx context.Context, r *listener.Request, req *kmsg.JoinGroupRequest) kmsg.Response {
	rebalance := time.Duration(max(req.RebalanceTimeoutMillis, req.SessionTimeoutMillis, 0)) * time.Millisecond
	return h.forward(ctx, r, toGroup(req.Group), req, min(rebalance, maxParked)+5*time.Second, func(resp kmsg.Response, code int16) {
		answer := resp.(*kmsg.JoinGroupResponse)
		answer.ErrorCode, answer.Generation = code, -1
	})
}

func (h *Handlers) syncGroup(ctx context.Context, r *listener.Request, req *kmsg.SyncGroupRequest) kmsg.Response {
	return h.forward(ctx, r, toGroup(req.Group), req, maxParked, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.SyncGroupResponse).ErrorCode = code
	})
}

func (h *Handlers) heartbeat(ctx context.Context, r *listener.Request, req *kmsg.HeartbeatRequest) kmsg.Response {
	return h.forward(ctx, r, toGroup(req.Group), req, 0, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.HeartbeatResponse).ErrorCode = code
	})
}

func (h *Handlers) leaveGroup(ctx context.Context, r *listener.Request, req *kmsg.LeaveGroupRequest) kmsg.Response {
	return h.forward(ctx, r, toGroup(req.Group), req, 0, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.LeaveGroupResponse).ErrorCode = code
	})
}
