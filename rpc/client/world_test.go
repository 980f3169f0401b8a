package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Metadata Kafka Cluster of a few nodes on a network in memory. Every coordinator partition has one leader.
type world struct {
	t *testing.T

	mu      sync.Mutex // guards what follows
	nodes   map[string]*node
	leaders map[rpc.PartitionLeader]int32 // by kind and partition
	terms   map[rpc.PartitionLeader]int64
	done    []string // what was executed: "node: what"
	dialled map[string]int
}

// node is one of them.
type node struct {
	world   *world
	id      int32
	address string
	accept  chan net.Conn
	server  *listener.Server

	mu     sync.Mutex
	conns  []net.Conn
	dead   bool          // refuses connections
	silent chan struct{} // answers nothing until it is closed, if set
	blind  bool          // knows no leader
}

func newWorld(t *testing.T, nodes int32) *world {
	w := &world{t: t, nodes: map[string]*node{}, leaders: map[rpc.PartitionLeader]int32{}, terms: map[rpc.PartitionLeader]int64{}, dialled: map[string]int{}}
	for id := int32(1); id <= nodes; id++ {
		n := &node{world: w, id: id, address: fmt.Sprintf("n%d:1", id)}
		w.nodes[n.address] = n
		n.start()
		t.Cleanup(n.kill)
	}
	return w
}

func (n *node) start() {
	n.mu.Lock()
	n.accept, n.dead = make(chan net.Conn), false
	n.mu.Unlock()
	var err error
	n.server, err = listener.New(listener.Config{
		Name: "METADATA", Listener: pipes{n, make(chan struct{})}, APIs: server.APIs(n), OutOfOrder: true, MaxPipelined: 1000, Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = n.server.Start()
	}
	if err != nil {
		n.world.t.Fatal(err)
	}
}

// kill cuts all connections and refuses new ones, as kill -9 does.
func (n *node) kill() {
	n.mu.Lock()
	conns, dead := n.conns, n.dead
	n.conns, n.dead = nil, true
	n.mu.Unlock()
	if dead {
		return
	}
	for _, c := range conns {
		_ = c.Close()
	}
	if err := n.server.Close(); err != nil {
		n.world.t.Error(err)
	}
}

// pipes is a node's listener.
type pipes struct {
	n      *node
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.n.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// dial connects; an address that nobody has swallows the attempt.
func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	n := w.nodes[address]
	w.dialled[address]++
	w.mu.Unlock()
	if n == nil {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	n.mu.Lock()
	dead, accept := n.dead, n.accept
	n.mu.Unlock()
	if dead {
		return nil, errors.New("connection refused")
	}
	mine, theirs := net.Pipe()
	select {
	case accept <- theirs:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	n.mu.Lock()
	n.conns = append(n.conns, mine)
	n.mu.Unlock()
	return mine, nil
}

func (w *world) client(seeds ...string) *client.Client {
	c := client.New(client.Config{Addresses: seeds, Dial: w.dial, Cluster: "c1", ClientID: "inkwell-broker-7", Jitter: func() float64 { return 0.5 }})
	w.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return c
}

func (w *world) node(id int32) *node { return w.nodes[fmt.Sprintf("n%d:1", id)] }

func partition(kind rpc.TargetKind, p int32) rpc.PartitionLeader {
	return rpc.PartitionLeader{Kind: kind, Partition: p}
}

// elect makes a node the leader of a partition, in a new term; -1 for nobody.
func (w *world) elect(kind rpc.TargetKind, p, leader int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaders[partition(kind, p)] = leader
	w.terms[partition(kind, p)]++
}

func (w *world) executed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.done
	w.done = nil
	return all
}

func (w *world) connections() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dialled
}

// Tenant implements server.Tenants.
func (n *node) Tenant(string) (rpc.MetadataCluster, error) { return fakeCluster{n: n}, nil }

// fakeCluster is what a node answers.
type fakeCluster struct {
	rpc.MetadataCluster
	n *node
}

// enter waits while the node answers nothing.
func (c fakeCluster) enter(ctx context.Context) error {
	c.n.mu.Lock()
	silent := c.n.silent
	c.n.mu.Unlock()
	if silent != nil {
		select {
		case <-silent:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// at notes that something was executed here, if the node leads.
func (c fakeCluster) at(ctx context.Context, kind rpc.TargetKind, p int32, what string) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	w := c.n.world
	w.mu.Lock()
	defer w.mu.Unlock()
	leader, term := w.leaders[partition(kind, p)], w.terms[partition(kind, p)]
	if leader != c.n.id {
		hint := &rpc.NotLeader{Node: leader, Term: term, Err: kerr.NotCoordinator}
		if leader > 0 {
			hint.Address = w.node(leader).address
		}
		return hint
	}
	w.done = append(w.done, fmt.Sprintf("n%d: %s", c.n.id, what))
	return nil
}

func (c fakeCluster) FindLeaders(ctx context.Context, _ *rpc.FindLeadersRequest) (*rpc.FindLeadersResponse, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	w := c.n.world
	w.mu.Lock()
	defer w.mu.Unlock()
	resp := &rpc.FindLeadersResponse{Self: c.n.id}
	for id := range int32(len(w.nodes)) {
		resp.Nodes = append(resp.Nodes, rpc.MetadataNode{ID: id + 1, Address: w.node(id + 1).address})
	}
	for p, leader := range w.leaders {
		p.Node, p.Term = leader, w.terms[p]
		if c.n.blind {
			p.Node, p.Term = -1, 0
		}
		resp.Leaders = append(resp.Leaders, p)
	}
	return resp, nil
}

func (c fakeCluster) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	return &rpc.CommitObjectsResponse{}, c.at(ctx, rpc.TargetBatchCoordinator, req.Coordinator, fmt.Sprintf("commit to %d", req.Coordinator))
}

func (c fakeCluster) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	return &rpc.FindSegmentsResponse{}, c.at(ctx, rpc.TargetBatchCoordinator, req.Coordinator, fmt.Sprintf("find in %d", req.Coordinator))
}

func (c fakeCluster) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	if err := c.at(ctx, rpc.TargetController, 0, "follow"); err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(req.MaxWaitMillis) * time.Millisecond):
		return &rpc.FollowTopicResponse{}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c fakeCluster) DescribeCluster(context.Context, *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return &rpc.DescribeClusterResponse{Cluster: "c1", UUID: c.n.address}, nil
}

func (c fakeCluster) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	kind, p := req.Target.Kind, req.Target.Partition
	if kind == rpc.TargetGroup {
		kind, p = rpc.TargetGroupPartition, groupPartition(req.Target.Group)
	}
	if err := c.at(ctx, kind, p, kmsg.NameForKey(req.Request.Key())); err != nil {
		return nil, err
	}
	return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1}, nil
}
