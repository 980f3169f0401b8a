package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// InitProducerId v0-5, for idempotent producers: each call gets a new producer id with epoch 0, as in Kafka. A transactional id is refused.
var _ = registerCall(kmsg.InitProducerID, 0, 5, (*Handlers).initProducerID)

const firstWithProducerEpoch = 3

// ProducerIDs hands out producer ids that nobody else in the cluster has.
type ProducerIDs interface {
	Next(ctx context.Context) (int64, error)
}

func (h *Handlers) initProducerID(ctx context.Context, r *listener.Request, req *kmsg.InitProducerIDRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	out.ProducerID, out.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		out.ErrorCode = kerr.InvalidRequest.Code // transactions are not supported; FindCoordinator says so in words
		return out
	}
	if req.Version >= firstWithProducerEpoch && (req.ProducerID == -1) != (req.ProducerEpoch == -1) {
		out.ErrorCode = kerr.InvalidRequest.Code // both or none, as Kafka asks
		return out
	}
	id, err := h.cfg.ProducerIDs.Next(ctx)
	if err != nil {
		out.ErrorCode = h.code(r, err)
		return out
	}
	out.ProducerID, out.ProducerEpoch = id, 0
	return out
}
