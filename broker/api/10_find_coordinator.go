package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// FindCoordinator v0-6. Any broker proxies group calls, so each names itself: a client keeps to the broker (and zone) that it reached. Transactions and
// share groups are not served: their coordinators do not exist, which is said with an error that clients do not retry.
var _ = registerCall(kmsg.FindCoordinator, 0, 6, (*Handlers).findCoordinator)

const coordinatorTypeGroup = 0

func (h *Handlers) findCoordinator(_ context.Context, r *listener.Request, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	keys := req.CoordinatorKeys
	if req.Version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	for _, key := range keys {
		c := h.coordinatorFor(r, req.CoordinatorType, key)
		if req.Version < 4 {
			out.ErrorCode, out.ErrorMessage, out.NodeID, out.Host, out.Port = c.ErrorCode, c.ErrorMessage, c.NodeID, c.Host, c.Port
			return out
		}
		out.Coordinators = append(out.Coordinators, c)
	}
	return out
}

func (h *Handlers) coordinatorFor(r *listener.Request, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key, c.NodeID, c.Port = key, -1, -1
	refuse := func(code int16, message string) kmsg.FindCoordinatorResponseCoordinator {
		c.ErrorCode, c.ErrorMessage = code, &message
		return c
	}
	if kind != coordinatorTypeGroup {
		return refuse(kerr.InvalidRequest.Code, "transactions and share groups are not supported by this release of Inkwell")
	}
	if key == rpc.MembershipGroup {
		return refuse(kerr.GroupAuthorizationFailed.Code, kerr.GroupAuthorizationFailed.Description)
	}
	for _, b := range h.cfg.Brokers() {
		if l, ok := listenerOf(b, r.Conn.Listener); ok && b.ID == h.cfg.BrokerID {
			c.NodeID, c.Host, c.Port = b.ID, l.Host, l.Port
			return c
		}
	}
	return refuse(kerr.CoordinatorNotAvailable.Code, "this broker has no listener "+r.Conn.Listener)
}
