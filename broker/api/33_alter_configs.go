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
	answer := func(res *kmsg.AlterConfigsRequestResource, code int16, why *string) kmsg.AlterConfigsResponseResource {
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = res.ResourceType, res.ResourceName, code, why
		return rr
	}
	about := func(res *kmsg.AlterConfigsRequestResource) (kmsg.ConfigResourceType, string) {
		return res.ResourceType, res.ResourceName
	}
	out := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	resources := alter(h, req.Resources, about, answer, func(own []kmsg.AlterConfigsRequestResource) []kmsg.AlterConfigsResponseResource {
		forwarded := *req
		forwarded.Resources = own
		out = h.forward(ctx, r, toController, &forwarded, 0, func(resp kmsg.Response, code int16) {
			for i := range own {
				resp.(*kmsg.AlterConfigsResponse).Resources = append(resp.(*kmsg.AlterConfigsResponse).Resources, answer(&own[i], code, nil))
			}
		}).(*kmsg.AlterConfigsResponse)
		return out.Resources
	})
	out.Resources = resources
	for _, res := range out.Resources {
		h.refusedCode(r, res.ErrorCode, res.ErrorMessage, "resource", limitedlog.Capped(res.ResourceName))
	}
	return out
}

func (h *Handlers) incrementalAlterConfigs(ctx context.Context, r *listener.Request, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	answer := func(res *kmsg.IncrementalAlterConfigsRequestResource, code int16, why *string) kmsg.IncrementalAlterConfigsResponseResource {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = res.ResourceType, res.ResourceName, code, why
		return rr
	}
	about := func(res *kmsg.IncrementalAlterConfigsRequestResource) (kmsg.ConfigResourceType, string) {
		return res.ResourceType, res.ResourceName
	}
	out := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	resources := alter(h, req.Resources, about, answer, func(own []kmsg.IncrementalAlterConfigsRequestResource) []kmsg.IncrementalAlterConfigsResponseResource {
		forwarded := *req
		forwarded.Resources = own
		out = h.forward(ctx, r, toController, &forwarded, 0, func(resp kmsg.Response, code int16) {
			for i := range own {
				resp.(*kmsg.IncrementalAlterConfigsResponse).Resources = append(resp.(*kmsg.IncrementalAlterConfigsResponse).Resources, answer(&own[i], code, nil))
			}
		}).(*kmsg.IncrementalAlterConfigsResponse)
		return out.Resources
	})
	out.Resources = resources
	for _, res := range out.Resources {
		h.refusedCode(r, res.ErrorCode, res.ErrorMessage, "resource", limitedlog.Capped(res.ResourceName))
	}
	return out
}

// alter forwards all resources but those of another broker, which it refuses, and gives the answers in the order of the request.
func alter[R, A any](h *Handlers, resources []R, about func(*R) (kmsg.ConfigResourceType, string), answer func(*R, int16, *string) A, forward func(own []R) []A) (out []A) {
	var own []R
	for i := range resources {
		if h.anotherBroker(about(&resources[i])) == nil {
			own = append(own, resources[i])
		}
	}
	if len(own) > 0 {
		out = forward(own)
	}
	for i := range resources { // the Controller answers in the order of its request
		if why := h.anotherBroker(about(&resources[i])); why != nil {
			out = slices.Insert(out, min(i, len(out)), answer(&resources[i], kerr.InvalidRequest.Code, why))
		}
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
