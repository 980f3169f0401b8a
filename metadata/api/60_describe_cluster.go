package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

// DescribeCluster v0-2: the metadata nodes. They are described as brokers, for that is what they are to clients of this cluster.
var _ = register(kmsg.DescribeCluster, 0, 2, (*Handlers).describeCluster)

const endpointBrokers = 1

func (h *Handlers) describeCluster(_ context.Context, _ *listener.Request, req *kmsg.DescribeClusterRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	out.EndpointType = endpointBrokers
	if req.Version >= 1 && req.EndpointType != endpointBrokers {
		out.ErrorCode = kerr.MismatchedEndpointType.Code
		out.ErrorMessage = kmsg.StringPtr("this endpoint describes brokers (endpoint type 1)")
		return out
	}
	out.ClusterID, out.ControllerID = h.cfg.ClusterID, h.cfg.Controller()
	for _, n := range h.cfg.Nodes() {
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port = n.ID, n.Host, n.Port
		if n.Rack != "" {
			b.Rack = &n.Rack
		}
		out.Brokers = append(out.Brokers, b)
	}
	return out
}
