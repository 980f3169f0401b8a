package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// Config of a Client.
type Config struct {
	Addresses []string // of metadata nodes, tried in turn
	Cluster   kafka.ClusterID
	Password  string // of the cluster's brokers (SCRAM-SHA-512)
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	Nonce     func() string // for SCRAM; nil uses crypto/rand
	Timeout   time.Duration // of one call that does not park; default 30 s
	ClientID  string
	Logger    *slog.Logger
}

// Client implements rpc.MetadataCluster.
type Client struct {
	cfg Config

	mu     sync.Mutex // guards what follows; never held during network calls
	conn   *conn
	dialer chan struct{} // holds one token: who has it dials
	next   int           // index into Addresses
	closed bool
}

var _ rpc.MetadataCluster = (*Client)(nil)

// New makes a Client; it dials at the first call.
func New(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	c := &Client{cfg: cfg, dialer: make(chan struct{}, 1)}
	c.dialer <- struct{}{}
	return c
}

// Close ends the connection; calls in flight are answered.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	conn := c.conn
	c.conn = nil
	c.mu.Unlock()
	if conn != nil {
		conn.fail(kafka.ErrClosed)
		<-conn.done
	}
	return nil
}

// live returns the shared connection, dialling if there is none.
func (c *Client) live(ctx context.Context) (*conn, error) {
	if conn, err := c.current(); conn != nil || err != nil {
		return conn, err
	}
	select {
	case <-c.dialer:
		defer func() { c.dialer <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if conn, err := c.current(); conn != nil || err != nil {
		return conn, err // somebody dialled while we waited
	}
	c.mu.Lock()
	address := c.cfg.Addresses[c.next%len(c.cfg.Addresses)]
	c.next++
	c.mu.Unlock()
	conn, err := dial(ctx, c.cfg, address)
	if err != nil {
		return nil, fmt.Errorf("metadata node %s: %w: %w", address, err, kerr.CoordinatorNotAvailable)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.fail(kafka.ErrClosed)
		return nil, kafka.ErrClosed
	}
	c.next-- // this address works: stay with it
	c.conn = conn
	return conn, nil
}

func (c *Client) current() (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, kafka.ErrClosed
	}
	if c.conn != nil && c.conn.failed() == nil {
		return c.conn, nil
	}
	if c.conn != nil {
		c.conn = nil
		c.next++ // try another node first
	}
	return nil, nil
}

// kind says what a call that was sent and never answered means.
type kind bool

const (
	reads   kind = false
	changes kind = true
)

// call makes one private call.
func call(ctx context.Context, c *Client, k kind, parks time.Duration, key int16, req, answer rpc.Message) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout+parks)
	defer cancel()
	body, err := c.roundTrip(ctx, k, key, 0, req.Append(nil))
	if err != nil {
		return err
	}
	var reply rpc.Reply
	if err := reply.Decode(body); err != nil {
		return fmt.Errorf("the answer to private request %d: %w", key, err)
	}
	if err := answer.Decode(reply.Body); err != nil {
		return fmt.Errorf("the answer to private request %d: %w", key, err)
	}
	return reply.Err
}

func (c *Client) roundTrip(ctx context.Context, k kind, key, version int16, body []byte) ([]byte, error) {
	conn, err := c.live(ctx)
	if err != nil {
		return nil, err
	}
	answer, sent, err := conn.roundTrip(ctx, key, version, body)
	switch {
	case err == nil:
		return answer, nil
	case sent && k == changes:
		return nil, fmt.Errorf("private request %d: %w: %w", key, err, kafka.ErrUnknownOutcome)
	case ctx.Err() != nil:
		return nil, err
	default:
		return nil, fmt.Errorf("private request %d: %w: %w", key, err, kerr.CoordinatorNotAvailable)
	}
}

// CommitObjects implements rpc.ObjectCommitter.
func (c *Client) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	answer := new(rpc.CommitObjectsResponse)
	return answer, call(ctx, c, changes, 0, rpc.KeyCommitObjects, req, answer)
}

// FindSegments implements rpc.SegmentFinder.
func (c *Client) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	answer := new(rpc.FindSegmentsResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyFindSegments, req, answer)
}

// ListOffsets implements rpc.OffsetLister.
func (c *Client) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	answer := new(rpc.ListOffsetsResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyListOffsets, req, answer)
}

// DeleteRecords implements rpc.RecordDeleter.
func (c *Client) DeleteRecords(ctx context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	answer := new(rpc.DeleteRecordsResponse)
	return answer, call(ctx, c, changes, 0, rpc.KeyDeleteRecords, req, answer)
}

// DescribePartitions implements rpc.PartitionDescriber.
func (c *Client) DescribePartitions(ctx context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	answer := new(rpc.DescribePartitionsResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyDescribePartitions, req, answer)
}

// RequestWork implements rpc.WorkRequester. A lease that was lost with its answer runs out by itself.
func (c *Client) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	answer := new(rpc.RequestWorkResponse)
	return answer, call(ctx, c, changes, time.Duration(req.WaitMillis)*time.Millisecond, rpc.KeyRequestWork, req, answer)
}

// CheckReleased implements rpc.WorkRequester.
func (c *Client) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	answer := new(rpc.CheckReleasedResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyCheckReleased, req, answer)
}

// CompleteWork implements rpc.WorkRequester.
func (c *Client) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	answer := new(rpc.CompleteWorkResponse)
	return answer, call(ctx, c, changes, 0, rpc.KeyCompleteWork, req, answer)
}

// FollowTopic implements rpc.TopicFollower.
func (c *Client) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	answer := new(rpc.FollowTopicResponse)
	return answer, call(ctx, c, reads, time.Duration(req.MaxWaitMillis)*time.Millisecond, rpc.KeyFollowTopic, req, answer)
}

// AllocateProducerIDs implements rpc.ProducerIDAllocator. A block that was lost with its answer is a gap.
func (c *Client) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	answer := new(rpc.AllocateProducerIDsResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyAllocateProducerIDs, req, answer)
}

// DescribeCluster implements rpc.ClusterDescriber.
func (c *Client) DescribeCluster(ctx context.Context, req *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	answer := new(rpc.DescribeClusterResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyDescribeCluster, req, answer)
}

// Forward implements rpc.Forwarder with Kafka's Envelope. ctx bounds it, for JoinGroup may park for minutes.
func (c *Client) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	envelope := kmsg.NewPtrEnvelopeRequest()
	key, version := req.Request.Key(), req.Request.GetVersion()
	inner := []byte{byte(key >> 8), byte(key), byte(version >> 8), byte(version)}
	envelope.RequestData = req.Request.AppendTo(inner)
	envelope.RequestPrincipal = req.Client.Append(nil)
	if ip := net.ParseIP(req.Client.Host); ip != nil {
		envelope.ClientHostAddress = ip
	}
	envelope.UnknownTags.Set(rpc.EnvelopeTargetTag, req.Target.Append(nil))
	body, err := c.roundTrip(ctx, changes, envelope.Key(), envelope.GetVersion(), envelope.AppendTo(nil))
	if err != nil {
		return nil, err
	}
	answer := envelope.ResponseKind().(*kmsg.EnvelopeResponse)
	if err := decodeAnswer(body, answer); err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(key), err)
	}
	resp := req.Request.ResponseKind()
	if err := resp.ReadFrom(answer.ResponseData); err != nil {
		return nil, fmt.Errorf("the enveloped answer to %s: %w", kmsg.NameForKey(key), err)
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

// errEnded says that the peer closed the connection.
var errEnded = errors.New("the connection ended")
