package rpc

import "context"

// ProducerIDAllocator hands out blocks of producer ids (Kafka's AllocateProducerIds, key 67).
type ProducerIDAllocator interface {
	// AllocateProducerIDs returns the first id of a block of length ids that nobody else gets.
	AllocateProducerIDs(ctx context.Context, req *AllocateProducerIDsRequest) (*AllocateProducerIDsResponse, error)
}

// AllocateProducerIDsRequest asks the cluster's controller.
type AllocateProducerIDsRequest struct {
	Broker      int32
	BrokerEpoch int64
}

// AllocateProducerIDsResponse is the block [First, First+Length).
type AllocateProducerIDsResponse struct {
	First  int64
	Length int32
}
