package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// FindCoordinator v0-6. Groups are coordinated by the node that leads their partition of this cluster's own __consumer_offsets. There are no transactions and no share groups here, which is said
// with an error that clients do not retry.
var _ = register(kmsg.FindCoordinator, 0, 6, (*Handlers).findCoordinator)

const coordinatorTypeGroup = 0

func (h *Handlers) findCoordinator(_ context.Context, r *listener.Request, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	if req.Version < 4 {
		c := h.coordinatorFor(r, req.CoordinatorType, req.CoordinatorKey)
		out.ErrorCode, out.ErrorMessage, out.NodeID, out.Host, out.Port = c.ErrorCode, c.ErrorMessage, c.NodeID, c.Host, c.Port
		return out
	}
	for _, key := range req.CoordinatorKeys {
		out.Coordinators = append(out.Coordinators, h.coordinatorFor(r, req.CoordinatorType, key))
	}
	return out
}

func (h *Handlers) coordinatorFor(r *listener.Request, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key, c.NodeID, c.Port = key, -1, -1
	node, ok := h.groupCoordinator(key)
	switch {
	case kind != coordinatorTypeGroup:
		c.ErrorCode, c.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("the Metadata Kafka Cluster has group coordinators only")
	case !h.isAdmin(r):
		c.ErrorCode, c.ErrorMessage = kerr.GroupAuthorizationFailed.Code, kmsg.StringPtr(kerr.GroupAuthorizationFailed.Description)
	case !ok:
		c.ErrorCode, c.ErrorMessage = kerr.CoordinatorNotAvailable.Code, kmsg.StringPtr(kerr.CoordinatorNotAvailable.Description)
	default:
		c.NodeID, c.Host, c.Port = node.ID, node.Host, node.Port
	}
	return c
}

// groupCoordinator is the node that leads group's partition of __consumer_offsets.
func (h *Handlers) groupCoordinator(group string) (Node, bool) {
	t, ok := h.cfg.Topics().named(consumerOffsets)
	if !ok || len(t.Partitions) == 0 {
		return Node{}, false
	}
	leader := t.Partitions[kafka.PartitionFor(group, int32(len(t.Partitions)))].leader()
	for _, n := range h.cfg.Nodes() {
		if n.ID == leader {
			return n, true
		}
	}
	return Node{}, false
}
