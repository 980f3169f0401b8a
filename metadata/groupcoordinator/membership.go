package groupcoordinator

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/rpc"
)

// joinGroup answers JoinGroup, versions 0 to 9.
func (c *Coordinator) joinGroup(ctx context.Context, client rpc.Client, req *kmsg.JoinGroupRequest) (kmsg.Response, error) {
	if req.Group == "" {
		return classic.JoinError(req.MemberID, kerr.InvalidGroupID), nil
	}
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	if session < c.cfg.Settings.MinSessionTimeout || session > c.cfg.Settings.MaxSessionTimeout {
		return classic.JoinError(req.MemberID, kerr.InvalidSessionTimeout), nil
	}
	r, kerror := c.leading()
	if kerror != nil {
		return classic.JoinError(req.MemberID, kerror), nil
	}
	newID := ""
	if req.MemberID == "" {
		prefix := client.ClientID
		if req.InstanceID != nil {
			prefix = *req.InstanceID
		}
		newID = prefix + "-" + c.cfg.NewUUID()
	}
	over := classic.JoinError(req.MemberID, kerr.NotCoordinator)
	return r.park(ctx, req.Group, over, func(cell *cell, id classic.RequestID) {
		now := c.now()
		if cell.group == nil {
			if req.MemberID != "" {
				cell.respond(id, classic.JoinError(req.MemberID, kerr.UnknownMemberID))
				return
			}
			cell.setGroup(classic.NewForJoin(req.Group, c.group, now))
		}
		cell.group.Join(now, id, classic.Client{ID: client.ClientID, Host: client.Host}, req, newID)
	})
}

// syncGroup answers SyncGroup, versions 0 to 5.
func (c *Coordinator) syncGroup(ctx context.Context, req *kmsg.SyncGroupRequest) (kmsg.Response, error) {
	if classic.LacksProtocol(req) {
		return classic.SyncError(kerr.InconsistentGroupProtocol), nil
	}
	if req.Group == "" {
		return classic.SyncError(kerr.InvalidGroupID), nil
	}
	r, kerror := c.leading()
	if kerror != nil {
		return classic.SyncError(kerror), nil
	}
	return r.park(ctx, req.Group, classic.SyncError(kerr.NotCoordinator), func(cell *cell, id classic.RequestID) {
		if cell.group == nil {
			cell.respond(id, classic.SyncError(kerr.UnknownMemberID))
			return
		}
		cell.group.Sync(id, req)
	})
}

// heartbeat answers Heartbeat, versions 0 to 4.
func (c *Coordinator) heartbeat(req *kmsg.HeartbeatRequest) kmsg.Response {
	resp := kmsg.NewPtrHeartbeatResponse()
	kerror := func() *kerr.Error {
		if req.Group == "" {
			return kerr.InvalidGroupID
		}
		r, kerror := c.leading()
		if kerror == kerr.CoordinatorLoadInProgress {
			return nil // the group is being loaded with fresh sessions; nothing is wrong with the member, as far as we know
		}
		if kerror != nil {
			return kerror
		}
		if !r.withGroup(req.Group, func(cell *cell) { kerror = cell.group.Heartbeat(req) }) {
			if r.ctx.Err() != nil {
				return r.endedWith()
			}
			return kerr.UnknownMemberID
		}
		return kerror
	}()
	if kerror != nil {
		resp.ErrorCode = kerror.Code
	}
	return resp
}

// Version of LeaveGroup from which several members may leave at once.
const leaveBatches = 3

// leaveGroup answers LeaveGroup, versions 0 to 5.
func (c *Coordinator) leaveGroup(ctx context.Context, req *kmsg.LeaveGroupRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrLeaveGroupResponse()
	members := req.Members
	if req.Version < leaveBatches {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = req.MemberID
		members = []kmsg.LeaveGroupRequestMember{m}
	}
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp, nil
	}
	r, kerror := c.leading()
	if kerror != nil {
		resp.ErrorCode = kerror.Code
		return resp, nil
	}
	var saves []<-chan struct{}
	exists := r.withCellSaves(req.Group, &saves, func(cell *cell) {
		resp.Members = cell.group.Leave(c.now(), members)
	})
	if !exists {
		if r.ctx.Err() != nil {
			resp.ErrorCode = r.endedWith().Code
			return resp, nil
		}
		for _, m := range members {
			rm := kmsg.NewLeaveGroupResponseMember()
			rm.MemberID, rm.InstanceID, rm.ErrorCode = m.MemberID, m.InstanceID, kerr.UnknownMemberID.Code
			resp.Members = append(resp.Members, rm)
		}
	}
	// The last member's leaving is saved before it is told so: a failover would bring it back for a session timeout.
	for _, saved := range saves {
		select {
		case <-saved:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if req.Version < leaveBatches {
		resp.ErrorCode = resp.Members[0].ErrorCode
	}
	return resp, nil
}

// withCellSaves is withGroup; it also returns what tells when the writes that fn caused have ended.
func (r *reign) withCellSaves(group string, saves *[]<-chan struct{}, fn func(*cell)) bool {
	return r.withGroup(group, func(c *cell) {
		fn(c)
		c.carryOut()
		*saves = c.saves
	})
}
