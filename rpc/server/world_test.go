package server_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a metadata node's listener with a fake cluster behind it.
type node struct {
	t       *testing.T
	cluster *cluster
	address string
	server  *listener.Server

	mu    sync.Mutex
	conns []net.Conn
}

// capture remembers accepted connections, so that a test can cut them.
type capture struct {
	net.Listener
	n *node
}

func (c capture) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err == nil {
		c.n.mu.Lock()
		c.n.conns = append(c.n.conns, nc)
		c.n.mu.Unlock()
	}
	return nc, err
}

// tenants knows one cluster: that of connections without authentication.
type tenants struct{ cluster *cluster }

func (t tenants) Tenant(principal string) (rpc.MetadataCluster, error) {
	if principal != listener.AnonymousPrincipal || t.cluster.stranger.Load() {
		return nil, fmt.Errorf("%s is no Inkless cluster: %w", principal, kerr.ClusterAuthorizationFailed)
	}
	return t.cluster, nil
}

func startNode(t *testing.T, c *cluster) *node {
	t.Helper()
	n := &node{t: t, cluster: c}
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = nl.Addr().String()
	n.server, err = listener.New(listener.Config{
		Name: "BROKERS", Listener: capture{nl, n}, APIs: server.APIs(tenants{c}), OutOfOrder: true, MaxPipelined: 1000, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	if err := n.server.Close(); err != nil {
		n.t.Error(err)
	}
}

// cut closes all connections without a word.
func (n *node) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

func dialTo(t *testing.T, addresses ...string) *client.Client {
	t.Helper()
	c := client.New(client.Config{
		Addresses: addresses, Dial: (&net.Dialer{}).DialContext, Cluster: "c1", ClientID: "inkwell-broker-7", Timeout: 10 * time.Second,
		Nonce: func() string { return base64.RawStdEncoding.EncodeToString([]byte("nonce")) }, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), c.Close()); err != nil { // twice is safe
			t.Error(err)
		}
	})
	return c
}

// rawNode accepts connections and gives each to serve.
func rawNode(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := nl.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				serve(nc)
				_ = nc.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = nl.Close()
		all.Wait()
	})
	return nl.Addr().String()
}

// readFrame reads one request of the client.
func readFrame(nc net.Conn) (head []byte, err error) {
	head = make([]byte, 4)
	if _, err := io.ReadFull(nc, head); err != nil {
		return nil, err
	}
	size := int(head[0])<<24 | int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	frame := make([]byte, size)
	_, err = io.ReadFull(nc, frame)
	return frame, err
}

// readRequest is readFrame after the node has said, as often as it was asked, that it knows of no leaders.
func readRequest(nc net.Conn) ([]byte, error) {
	for {
		frame, err := readFrame(nc)
		if err != nil || int16(binary.BigEndian.Uint16(frame)) != rpc.KeyFindLeaders {
			return frame, err
		}
		if _, err := nc.Write(append([]byte{0, 0, 0, 4}, frame[4:8]...)); err != nil {
			return nil, err
		}
	}
}

// cluster is a MetadataCluster that a test scripts.
type cluster struct {
	stranger atomic.Bool // the connection is nobody's
	err      error       // of every private call
	arrived  chan any    // gets each request, if set
	hold     chan struct{}
	leaders  func() (*rpc.FindLeadersResponse, error)

	forward func(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error)
	follow  func(req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error)
	work    func(req *rpc.RequestWorkRequest) *rpc.RequestWorkResponse
}

func answer[A any](c *cluster, ctx context.Context, req any, a *A) (*A, error) {
	if c.arrived != nil {
		select {
		case c.arrived <- req:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return a, nil
}

func (c *cluster) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	results := make([]rpc.ObjectResult, len(req.Objects))
	for i, o := range req.Objects {
		results[i].Segments = []rpc.SegmentResult{{LogStartOffset: o.Object.Sequence, Batches: []rpc.BatchResult{{BaseOffset: o.ObjectBytes, AppendTimestamp: -1}}}}
	}
	return answer(c, ctx, req, &rpc.CommitObjectsResponse{Objects: results})
}

func (c *cluster) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	return answer(c, ctx, req, &rpc.FindSegmentsResponse{Partitions: []rpc.FindSegmentResult{{HighWatermark: req.Partitions[0].Offset + 1, Error: kerr.OffsetOutOfRange.Code}}})
}

