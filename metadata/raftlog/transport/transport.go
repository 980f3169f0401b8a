package transport

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"crypto/tls"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Transport is one node's end of all streams.
type Transport struct {
	cfg     Config
	metrics *metrics
	ctx     context.Context // ends with Close
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	nonceMu sync.Mutex // guards cfg.Nonces
	randMu  sync.Mutex // guards cfg.Rand

	mu       sync.RWMutex // guards everything below
	handler  Handler
	peers    map[int32]*peer
	incoming map[int32]net.Conn // the newest stream of messages from each peer
	conns    map[net.Conn]bool  // all that were accepted
	greeting int                // accepted and not admitted
	closed   bool
}

var (
	_ raftlog.Transport         = (*Transport)(nil)
	_ raftlog.SnapshotTransport = (*Transport)(nil)
)

// New makes a transport that drops everything until Start and SetPeers.
func New(cfg Config) (*Transport, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Transport{cfg: cfg, peers: map[int32]*peer{}, incoming: map[int32]net.Conn{}, conns: map[net.Conn]bool{}}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.metrics = newMetrics(cfg.Registerer, t)
	return t, nil
}

// Start begins to accept and to send, for handler. It is called once, after the node is open.
func (t *Transport) Start(handler Handler) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.handler != nil {
		return
	}
	t.handler = handler
	for _, id := range slices.Sorted(maps.Keys(t.peers)) {
		t.startPeer(t.peers[id])
	}
	if t.cfg.Listener != nil {
		t.running.Go(t.accept)
	}
}

// SetPeers says which other nodes there are, and where: HOST:PORT by node id. Streams to and from nodes that are no peers any more end, and those
// to a peer with another address begin anew. This node itself may be among them.
func (t *Transport) SetPeers(addresses map[int32]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	for id, p := range t.peers {
		if _, ok := addresses[id]; !ok {
			p.cancel(errors.New("the node is no peer any more"))
			delete(t.peers, id)
			if conn := t.incoming[id]; conn != nil {
				_ = conn.Close()
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(addresses)) {
		if id == t.cfg.NodeID {
			continue
		}
		if p := t.peers[id]; p != nil {
			p.setAddress(addresses[id])
			continue
		}
		p := newPeer(t, id, addresses[id])
		t.peers[id] = p
		if t.handler != nil {
			t.startPeer(p)
		}
	}
}

// startPeer runs under mu.
func (t *Transport) startPeer(p *peer) { t.running.Go(p.run) }

func (t *Transport) peer(id int32) *peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.peers[id]
}

func (t *Transport) knows(id int32) bool { return t.peer(id) != nil }

// Send implements raftlog.Transport.
func (t *Transport) Send(messages []raftlog.Message) {
	var p *peer
	for from := 0; from < len(messages); {
		to := raftlog.NodeOf(messages[from].Raft.GetTo())
		end := from + 1
		for end < len(messages) && raftlog.NodeOf(messages[end].Raft.GetTo()) == to {
			end++
		}
		if p == nil || p.id != to {
			p = t.peer(to)
		}
		kept := 0
		if p != nil {
			kept = p.enqueue(messages[from:end])
		}
		t.dropped(to, messages[from+kept:end])
		from = end
	}
}

// dropped tells Raft of appends that did not leave; everything else is sent again by itself.
func (t *Transport) dropped(to int32, messages []raftlog.Message) {
	if len(messages) == 0 {
		return
	}
	t.metrics.dropped.Add(float64(len(messages)))
	t.mu.RLock()
	handler := t.handler
	t.mu.RUnlock()
	if handler == nil {
		return
	}
	told := map[uint64]bool{}
	for _, m := range messages {
		if m.Raft.GetType() == pb.MsgApp && !told[m.Group] {
			told[m.Group] = true
			handler.ReportUnreachable(m.Group, to)
		}
	}
}

// dial opens a stream of a kind to a peer and says hello.
func (t *Transport) dial(ctx context.Context, id int32, address string, kind byte) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := t.cfg.Clock.AfterFunc(t.cfg.Timeout, func() { cancel(fmt.Errorf("no answer within %v", t.cfg.Timeout)) })
	defer limit.Stop()
	conn, err := t.cfg.Dial(ctx, address)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		return nil, err
	}
	if t.cfg.TLS != nil {
		c := t.cfg.TLS
		if t.cfg.DialTLS != nil {
			c = t.cfg.DialTLS()
		}
		if host, _, err := net.SplitHostPort(address); err == nil && c.ServerName == "" {
			c = c.Clone()
			c.ServerName = host
		}
		conn = tls.Client(conn, c)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = t.greet(conn, id, kind)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		return nil, err
	}
	return conn, nil
}

// Close ends all streams and waits. It is safe twice.
func (t *Transport) Close() error {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	t.cancel(kafka.ErrClosed)
	for conn := range t.conns {
		_ = conn.Close()
	}
	t.mu.Unlock()
	var err error
	if first {
		if t.cfg.Listener != nil {
			err = t.cfg.Listener.Close()
		}
		t.metrics.close()
	}
	t.running.Wait()
	return err
}
