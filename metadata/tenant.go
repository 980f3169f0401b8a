package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	"github.com/inkwell-project/inkwell/metadata/controller"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// tenant is one Inkless cluster on this node: the coordinators that it has here, and the calls of its brokers. It is not changed once it is shown: when a replica comes or
// goes there is a new one. A partition that is elsewhere has an absent log and no coordinator.
type tenant struct {
	cluster     kafka.ClusterID
	uuid        string // cluster.id
	admission   *admission
	clock       clock.Clock
	controller  *controller.Controller
	image       *controller.Follower
	metadataLog raftlog.Log
	batchLogs   []raftlog.Log // by partition of __batch_coordinates
	groupLogs   []raftlog.Log // by partition of __consumer_offsets
	batch       []*batchcoordinator.Coordinator
	groups      []*groupcoordinator.Coordinator

	directory directory
	logs      *raftlog.Node
	groupIDs  []uint64 // of its replicas here
	watch     *topicWatch
}

var _ rpc.MetadataCluster = (*tenant)(nil)

// close ends the coordinators, those first that depend on others.
func (t *tenant) close() error {
	var errs []error
	t.watch.close()
	for _, b := range t.batch {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	for _, g := range t.groups {
		if g != nil {
			errs = append(errs, g.Close())
		}
	}
	if t.controller != nil {
		errs = append(errs, t.controller.Close())
	}
	if t.image != nil {
		errs = append(errs, t.image.Close())
	}
	t.admission.flow.Close()
	return errors.Join(errs...)
}

// removeLogs deletes the state of a cluster that is gone for ever.
func (t *tenant) removeLogs() error {
	var errs []error
	for _, id := range t.groupIDs {
		errs = append(errs, t.logs.RemoveGroup(id))
	}
	return errors.Join(errs...)
}

func (t *tenant) batchCoordinator(partition int32) (*batchcoordinator.Coordinator, error) {
	if partition < 0 || int(partition) >= len(t.batch) {
		return nil, fmt.Errorf("__batch_coordinates-%d: %w", partition, kerr.NotCoordinator)
	}
	if t.batch[partition] == nil {
		return nil, t.leads(rpc.BatchCoordinatesTopic, partition, t.batchLogs[partition])
	}
	return t.batch[partition], nil
}

// onBatchCoordinator routes one private call.
func onBatchCoordinator[Q, A any](t *tenant, ctx context.Context, partition int32, req Q, call func(*batchcoordinator.Coordinator, context.Context, Q) (A, error)) (A, error) {
	c, err := t.batchCoordinator(partition)
	if err != nil {
		var none A
		return none, err
	}
	answer, err := call(c, ctx, req)
	if err != nil {
		err = t.hinted(t.batchLogs[partition], err)
	}
	return answer, err
}

// CommitObjects implements rpc.ObjectCommitter.
func (t *tenant) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).CommitObjects)
}

// FindSegments implements rpc.SegmentFinder.
func (t *tenant) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).FindSegments)
}

// ListOffsets implements rpc.OffsetLister.
func (t *tenant) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).ListOffsets)
}

// DeleteRecords implements rpc.RecordDeleter.
func (t *tenant) DeleteRecords(ctx context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).DeleteRecords)
}

// DescribePartitions implements rpc.PartitionDescriber.
func (t *tenant) DescribePartitions(ctx context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).DescribePartitions)
}

// RequestWork implements rpc.WorkRequester.
func (t *tenant) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).RequestWork)
}

// CheckReleased implements rpc.WorkRequester.
func (t *tenant) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).CheckReleased)
}

// CompleteWork implements rpc.WorkRequester.
func (t *tenant) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).CompleteWork)
}

// RenewWork implements rpc.WorkRequester.
func (t *tenant) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).RenewWork)
}

// FailWork implements rpc.WorkRequester.
func (t *tenant) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).FailWork)
}

// DescribeWork implements rpc.WorkDescriber.
func (t *tenant) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).DescribeWork)
}

// RetryWork implements rpc.WorkDescriber.
func (t *tenant) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).RetryWork)
}

// DescribeCoordinates implements rpc.ObjectDescriber.
func (t *tenant) DescribeCoordinates(ctx context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).DescribeCoordinates)
}

// DescribeObjects implements rpc.ObjectDescriber.
func (t *tenant) DescribeObjects(ctx context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	return onBatchCoordinator(t, ctx, req.Coordinator, req, (*batchcoordinator.Coordinator).DescribeObjects)
}

// AllocateProducerIDs implements rpc.ProducerIDAllocator.
func (t *tenant) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	if t.controller == nil {
		return nil, t.leads(rpc.MetadataTopic, 0, t.metadataLog)
	}
	resp, err := t.controller.AllocateProducerIDs(ctx, req)
	if err != nil {
		return nil, t.hinted(t.metadataLog, err)
	}
	return resp, nil
}

// onController routes one private call.
func onController[Q, A any](t *tenant, ctx context.Context, req Q, call func(*controller.Controller, context.Context, Q) (A, error)) (answer A, err error) {
	if t.controller == nil {
		return answer, t.leads(rpc.MetadataTopic, 0, t.metadataLog)
	}
	if answer, err = call(t.controller, ctx, req); err != nil {
		err = t.hinted(t.metadataLog, err)
	}
	return answer, err
}

// ReportCost implements rpc.CostReporter.
func (t *tenant) ReportCost(ctx context.Context, req *rpc.ReportCostRequest) (*rpc.ReportCostResponse, error) {
	return onController(t, ctx, req, (*controller.Controller).ReportCost)
}

// DescribeCost implements rpc.CostReporter.
func (t *tenant) DescribeCost(ctx context.Context, req *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	return onController(t, ctx, req, (*controller.Controller).DescribeCost)
}