func (c *cluster) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	return answer(c, ctx, req, &rpc.ListOffsetsResponse{Partitions: []rpc.ListOffsetResult{{HighWatermark: req.Partitions[0].Timestamp}}})
}

func (c *cluster) DeleteRecords(ctx context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	return answer(c, ctx, req, &rpc.DeleteRecordsResponse{Partitions: []rpc.DeleteRecordsResult{{LogStartOffset: req.Partitions[0].Before}}})
}

func (c *cluster) DescribePartitions(ctx context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	return answer(c, ctx, req, &rpc.DescribePartitionsResponse{Partitions: []rpc.PartitionDescription{{Bytes: int64(req.Partitions[0].Partition)}}})
}

func (c *cluster) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	if c.work != nil {
		return c.work(req), nil
	}
	return answer(c, ctx, req, &rpc.RequestWorkResponse{Lease: int64(req.MaxObjects)})
}

func (c *cluster) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	return answer(c, ctx, req, &rpc.CheckReleasedResponse{Released: []bool{false, true}})
}

func (c *cluster) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	return answer(c, ctx, req, &rpc.CompleteWorkResponse{})
}

func (c *cluster) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	return answer(c, ctx, req, &rpc.RenewWorkResponse{DeadlineMillis: req.Lease})
}

func (c *cluster) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	return answer(c, ctx, req, &rpc.FailWorkResponse{Attempts: int32(len(req.Cause))})
}

func (c *cluster) DescribeWork(ctx context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	return answer(c, ctx, req, &rpc.DescribeWorkResponse{Next: req.From})
}

func (c *cluster) RetryWork(ctx context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	return answer(c, ctx, req, &rpc.RetryWorkResponse{Items: int64(req.Kind)})
}

func (c *cluster) DescribeCoordinates(ctx context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	return answer(c, ctx, req, &rpc.DescribeCoordinatesResponse{Partitions: []rpc.PartitionCoordinates{{Partition: req.From, LogStartOffset: req.Offset, Complete: true}}, More: true})
}

func (c *cluster) DescribeObjects(ctx context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	return answer(c, ctx, req, &rpc.DescribeObjectsResponse{Objects: make([]rpc.ObjectDescription, len(req.Objects))})
}

func (c *cluster) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	if c.follow != nil {
		return c.follow(req)
	}
	return answer(c, ctx, req, &rpc.FollowTopicResponse{NextOffset: req.Offset + 1, Records: []rpc.TopicRecord{{Offset: req.Offset, Key: []byte("k")}}})
}

func (c *cluster) AllocateProducerIDs(ctx context.Context, req *rpc.AllocateProducerIDsRequest) (*rpc.AllocateProducerIDsResponse, error) {
	return answer(c, ctx, req, &rpc.AllocateProducerIDsResponse{First: req.BrokerEpoch, Length: 1000})
}

func (c *cluster) ReportCost(ctx context.Context, req *rpc.ReportCostRequest) (*rpc.ReportCostResponse, error) {
	return answer(c, ctx, req, &rpc.ReportCostResponse{})
}

func (c *cluster) DescribeCost(ctx context.Context, req *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	return answer(c, ctx, req, &rpc.DescribeCostResponse{Brokers: 2, Account: topics.StorageAccount{Topics: []topics.TopicBytes{{Name: "orders", Bytes: 6}}}})
}

func (c *cluster) DescribeCluster(ctx context.Context, req *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return answer(c, ctx, req, &rpc.DescribeClusterResponse{Cluster: "c1", UUID: "uuid", BatchCoordinators: 4, GroupCoordinators: 50})
}

func (c *cluster) FindLeaders(ctx context.Context, req *rpc.FindLeadersRequest) (*rpc.FindLeadersResponse, error) {
	if c.leaders != nil {
		return c.leaders()
	}
	return &rpc.FindLeadersResponse{Self: 1}, nil
}

func (c *cluster) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	return c.forward(ctx, req)
}
