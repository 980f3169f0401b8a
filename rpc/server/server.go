package server

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// Tenants finds the cluster of an authenticated principal.
type Tenants interface {
	// Tenant returns kerr.ClusterAuthorizationFailed for a principal that is no Inkless cluster's.
	Tenant(principal string) (rpc.MetadataCluster, error)
}

// APIs is the part of a metadata node's table that brokers use.
func APIs(tenants Tenants) []listener.API {
	return []listener.API{
		private(tenants, rpc.KeyCommitObjects, rpc.MetadataCluster.CommitObjects),
		private(tenants, rpc.KeyFindSegments, rpc.MetadataCluster.FindSegments),
		private(tenants, rpc.KeyListOffsets, rpc.MetadataCluster.ListOffsets),
		private(tenants, rpc.KeyDeleteRecords, rpc.MetadataCluster.DeleteRecords),
		private(tenants, rpc.KeyDescribePartitions, rpc.MetadataCluster.DescribePartitions),
		private(tenants, rpc.KeyRequestWork, rpc.MetadataCluster.RequestWork),
		private(tenants, rpc.KeyCheckReleased, rpc.MetadataCluster.CheckReleased),
		private(tenants, rpc.KeyCompleteWork, rpc.MetadataCluster.CompleteWork),
		private(tenants, rpc.KeyRenewWork, rpc.MetadataCluster.RenewWork),
		private(tenants, rpc.KeyFailWork, rpc.MetadataCluster.FailWork),
		private(tenants, rpc.KeyDescribeWork, rpc.MetadataCluster.DescribeWork),
		private(tenants, rpc.KeyRetryWork, rpc.MetadataCluster.RetryWork),
		private(tenants, rpc.KeyDescribeCoordinates, rpc.MetadataCluster.DescribeCoordinates),
		private(tenants, rpc.KeyDescribeObjects, rpc.MetadataCluster.DescribeObjects),
		private(tenants, rpc.KeyFollowTopic, rpc.MetadataCluster.FollowTopic),
		private(tenants, rpc.KeyAllocateProducerIDs, rpc.MetadataCluster.AllocateProducerIDs),
		private(tenants, rpc.KeyReportCost, rpc.MetadataCluster.ReportCost),
		private(tenants, rpc.KeyDescribeCost, rpc.MetadataCluster.DescribeCost),
		private(tenants, rpc.KeyDescribeCluster, rpc.MetadataCluster.DescribeCluster),
		private(tenants, rpc.KeyFindLeaders, rpc.MetadataCluster.FindLeaders),
		{Key: kmsg.Envelope.Int16(), Serve: func(ctx context.Context, r *listener.Request) { r.Reply(envelope(ctx, tenants, r)) }},
	}
}

// message is a pointer to M that is a Message.
type message[M any] interface {
	*M
	rpc.Message
}

func private[Q, A any, PQ message[Q], PA message[A]](tenants Tenants, key int16, call func(rpc.MetadataCluster, context.Context, PQ) (PA, error)) listener.API {
	return serve(key, tenants.Tenant, call)
}

// serve is one private API: callee finds who answers a principal.
func serve[C, Q, A any, PQ message[Q], PA message[A]](key int16, callee func(principal string) (C, error), call func(C, context.Context, PQ) (PA, error)) listener.API {
	return listener.API{Key: key, Private: true, Serve: func(ctx context.Context, r *listener.Request) {
		reply := rpc.Reply{}
		req := PQ(new(Q))
		found, err := callee(r.Conn.Principal)
		if err == nil {
			if err = req.Decode(r.Body); err != nil {
				err = fmt.Errorf("private request %d: %w: %w", key, err, kerr.InvalidRequest)
			}
		}
		if err == nil {
			var answer PA
			if answer, err = call(found, ctx, req); answer != nil {
				reply.Body = answer.Append(nil)
			}
		}
		reply.Err = err
		r.ReplyWith(listener.Response{Vector: net.Buffers{reply.Append(nil)}})
	}}
}

// envelope answers a proxied request (KIP-590). The inner answer travels without a header; the version is the inner request's.
func envelope(ctx context.Context, tenants Tenants, r *listener.Request) *kmsg.EnvelopeResponse {
	out := r.Message.ResponseKind().(*kmsg.EnvelopeResponse)
	resp, err := proxied(ctx, tenants, r.Conn.Principal, r.Message.(*kmsg.EnvelopeRequest))
	if err != nil {
		out.ErrorCode = kafka.ErrorCode(err)
		if hint := rpc.LeaderHint(err); hint != nil {
			out.UnknownTags.Set(rpc.EnvelopeLeaderTag, hint)
		}
		return out
	}
	out.ResponseData = resp.Response.AppendTo(nil)
	out.UnknownTags.Set(rpc.EnvelopeMetadataOffsetTag, wire.AppendSint(nil, 1, resp.MetadataOffset+1)) // 0 is left out on the wire: none
	return out
}

func proxied(ctx context.Context, tenants Tenants, principal string, req *kmsg.EnvelopeRequest) (*rpc.ForwardResponse, error) {
	cluster, err := tenants.Tenant(principal)
	if err != nil {
		return nil, err
	}
	forward := &rpc.ForwardRequest{}
	if err := forward.Client.Decode(req.RequestPrincipal); err != nil {
		return nil, fmt.Errorf("envelope principal: %w: %w", err, kerr.PrincipalDeserializationFailure)
	}
	var target, topicIDs, sender []byte
	req.UnknownTags.Each(func(tag uint32, value []byte) {
		switch tag {
		case rpc.EnvelopeTargetTag:
			target = value
		case rpc.EnvelopeTopicIDsTag:
			topicIDs = value
		case rpc.EnvelopeSenderTag:
			sender = value
		}
	})
	if sender != nil {
		forward.Sender = new(rpc.Sender)
		if err := forward.Sender.Decode(sender); err != nil {
			return nil, fmt.Errorf("envelope sender: %w: %w", err, kerr.InvalidRequest)
		}
	}
	if err := forward.Target.Decode(target); err != nil {
		return nil, fmt.Errorf("envelope target: %w: %w", err, kerr.InvalidRequest)
	}
	if forward.Request, err = innerRequest(req.RequestData); err != nil {
		return nil, err
	}
	rpc.SetTopicIDs(forward.Request, topicIDs)
	return cluster.Forward(ctx, forward)
}

// innerRequest decodes a request with its key and version in front of it.
func innerRequest(b []byte) (kmsg.Request, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("envelope of %d bytes: %w", len(b), kerr.InvalidRequest)
	}
	key, version := int16(b[0])<<8|int16(b[1]), int16(b[2])<<8|int16(b[3])
	req := kmsg.RequestForKey(key)
	if req == nil || version < 0 || version > req.MaxVersion() {
		return nil, fmt.Errorf("enveloped request %d of version %d: %w", key, version, kerr.UnsupportedVersion)
	}
	req.SetVersion(version)
	// A coordinator may keep what it was sent (a member's metadata), and the frame goes back to its pool with the answer.
	if err := req.ReadFrom(slices.Clone(b[4:])); err != nil {
		return nil, fmt.Errorf("enveloped %s: %w: %w", kmsg.NameForKey(key), err, kerr.InvalidRequest)
	}
	return req, nil
}
