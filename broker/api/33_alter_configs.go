package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/listener"
)

// AlterConfigs v0-2 and IncrementalAlterConfigs v0-1 are the Controller's. But a broker's settings are altered through that broker, where clients send them: as in
// Kafka, another one refuses them, whether there is such a broker or not. The answer leaves when this broker's own image shows the change.
var (
	_ = registerCall(kmsg.AlterConfigs, 0, 2, (*Handlers).alterConfigs)
	_ = registerCall(kmsg.IncrementalAlterConfigs, 0, 1, (*Handlers).incrementalAlterConfigs)
)

func (h *Handlers) alterConfigs(ctx context.Context, r *listener.Request, req *kmsg.AlterConfigsRequest) kmsg.Response {
	answer := func(res kmsg.AlterConfigsRequestResource, code int16, why *string) kmsg.AlterConfigsResponseResource {
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = res.ResourceType, res.ResourceName, code, why
		return rr
	}
	forwarded := *req
	forwarded.Resources = nil
	for _, res := range req.Resources {
		if h.anotherBroker(res.ResourceType, res.ResourceName) == nil {
			forwarded.Resources = append(forwarded.Resources, res)
		}
	}
	out := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	if len(forwarded.Resources) > 0 {
		out = h.forward(ctx, r, toController, &forwarded, 0, func(resp kmsg.Response, code int16) {
			for _, res := range forwarded.Resources {
				resp.(*kmsg.AlterConfigsResponse).Resources = append(resp.(*kmsg.AlterConfigsResponse).Resources, answer(res, code, nil))
			}
		}).(*kmsg.AlterConfigsResponse)
	}
	for i, res := range req.Resources { // the Controller answers in the order of its request
		if why := h.anotherBroker(res.ResourceType, res.ResourceName); why != nil {
			out.Resources = slices.Insert(out.Resources, min(i, len(out.Resources)), answer(res, kerr.InvalidRequest.Code, why))
		}
	}
	for _, res := range out.Resources {
		h.refusedCode(r, res.ErrorCode, res.ErrorMessage, "resource", limitedlog.Capped(res.ResourceName))
	}
	return out
}

func (h *Handlers) incrementalAlterConfigs(ctx context.Context, r *listener.Request, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	answer := func(res kmsg.IncrementalAlterConfigsRequestResource, code int16, why *string) kmsg.IncrementalAlterConfigsResponseResource {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = res.ResourceType, res.ResourceName, code, why
		return rr
	}
	forwarded := *req
	forwarded.Resources = nil
	for _, res := range req.Resources {
		if h.anotherBroker(res.ResourceType, res.ResourceName) == nil {
			forwarded.Resources = append(forwarded.Resources, res)
		}
	}
	out := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	if len(forwarded.Resources) > 0 {
		out = h.forward(ctx, r, toController, &forwarded, 0, func(resp kmsg.Response, code int16) {
			for _, res := range forwarded.Resources {
				resp.(*kmsg.IncrementalAlterConfigsResponse).Resources = append(resp.(*kmsg.IncrementalAlterConfigsResponse).Resources, answer(res, code, nil))
			}
		}).(*kmsg.IncrementalAlterConfigsResponse)
	}
	for i, res := range req.Resources { // the Controller answers in the order of its request
		if why := h.anotherBroker(res.ResourceType, res.ResourceName); why != nil {
			out.Resources = slices.Insert(out.Resources, min(i, len(out.Resources)), answer(res, kerr.InvalidRequest.Code, why))
		}
	}
	for _, res := range out.Resources {
		h.refusedCode(r, res.ErrorCode, res.ErrorMessage, "resource", limitedlog.Capped(res.ResourceName))
	}
	return out
}

// anotherBroker says why settings of another broker are refused. An id that is no number is the Controller's to refuse.
func (h *Handlers) anotherBroker(typ kmsg.ConfigResourceType, name string) (why *string) {
	id, err := strconv.ParseInt(name, 10, 32)
	if typ != kmsg.ConfigResourceTypeBroker || err != nil || int32(id) == h.cfg.BrokerID {
		return nil
	}
	return kmsg.StringPtr("Unexpected broker id, expected " + strconv.Itoa(int(h.cfg.BrokerID)) + ", but received " + name)
}
