package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/topics"
)

// CostReporter is the arrow by which the cluster's controller learns what its brokers ask of object storage.
type CostReporter interface {
	// ReportCost tells all that a broker spent since it began. A report that comes twice, late or never changes no sum: the next one has everything.
	// STALE_BROKER_EPOCH: another process has reported under the broker's id since, and this one's account is closed.
	ReportCost(ctx context.Context, req *ReportCostRequest) (*ReportCostResponse, error)
	// DescribeCost is the sum over all brokers that there ever were. It is linearizable.
	DescribeCost(ctx context.Context, req *DescribeCostRequest) (*DescribeCostResponse, error)
}

// ReportCostRequest is cumulative.
type ReportCostRequest struct {
	Broker int32
	// Epoch is the first broker epoch of the process, which names its account: the process may have got later ones.
	Epoch int64
	// Sequence rises with each report of a process.
	Sequence int64
	Account  topics.StorageAccount
}

// ReportCostResponse says that the report is kept.
type ReportCostResponse struct{}

// DescribeCostRequest asks the cluster's controller.
type DescribeCostRequest struct{}

// DescribeCostResponse is the cluster's account.
type DescribeCostResponse struct {
	Account topics.StorageAccount
	Brokers int32 // ids that have reported
}
