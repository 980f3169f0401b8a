package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
)

// Pauses after a failed attempt to connect to a node.
const (
	firstRedial = 50 * time.Millisecond
	lastRedial  = time.Second
)

// peer is one metadata node, at one address, with the one connection to it.
type peer struct {
	client  *Client
	address string
	dialer  chan struct{} // holds one token: who has it dials

	mu     sync.Mutex // guards what follows; never held during network calls
	conn   *conn
	pause  time.Duration // after the last failed attempt
	until  time.Time     // nobody dials before
	err    error         // of the last attempt; nil after success
	closed bool
}

func newPeer(c *Client, address string) *peer {
	p := &peer{client: c, address: address, dialer: make(chan struct{}, 1)}
	p.dialer <- struct{}{}
	return p
}

// current is the connection, if it works, or why none is dialled now.
func (p *peer) current() (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, kafka.ErrClosed
	case p.conn != nil && p.conn.failed() == nil:
		return p.conn, nil
	case p.err != nil && p.client.cfg.Clock.Now().Before(p.until):
		return nil, p.err
	}
	return nil, nil
}

// connected says whether a call would go out at once; paused, that it would fail at once.
func (p *peer) connected() (yes, paused bool) {
	conn, err := p.current()
	return conn != nil, err != nil
}

// live returns the shared connection, dialling if there is none.
func (p *peer) live(ctx context.Context) (*conn, error) {
	if conn, err := p.current(); conn != nil || err != nil {
		return conn, err
	}
	select {
	case <-p.dialer:
		defer func() { p.dialer <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if conn, err := p.current(); conn != nil || err != nil {
		return conn, err // somebody dialled while we waited
	}
	return p.dial(ctx)
}

// dial connects. The caller has the token.
func (p *peer) dial(ctx context.Context) (*conn, error) {
	c := p.client
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.closing, func() { cancel(kafka.ErrClosed) })()
	p.mu.Lock()
	old := p.conn
	p.conn = nil
	p.mu.Unlock()
	if old != nil {
		old.close(errEnded) // it has failed: this waits for its goroutines
	}
	conn, err := dial(ctx, c.cfg, p.address, c.learn)
	if err != nil {
		if context.Cause(ctx) != nil { // this caller gave up, which says nothing of the node
			return nil, context.Cause(ctx)
		}
		return nil, p.refused(err)
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.conn = conn
	}
	failedBefore := p.err != nil
	p.err, p.pause = nil, 0
	p.mu.Unlock()
	if closed {
		conn.close(kafka.ErrClosed)
		return nil, kafka.ErrClosed
	}
	if failedBefore || old != nil {
		c.cfg.Logger.Info("connected to a metadata node again", "address", p.address)
	}
	return conn, nil
}

// refused notes a failed attempt; the next one waits.
func (p *peer) refused(err error) error {
	err = fmt.Errorf("metadata node %s: %w: %w", p.address, err, kerr.CoordinatorNotAvailable)
	cfg := &p.client.cfg
	p.mu.Lock()
	first := p.err == nil
	p.err = err
	p.pause = min(max(2*p.pause, firstRedial), lastRedial)
	p.until = cfg.Clock.Now().Add(time.Duration(float64(p.pause) * (0.5 + cfg.Jitter()/2)))
	p.mu.Unlock()
	if first {
		cfg.Logger.Warn("a metadata node cannot be reached", "address", p.address, "error", err)
	}
	return err
}

func (p *peer) close() {
	p.mu.Lock()
	p.closed = true
	conn := p.conn
	p.mu.Unlock()
	if conn != nil {
		conn.close(kafka.ErrClosed)
	}
	<-p.dialer // whoever dials has given up or closed what it dialled
	p.dialer <- struct{}{}
}

// errEnded says that the peer closed the connection.
var errEnded = errors.New("the connection ended")
