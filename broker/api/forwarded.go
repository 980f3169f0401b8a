package api

import (
	"context"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// forward proxies req and returns the coordinator's answer, or an answer of ours with err's code where refuse puts it.
func (h *Handlers) forward(ctx context.Context, r *listener.Request, target rpc.Target, req kmsg.Request, extra time.Duration, refuse func(resp kmsg.Response, code int16)) kmsg.Response {
	if target.Group == rpc.MembershipGroup {
		answer := req.ResponseKind()
		refuse(answer, kerr.GroupAuthorizationFailed.Code)
		return answer
	}
	resp, err := h.cfg.Forwarder.Forward(ctx, &rpc.ForwardRequest{Target: target, Client: client(r), Request: req}, extra)
	if err == nil {
		resp.Response.SetVersion(req.GetVersion())
		return resp.Response
	}
	answer := req.ResponseKind()
	refuse(answer, h.code(r, err))
	return answer
}

var toController = rpc.Target{Kind: rpc.TargetController}

func toGroup(group string) rpc.Target { return rpc.Target{Kind: rpc.TargetGroup, Group: group} }

func remoteHost(c *listener.Conn) string {
	if c.Net == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(c.Net.RemoteAddr().String())
	if err != nil {
		return c.Net.RemoteAddr().String()
	}
	return "/" + host // as Kafka prints an InetAddress
}
