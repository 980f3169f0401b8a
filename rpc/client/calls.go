package client

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
)

// callAt makes one private call at the leader of a target and looks for it until the time is over. parks is how long the callee may park it.
func callAt(ctx context.Context, c *Client, t target, k kind, parks time.Duration, key int16, req, answer rpc.Message) error {
	body := req.Append(nil)
	if err := checkSize(key, body); err != nil {
		return err
	}
	ctx, cancel := withTimeout(ctx, c.cfg.Clock, c.cfg.Timeout+parks)
	defer cancel()
	err := c.do(ctx, k, func() (target, bool) { return t, true }, func(ctx context.Context, conn *conn) (fate, error) {
		return conn.call(ctx, parks > 0, key, body, answer)
	})
	if err != nil {
		return fmt.Errorf("request %s: %w", rpc.KeyName(key), err)
	}
	return nil
}

// call makes one private call at the first node that can be reached, once: its caller decides what to do about an error.
func call(ctx context.Context, c *Client, k kind, parks time.Duration, key int16, req, answer rpc.Message) error {
	body := req.Append(nil)
	if err := checkSize(key, body); err != nil {
		return err
	}
	ctx, cancel := withTimeout(ctx, c.cfg.Clock, c.cfg.Timeout+parks)
	defer cancel()
	_, p, err := c.route(ctx, func() (target, bool) { return anyNode, true })
	if err == nil {
		var known bool
		if known, err = c.once(ctx, k, p, func(ctx context.Context, conn *conn) (fate, error) {
			return conn.call(ctx, parks > 0, key, body, answer)
		}); !known {
			c.pass()
		}
	}
	if err != nil {
		return fmt.Errorf("request %s: %w", rpc.KeyName(key), err)
	}
	return nil
}

func checkSize(key int16, body []byte) error {
	if len(body) > maxFrameBytes {
		return fmt.Errorf("request %s of %d bytes, at most %d can be sent: %w", rpc.KeyName(key), len(body), maxFrameBytes, kerr.MessageTooLarge)
	}
	return nil
}

// withTimeout is context.WithTimeout by a clock that was handed in.
func withTimeout(ctx context.Context, c clock.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := c.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// CommitObjects implements rpc.ObjectCommitter.
func (c *Client) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	answer := new(rpc.CommitObjectsResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, 0, rpc.KeyCommitObjects, req, answer)
}

// FindSegments implements rpc.SegmentFinder.
func (c *Client) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	answer := new(rpc.FindSegmentsResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyFindSegments, req, answer)
}

// ListOffsets implements rpc.OffsetLister.
func (c *Client) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	answer := new(rpc.ListOffsetsResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyListOffsets, req, answer)
}

// DeleteRecords implements rpc.RecordDeleter.
func (c *Client) DeleteRecords(ctx context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	answer := new(rpc.DeleteRecordsResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, 0, rpc.KeyDeleteRecords, req, answer)
}

// DescribePartitions implements rpc.PartitionDescriber.
func (c *Client) DescribePartitions(ctx context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	answer := new(rpc.DescribePartitionsResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyDescribePartitions, req, answer)
}

// RequestWork implements rpc.WorkRequester. A lease that was lost with its answer runs out by itself.
func (c *Client) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	answer := new(rpc.RequestWorkResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, time.Duration(req.WaitMillis)*time.Millisecond, rpc.KeyRequestWork, req, answer)
}

// CheckReleased implements rpc.WorkRequester.
func (c *Client) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	answer := new(rpc.CheckReleasedResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyCheckReleased, req, answer)
}

// CompleteWork implements rpc.WorkRequester.
func (c *Client) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	answer := new(rpc.CompleteWorkResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, 0, rpc.KeyCompleteWork, req, answer)
}

// FollowTopic implements rpc.TopicFollower.
func (c *Client) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	answer := new(rpc.FollowTopicResponse)
	t := toController
	if req.Topic == rpc.BatchCoordinatesTopic {
		t = toBatch(req.Partition)
	}
	return answer, callAt(ctx, c, t, reads, time.Duration(req.MaxWaitMillis)*time.Millisecond, rpc.KeyFollowTopic, req, answer)
}

// AllocateProducerIDs implements rpc.ProducerIDAllocator. A block that was lost with its answer is a gap.
func (c *Client) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	answer := new(rpc.AllocateProducerIDsResponse)
	return answer, callAt(ctx, c, toController, reads, 0, rpc.KeyAllocateProducerIDs, req, answer)
}

// ReportCost implements rpc.CostReporter. A report that arrives twice changes nothing.
func (c *Client) ReportCost(ctx context.Context, req *rpc.ReportCostRequest) (*rpc.ReportCostResponse, error) {
	answer := new(rpc.ReportCostResponse)
	return answer, callAt(ctx, c, toController, reads, 0, rpc.KeyReportCost, req, answer)
}

// DescribeCost implements rpc.CostReporter.
func (c *Client) DescribeCost(ctx context.Context, req *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	answer := new(rpc.DescribeCostResponse)
	return answer, callAt(ctx, c, toController, reads, 0, rpc.KeyDescribeCost, req, answer)
}

// DescribeCluster implements rpc.ClusterDescriber. Who logs in with a certificate is the cluster that it names, whatever the caller meant: another one than
// cfg.Cluster is refused here, before its topics and objects are taken for those of that.
func (c *Client) DescribeCluster(ctx context.Context, req *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	answer := new(rpc.DescribeClusterResponse)
	if err := callAt(ctx, c, anyNode, reads, 0, rpc.KeyDescribeCluster, req, answer); err != nil {
		return answer, err
	}
	if c.cfg.Cluster != "" && answer.Cluster != c.cfg.Cluster {
		return answer, fmt.Errorf("the metadata nodes know this client as cluster %s, not %s: give the credential (password or certificate) of %[2]s: %[3]w", answer.Cluster, c.cfg.Cluster, kerr.ClusterAuthorizationFailed)
	}
	return answer, nil
}

// FindLeaders implements rpc.LeaderFinder.
func (c *Client) FindLeaders(ctx context.Context, req *rpc.FindLeadersRequest) (*rpc.FindLeadersResponse, error) {
	answer := new(rpc.FindLeadersResponse)
	return answer, callAt(ctx, c, anyNode, reads, 0, rpc.KeyFindLeaders, req, answer)
}

// RenewWork implements rpc.WorkRequester.
func (c *Client) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	answer := new(rpc.RenewWorkResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, 0, rpc.KeyRenewWork, req, answer)
}

// FailWork implements rpc.WorkRequester.
func (c *Client) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	answer := new(rpc.FailWorkResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, 0, rpc.KeyFailWork, req, answer)
}

// DescribeWork implements rpc.WorkDescriber.
func (c *Client) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	answer := new(rpc.DescribeWorkResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyDescribeWork, req, answer)
}

// RetryWork implements rpc.WorkDescriber.
func (c *Client) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	answer := new(rpc.RetryWorkResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), changes, 0, rpc.KeyRetryWork, req, answer)
}

// DescribeCoordinates implements rpc.ObjectDescriber.
func (c *Client) DescribeCoordinates(ctx context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	answer := new(rpc.DescribeCoordinatesResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyDescribeCoordinates, req, answer)
}

// DescribeObjects implements rpc.ObjectDescriber.
func (c *Client) DescribeObjects(ctx context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	answer := new(rpc.DescribeObjectsResponse)
	return answer, callAt(ctx, c, toBatch(req.Coordinator), reads, 0, rpc.KeyDescribeObjects, req, answer)
}
