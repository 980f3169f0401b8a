package metadata

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
)

// admitted is a tenant whose calls go through the cluster's limits and the node's fair queue. Calls that this node does not lead are not counted: they are answered at once.
type admitted struct{ *tenant }

var _ rpc.MetadataCluster = admitted{}

// ask executes one call in a slot of the node. The image that the caller knows is waited for before, so that nobody holds a slot for it.
func ask[Q, A any](ctx context.Context, t admitted, logs []raftlog.Log, partition int32, metadataOffset int64, cost int, req Q, call func(*tenant, context.Context, Q) (A, error)) (answer A, err error) {
	if partition < 0 || int(partition) >= len(logs) || !logs[partition].Leadership().IsLeader {
		return call(t.tenant, ctx, req)
	}
	if err := t.admission.serving(); err != nil {
		return answer, err
	}
	switch {
	case metadataOffset < 0:
	case t.image == nil: // the replica of __metadata that it comes from is being rebuilt since the start
		return answer, fmt.Errorf("this node does not see __metadata of %s yet: %w", t.cluster, kerr.CoordinatorNotAvailable)
	case metadataOffset > t.image.Offset():
		if err := t.image.WaitFor(ctx, metadataOffset); err != nil {
			return answer, err
		}
	}
	if err := t.admission.flow.Acquire(ctx, cost); err != nil {
		return answer, err
	}
	defer t.admission.flow.Release()
	return call(t.tenant, ctx, req)
}

// askParked is ask for a call that may wait for long: it takes its turn and gives the slot back before it waits.
func askParked[Q, A any](ctx context.Context, t admitted, logs []raftlog.Log, partition int32, req Q, call func(*tenant, context.Context, Q) (A, error)) (answer A, err error) {
	if partition < 0 || int(partition) >= len(logs) || !logs[partition].Leadership().IsLeader {
		return call(t.tenant, ctx, req)
	}
	if err := t.admission.serving(); err != nil {
		return answer, err
	}
	if err := t.admission.flow.Acquire(ctx, 1); err != nil {
		return answer, err
	}
	t.admission.flow.Release()
	return call(t.tenant, ctx, req)
}

// CommitObjects implements rpc.ObjectCommitter.
func (t admitted) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	batches := 0
	for i := range req.Objects {
		for j := range req.Objects[i].Segments {
			batches += len(req.Objects[i].Segments[j].Batches)
		}
	}
	if p := req.Coordinator; p >= 0 && int(p) < len(t.batchLogs) && t.batchLogs[p].Leadership().IsLeader {
		if err := t.admission.serving(); err != nil {
			return nil, err
		}
		if err := t.admission.commit(ctx, int64(batches)); err != nil {
			return nil, err
		}
	}
	return ask(ctx, t, t.batchLogs, req.Coordinator, req.MetadataOffset, 1+batches/8, req, (*tenant).CommitObjects)
}

// FindSegments implements rpc.SegmentFinder.
func (t admitted) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, req.MetadataOffset, 1+len(req.Partitions)/8, req, (*tenant).FindSegments)
}

// ListOffsets implements rpc.OffsetLister.
func (t admitted) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, req.MetadataOffset, 1+len(req.Partitions)/8, req, (*tenant).ListOffsets)
}

// DeleteRecords implements rpc.RecordDeleter.
func (t admitted) DeleteRecords(ctx context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, req.MetadataOffset, 1+len(req.Partitions), req, (*tenant).DeleteRecords)
}

// DescribePartitions implements rpc.PartitionDescriber.
func (t admitted) DescribePartitions(ctx context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, req.MetadataOffset, 1+len(req.Partitions)/8, req, (*tenant).DescribePartitions)
}

// RequestWork implements rpc.WorkRequester. It parks until there is work.
func (t admitted) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	return askParked(ctx, t, t.batchLogs, req.Coordinator, req, (*tenant).RequestWork)
}

// CheckReleased implements rpc.WorkRequester.
func (t admitted) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1+len(req.Objects)/8, req, (*tenant).CheckReleased)
}

// CompleteWork implements rpc.WorkRequester.
func (t admitted) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1+(len(req.Deleted)+len(req.Segments))/8, req, (*tenant).CompleteWork)
}

// RenewWork implements rpc.WorkRequester.
func (t admitted) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1, req, (*tenant).RenewWork)
}

// FailWork implements rpc.WorkRequester.
func (t admitted) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1, req, (*tenant).FailWork)
}

// DescribeWork implements rpc.WorkDescriber.
func (t admitted) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1+int(req.MaxItems)/8, req, (*tenant).DescribeWork)
}

// RetryWork implements rpc.WorkDescriber.
func (t admitted) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1, req, (*tenant).RetryWork)
}

// DescribeCoordinates implements rpc.ObjectDescriber.
func (t admitted) DescribeCoordinates(ctx context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, 0, 1+int(max(req.MaxCoordinates, 0))/8, req, (*tenant).DescribeCoordinates)
}

