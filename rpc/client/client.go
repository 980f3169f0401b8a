package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
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
	Clock     clock.Clock // nil means the machine's
	Logger    *slog.Logger
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Addresses) == 0 {
		errs = append(errs, errors.New("metadata.bootstrap: no address of a metadata node is set"))
	}
	for _, a := range c.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			errs = append(errs, fmt.Errorf("metadata.bootstrap: %q is no host:port: %w", a, err))
		}
	}
	if c.Dial == nil {
		errs = append(errs, errors.New("rpc/client: Dial is not set"))
	}
	if c.Password != "" && c.Cluster == "" {
		errs = append(errs, errors.New("rpc/client: a password without the name of its cluster"))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("rpc/client: a timeout of %s, it must be positive", c.Timeout))
	}
	return errors.Join(errs...)
}

// Client implements rpc.MetadataCluster.
type Client struct {
	cfg Config

	closing context.Context // ends with Close, and dialling with it
	close   context.CancelCauseFunc
	dialer  chan struct{} // holds one token: who has it dials

	mu     sync.Mutex // guards what follows; never held during network calls
	conn   *conn
	next   int // index into Addresses
	closed bool
}

var _ rpc.MetadataCluster = (*Client)(nil)

// New makes a Client; it dials at the first call.
func New(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	c := &Client{cfg: cfg, dialer: make(chan struct{}, 1)}
	c.closing, c.close = context.WithCancelCause(context.Background())
	c.dialer <- struct{}{}
	return c
}

// Close ends the connection; calls in flight are answered. No goroutine of the client is left when it returns.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	conn := c.conn
	c.mu.Unlock()
	c.close(kafka.ErrClosed)
	if conn != nil {
		conn.close(kafka.ErrClosed)
	}
	<-c.dialer // whoever dials has given up or closed what it dialled
	c.dialer <- struct{}{}
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
	return c.redial(ctx)
}

// redial connects to the next address. The caller has the dialer's token.
func (c *Client) redial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.closing, func() { cancel(kafka.ErrClosed) })()
	c.mu.Lock()
	old := c.conn
	if c.conn = nil; old != nil {
		c.next++ // it failed: try another node first
	}
	address := c.cfg.Addresses[c.next%len(c.cfg.Addresses)]
	c.next++
	c.mu.Unlock()
	if old != nil {
		<-old.done // its socket is closed: the reader is about to end
	}
	conn, err := dial(ctx, c.cfg, address)
	if err != nil {
		if errors.Is(context.Cause(ctx), kafka.ErrClosed) {
			return nil, kafka.ErrClosed
		}
		return nil, fmt.Errorf("metadata node %s: %w: %w", address, err, kerr.CoordinatorNotAvailable)
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.next-- // this address works: stay with it
		c.conn = conn
	}
	c.mu.Unlock()
	if closed {
		conn.close(kafka.ErrClosed)
		return nil, kafka.ErrClosed
	}
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
	if len(body) > maxFrameBytes {
		return nil, fmt.Errorf("request %d of %d bytes, at most %d can be sent: %w", key, len(body), maxFrameBytes, kerr.MessageTooLarge)
	}
	conn, err := c.live(ctx)
	if err != nil {
		return nil, err
	}
	answer, sent, err := conn.roundTrip(ctx, key, version, body)
	switch {
	case err == nil:
		return answer, nil
	case sent && k == changes:
		return nil, fmt.Errorf("request %d: %w: %w", key, err, kafka.ErrUnknownOutcome)
	case ctx.Err() != nil, errors.Is(err, kafka.ErrClosed):
		return nil, fmt.Errorf("request %d: %w", key, err)
	default:
		return nil, fmt.Errorf("request %d: %w: %w", key, err, kerr.CoordinatorNotAvailable)
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

// RenewWork implements rpc.WorkRequester.
func (c *Client) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	answer := new(rpc.RenewWorkResponse)
	return answer, call(ctx, c, changes, 0, rpc.KeyRenewWork, req, answer)
}

// FailWork implements rpc.WorkRequester.
func (c *Client) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	answer := new(rpc.FailWorkResponse)
	return answer, call(ctx, c, changes, 0, rpc.KeyFailWork, req, answer)
}

// DescribeWork implements rpc.WorkDescriber.
func (c *Client) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	answer := new(rpc.DescribeWorkResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyDescribeWork, req, answer)
}

// RetryWork implements rpc.WorkDescriber.
func (c *Client) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	answer := new(rpc.RetryWorkResponse)
	return answer, call(ctx, c, changes, 0, rpc.KeyRetryWork, req, answer)
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

// FindLeaders implements rpc.LeaderFinder.
func (c *Client) FindLeaders(ctx context.Context, req *rpc.FindLeadersRequest) (*rpc.FindLeadersResponse, error) {
	answer := new(rpc.FindLeadersResponse)
	return answer, call(ctx, c, reads, 0, rpc.KeyFindLeaders, req, answer)
}

// Forward implements rpc.Forwarder with Kafka's Envelope. ctx bounds it, for JoinGroup may park for minutes.
func (c *Client) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	envelope := kmsg.NewPtrEnvelopeRequest()
	key, version := req.Request.Key(), req.Request.GetVersion()
	inner := []byte{byte(key >> 8), byte(key), byte(version >> 8), byte(version)}
	envelope.RequestData = req.Request.AppendTo(inner)
	envelope.RequestPrincipal = req.Client.Append(nil)
	envelope.ClientHostAddress = hostAddress(req.Client.Host)
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

// hostAddress is host, as Kafka prints it ("/10.0.0.1"), in Kafka's form on the wire: 4 or 16 bytes.
func hostAddress(host string) []byte {
	ip := net.ParseIP(strings.TrimPrefix(host, "/"))
	if v4 := ip.To4(); v4 != nil {
		return v4
	}
	return ip
}

// errEnded says that the peer closed the connection.
var errEnded = errors.New("the connection ended")
