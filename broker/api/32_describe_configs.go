package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/listener"
)

// DescribeConfigs v1-4, answered from this broker's image.
var _ = registerCall(kmsg.DescribeConfigs, 1, 4, (*Handlers).describeConfigs)

func (h *Handlers) describeConfigs(_ context.Context, _ *listener.Request, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	return h.cfg.Image().DescribeConfigs(req, clusterimage.Self{ID: h.cfg.BrokerID, Static: h.cfg.Static})
}