// DescribeCluster implements rpc.ClusterDescriber.
func (t *tenant) DescribeCluster(context.Context, *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return &rpc.DescribeClusterResponse{Cluster: t.cluster, UUID: t.uuid, BatchCoordinators: int32(len(t.batch)), GroupCoordinators: int32(len(t.groups))}, nil
}

// Forward implements rpc.Forwarder.
func (t *tenant) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	if err := t.current(req); err != nil {
		return nil, err
	}
	partition := req.Target.Partition
	switch req.Target.Kind {
	case rpc.TargetController:
		if t.controller == nil {
			return nil, t.leads(rpc.MetadataTopic, 0, t.metadataLog)
		}
		resp, offset, err := t.controller.Handle(ctx, req.Client, req.Request)
		if err != nil {
			return nil, t.hinted(t.metadataLog, err)
		}
		return &rpc.ForwardResponse{Response: resp, MetadataOffset: offset}, nil
	case rpc.TargetGroup:
		partition = kafka.PartitionFor(req.Target.Group, int32(len(t.groups)))
	case rpc.TargetGroupPartition:
	default:
		return nil, fmt.Errorf("target %d of %s: %w", req.Target.Kind, kmsg.NameForKey(req.Request.Key()), kerr.InvalidRequest)
	}
	if partition < 0 || int(partition) >= len(t.groups) {
		return nil, fmt.Errorf("__consumer_offsets-%d: %w", partition, kerr.NotCoordinator)
	}
	if err := t.leads("__consumer_offsets", partition, t.groupLogs[partition]); err != nil {
		return nil, err // groups answer it inside their own answers, where there is no room for the hint
	}
	resp, err := t.groups[partition].Handle(ctx, req.Client, req.Request)
	if err != nil {
		return nil, err
	}
	return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
}

// current refuses what a broker took from its client under a registration that is over. An image older than the registration says nothing of it.
func (t *tenant) current(req *rpc.ForwardRequest) error {
	if req.Sender == nil || t.image == nil || isMembership(req) {
		return nil
	}
	asOf, live := t.image.LiveBrokers()
	if asOf < req.Sender.Epoch || slices.ContainsFunc(live, func(b *topics.Broker) bool { return b.ID == req.Sender.Broker && b.Epoch == req.Sender.Epoch }) {
		return nil
	}
	return fmt.Errorf("epoch %d of broker %d is over: %w", req.Sender.Epoch, req.Sender.Broker, kerr.StaleBrokerEpoch)
}

// maxFollowWait bounds a long poll, whatever the follower asks.
const maxFollowWait = time.Minute

// FollowTopic implements rpc.TopicFollower.
func (t *tenant) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	log, err := t.followed(req.Topic, req.Partition)
	if err != nil {
		return nil, err
	}
	// A replica that lags would call offsets out of range that are not.
	if err := t.leads(req.Topic, req.Partition, log); err != nil {
		return nil, err
	}
	resp, err := readTopic(log, req)
	if err != nil || len(resp.Records) > 0 || req.MaxWaitMillis <= 0 {
		return resp, err
	}
	if err := waitForRecords(ctx, t.clock, log, req); err != nil {
		return nil, t.hinted(log, err)
	}
	return readTopic(log, req)
}

func (t *tenant) followed(topic string, partition int32) (raftlog.Log, error) {
	var logs []raftlog.Log
	switch topic {
	case rpc.MetadataTopic:
		logs = []raftlog.Log{t.metadataLog}
	case rpc.BatchCoordinatesTopic:
		logs = t.batchLogs
	}
	if partition < 0 || int(partition) >= len(logs) {
		return nil, fmt.Errorf("%s-%d: %w", topic, partition, kerr.UnknownTopicOrPartition)
	}
	return logs[partition], nil
}

// waitForRecords returns nil when there is something to read or the poll's time is over, and NOT_COORDINATOR when another node leads.
func waitForRecords(ctx context.Context, c clock.Clock, log raftlog.Log, req *rpc.FollowTopicRequest) error {
	wait := min(time.Duration(req.MaxWaitMillis)*time.Millisecond, maxFollowWait)
	polling, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := c.AfterFunc(wait, func() { cancel(errPollOver) })
	defer timer.Stop()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() { endWhenDeposed(polling, log, cancel) })
	err := log.Wait(polling, req.Offset)
	if errors.Is(context.Cause(polling), errPollOver) {
		return nil
	}
	return err
}

// endWhenDeposed cancels when the replica leads no more, or returns when ctx ends.
func endWhenDeposed(ctx context.Context, log raftlog.Log, cancel context.CancelCauseFunc) {
	for {
		changed := log.LeadershipChanged()
		if !log.Leadership().IsLeader {
			cancel(fmt.Errorf("another node leads now: %w", kerr.NotCoordinator))
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

var errPollOver = errors.New("the long poll's time is over")

func readTopic(log raftlog.Log, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	start, highWatermark := log.Bounds() // before reading: all that Read leaves out below it is gone for ever
	resp := &rpc.FollowTopicResponse{StartOffset: start, HighWatermark: highWatermark, NextOffset: req.Offset}
	records, err := log.Read(req.Offset, int(req.MaxBytes))
	if err != nil {
		return resp, err // with OFFSET_OUT_OF_RANGE the follower needs the start
	}
	if len(records) == 0 {
		resp.NextOffset = max(req.Offset, highWatermark)
	}
	resp.Records = make([]rpc.TopicRecord, len(records))
	for i, r := range records {
		resp.Records[i] = rpc.TopicRecord{Offset: r.Offset, TimestampMillis: r.TimestampMillis, Key: r.Key, Value: r.Value}
		resp.NextOffset = r.Offset + 1
	}
	return resp, nil
}
