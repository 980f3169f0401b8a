package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/rpc"
)

// Forward implements rpc.Forwarder with Kafka's Envelope. ctx bounds it, for JoinGroup may park for minutes.
func (c *Client) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	envelope := seal(req)
	body := envelope.AppendTo(nil)
	if err := checkSize(envelope.Key(), body); err != nil {
		return nil, err
	}
	var resp *rpc.ForwardResponse
	err := c.do(ctx, changes, func() (target, bool) { return c.target(&req.Target) }, func(ctx context.Context, conn *conn) (fate, error) {
		answer, sent, err := conn.roundTrip(ctx, parks(req.Request), envelope.Key(), envelope.GetVersion(), body)
		if err != nil {
			return fateOf(sent), err
		}
		resp, err = open(envelope, req.Request, answer)
		return answered, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(req.Request.Key()), err)
	}
	return resp, nil
}

// target of a proxied request; ok is false while the number of group coordinators is not known.
func (c *Client) target(t *rpc.Target) (_ target, ok bool) {
	if t.Kind == rpc.TargetGroup {
		return c.routes.group(t.Group)
	}
	return target{t.Kind, t.Partition}, true
}

// parks says that a coordinator may hold a request for as long as a rebalance takes.
func parks(req kmsg.Request) bool {
	switch req.(type) {
	case *kmsg.JoinGroupRequest, *kmsg.SyncGroupRequest:
		return true
	}
	return false
}

// seal puts a request into its envelope.
func seal(req *rpc.ForwardRequest) *kmsg.EnvelopeRequest {
	envelope := kmsg.NewPtrEnvelopeRequest()
	key, version := req.Request.Key(), req.Request.GetVersion()
	inner := []byte{byte(key >> 8), byte(key), byte(version >> 8), byte(version)}
	envelope.RequestData = req.Request.AppendTo(inner)
	envelope.RequestPrincipal = req.Client.Append(nil)
	envelope.ClientHostAddress = hostAddress(req.Client.Host)
	envelope.UnknownTags.Set(rpc.EnvelopeTargetTag, req.Target.Append(nil))
	if req.Sender != nil {
		envelope.UnknownTags.Set(rpc.EnvelopeSenderTag, req.Sender.Append(nil))
	}
	if ids := rpc.AppendTopicIDs(nil, req.Request); ids != nil {
		envelope.UnknownTags.Set(rpc.EnvelopeTopicIDsTag, ids)
	}
	return envelope
}

// open takes the answer out of its envelope.
func open(envelope *kmsg.EnvelopeRequest, req kmsg.Request, body []byte) (*rpc.ForwardResponse, error) {
	answer := envelope.ResponseKind().(*kmsg.EnvelopeResponse)
	if err := decodeAnswer(body, answer); err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		var hint []byte
		answer.UnknownTags.Each(func(tag uint32, value []byte) {
			if tag == rpc.EnvelopeLeaderTag {
				hint = value
			}
		})
		return nil, rpc.WithLeaderHint(err, hint)
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(answer.ResponseData); err != nil {
		return nil, errors.Join(errors.New("the enveloped answer cannot be read"), err)
	}
	offset := int64(0)
	answer.UnknownTags.Each(func(tag uint32, value []byte) {
		if tag == rpc.EnvelopeMetadataOffsetTag {
			d := wire.NewDecoder(value)
			for d.Next() {
				offset = d.Sint()
			}
		}
	})
	return &rpc.ForwardResponse{Response: resp, MetadataOffset: offset - 1}, nil
}

// hostAddress is host, as Kafka prints it ("/10.0.0.1"), in Kafka's form on the wire: 4 or 16 bytes.
func hostAddress(host string) []byte {
	ip := net.ParseIP(strings.TrimPrefix(host, "/"))
	if v4 := ip.To4(); v4 != nil {
		return v4
	}
	return ip
}
