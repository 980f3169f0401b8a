package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// DescribeCluster v0-2. The controllers of an Inkless cluster are not on its brokers' network: asking a broker for them is refused as Kafka does.
var _ = registerCall(kmsg.DescribeCluster, 0, 2, (*Handlers).describeCluster)

const (
	endpointBrokers     = 1
	endpointControllers = 2
)

func (h *Handlers) describeCluster(_ context.Context, r *listener.Request, req *kmsg.DescribeClusterRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	out.EndpointType, out.ClusterAuthorizedOperations = endpointBrokers, noAuthorizedOpsAsked
	if req.Version >= 1 && req.EndpointType != endpointBrokers {
		out.ErrorCode = kerr.MismatchedEndpointType.Code
		if req.EndpointType != endpointControllers {
			out.ErrorCode = kerr.UnsupportedEndpointType.Code
		}
		out.ErrorMessage = kmsg.StringPtr("this is a broker's endpoint; it describes brokers (endpoint type 1)")
		return out
	}
	if req.IncludeClusterAuthorizedOperations {
		out.ClusterAuthorizedOperations = clusterOperations
	}
	out.ClusterID, out.ControllerID = h.cfg.ClusterUUID, h.cfg.BrokerID
	for _, b := range h.reachable(r) {
		rb := kmsg.NewDescribeClusterResponseBroker()
		rb.NodeID, rb.Host, rb.Port = b.ID, b.listener.Host, b.listener.Port
		if b.Rack != "" {
			rb.Rack = &b.Rack
		}
		out.Brokers = append(out.Brokers, rb)
	}
	return out
}
