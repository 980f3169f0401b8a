package controller

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// ReportCost implements rpc.CostReporter.
func (c *Controller) ReportCost(ctx context.Context, req *rpc.ReportCostRequest) (*rpc.ReportCostResponse, error) {
	if c.cfg.AllowCost != nil && !c.cfg.AllowCost() {
		return nil, fmt.Errorf("storage costs: the feature level of the Metadata cluster does not allow their records yet: %w", kerr.UnsupportedVersion)
	}
	if err := req.Account.Validate(); err != nil {
		return nil, fmt.Errorf("storage costs of broker %d: %w: %w", req.Broker, err, kerr.InvalidRequest)
	}
	result, err := c.propose(ctx, &state.ReportCost{Broker: req.Broker, Epoch: req.Epoch, Sequence: req.Sequence, Account: req.Account})
	if err != nil {
		return nil, err
	}
	if e := result.Errors[0]; e.Err != nil {
		return nil, fmt.Errorf("storage costs: %s: %w", e.Message, e.Err)
	}
	return &rpc.ReportCostResponse{}, nil
}

// DescribeCost implements rpc.CostReporter.
func (c *Controller) DescribeCost(ctx context.Context, _ *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	resp := &rpc.DescribeCostResponse{}
	return resp, c.read(ctx, func(r statestore.Reader) { resp.Account, resp.Brokers = state.Cost(r) })
}
