package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// Config of a Client.
type Config struct {
	Addresses []string // of metadata nodes, any of which tells of the others
	Cluster   kafka.ClusterID
	Password  string // of the cluster's brokers (SCRAM-SHA-512)
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	Nonce     func() string // for SCRAM; nil uses crypto/rand
	Timeout   time.Duration // of one call that does not park, looking for its leader included; default 30 s
	// DialTimeout bounds connecting to a node, which has another two of it to answer the handshake; default 2 s.
	DialTimeout time.Duration
	// SilentTimeout is after how long a node that answers nothing, though it was asked, is given up; default 3 s.
	SilentTimeout time.Duration
	ClientID      string
	Clock         clock.Clock    // nil means the machine's
	Jitter        func() float64 // in [0,1), safe for many; nil means a source seeded by the system
	Logger        *slog.Logger   // none if nil

	// unreachable is after how long a call ends that reached no node at all; 0 for Timeout.
	unreachable time.Duration
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{{&c.Timeout, 30 * time.Second}, {&c.DialTimeout, 2 * time.Second}, {&c.SilentTimeout, 3 * time.Second}} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
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
	for name, d := range map[string]time.Duration{"Timeout": c.Timeout, "DialTimeout": c.DialTimeout, "SilentTimeout": c.SilentTimeout} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("rpc/client: %s is %s, it must be positive", name, d))
		}
	}
	return errors.Join(errs...)
}

// Client implements rpc.MetadataCluster.
type Client struct {
	cfg    Config
	routes *routes

	closing context.Context // ends with Close, and dialling with it
	close   context.CancelCauseFunc

	mu       sync.Mutex // guards what follows; never held during network calls
	peers    map[string]*peer
	next     int // the address that a call that any node may answer is sent to
	asking   *question
	closed   bool
	question sync.WaitGroup
}

var _ rpc.MetadataCluster = (*Client)(nil)

// New makes a Client; it dials at the first call.
func New(cfg Config) *Client {
	cfg.setDefaults()
	c := &Client{cfg: cfg, routes: newRoutes(cfg.Addresses), peers: map[string]*peer{}}
	c.closing, c.close = context.WithCancelCause(context.Background())
	return c
}

// Close ends the connections; calls in flight are answered. No goroutine of the client is left when it returns.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	peers := make([]*peer, 0, len(c.peers))
	for _, p := range c.peers {
		peers = append(peers, p)
	}
	c.mu.Unlock()
	c.close(kafka.ErrClosed)
	for _, p := range peers {
		p.close()
	}
	c.question.Wait()
	return nil
}

// peer is the node at an address.
func (c *Client) peer(address string) (*peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, kafka.ErrClosed
	}
	p := c.peers[address]
	if p == nil {
		p = newPeer(c, address)
		c.peers[address] = p
	}
	return p, nil
}