// DescribeObjects implements rpc.ObjectDescriber.
func (t admitted) DescribeObjects(ctx context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	return ask(ctx, t, t.batchLogs, req.Coordinator, req.MetadataOffset, 1+len(req.Objects)/8, req, (*tenant).DescribeObjects)
}

// AllocateProducerIDs implements rpc.ProducerIDAllocator.
func (t admitted) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	return ask(ctx, t, []raftlog.Log{t.metadataLog}, 0, 0, 1, req, (*tenant).AllocateProducerIDs)
}

// ReportCost implements rpc.CostReporter.
func (t admitted) ReportCost(ctx context.Context, req *rpc.ReportCostRequest) (*rpc.ReportCostResponse, error) {
	return ask(ctx, t, []raftlog.Log{t.metadataLog}, 0, 0, 1+len(req.Account.Topics)/8, req, (*tenant).ReportCost)
}

// DescribeCost implements rpc.CostReporter.
func (t admitted) DescribeCost(ctx context.Context, req *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	return ask(ctx, t, []raftlog.Log{t.metadataLog}, 0, 0, 1, req, (*tenant).DescribeCost)
}

// FollowTopic implements rpc.TopicFollower: a long poll. Brokers of a suspended cluster go on following what topics and brokers there are, so that they are up to date when it is resumed.
func (t admitted) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	if req.Topic == rpc.MetadataTopic {
		return t.tenant.FollowTopic(ctx, req)
	}
	return askParked(ctx, t, t.batchLogs, req.Partition, req, (*tenant).FollowTopic)
}

// DescribeCluster and FindLeaders are the tenant's own: they cost nothing, and brokers of a suspended cluster need them.

// Forward implements rpc.Forwarder. What keeps a broker's registration and membership alive is neither limited nor suspended: a cluster over its limits, or without work,
// must not lose its brokers.
func (t admitted) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	logs, partition, code := t.groupLogs, req.Target.Partition, kerr.CoordinatorLoadInProgress // group APIs have no throttling code; clients wait and ask again after this one
	switch req.Target.Kind {
	case rpc.TargetController:
		logs, partition, code = []raftlog.Log{t.metadataLog}, 0, kerr.ThrottlingQuotaExceeded
	case rpc.TargetGroup:
		partition = kafka.PartitionFor(req.Target.Group, int32(len(t.groupLogs)))
	}
	if partition < 0 || int(partition) >= len(logs) || !logs[partition].Leadership().IsLeader || isMembership(req) {
		return t.tenant.Forward(ctx, req)
	}
	if err := t.admission.serving(); err != nil {
		return nil, err
	}
	if err := t.admission.request(ctx, code); err != nil {
		return nil, err
	}
	if resp := t.refuseGrowth(req.Request); resp != nil {
		return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
	}
	switch req.Request.(type) {
	case *kmsg.JoinGroupRequest, *kmsg.SyncGroupRequest: // they wait for the other members
		return askParked(ctx, t, logs, partition, req, (*tenant).Forward)
	}
	return ask(ctx, t, logs, partition, 0, 1, req, (*tenant).Forward)
}

func isMembership(req *rpc.ForwardRequest) bool {
	switch req.Request.(type) {
	case *kmsg.BrokerRegistrationRequest, *kmsg.BrokerHeartbeatRequest, *kmsg.UnregisterBrokerRequest:
		return req.Target.Kind == rpc.TargetController
	}
	return req.Target.Kind == rpc.TargetGroup && req.Target.Group == rpc.MembershipGroup
}

// refuseGrowth answers requests for topics and partitions of a cluster that is at its limit of metadata, nil if it is not.
func (t admitted) refuseGrowth(req kmsg.Request) kmsg.Response {
	switch r := req.(type) {
	case *kmsg.CreateTopicsRequest:
		if why := t.admission.full(); why != "" {
			resp := r.ResponseKind().(*kmsg.CreateTopicsResponse)
			for _, asked := range r.Topics {
				topic := kmsg.NewCreateTopicsResponseTopic()
				topic.Topic, topic.ErrorCode, topic.ErrorMessage = asked.Topic, kerr.PolicyViolation.Code, &why
				resp.Topics = append(resp.Topics, topic)
			}
			return resp
		}
	case *kmsg.CreatePartitionsRequest:
		if why := t.admission.full(); why != "" {
			resp := r.ResponseKind().(*kmsg.CreatePartitionsResponse)
			for _, asked := range r.Topics {
				topic := kmsg.NewCreatePartitionsResponseTopic()
				topic.Topic, topic.ErrorCode, topic.ErrorMessage = asked.Topic, kerr.PolicyViolation.Code, &why
				resp.Topics = append(resp.Topics, topic)
			}
			return resp
		}
	}
	return nil
}
