package listener

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/kafka"
)

// Why connections end; context.Cause of the context that Serve got.
var (
	ErrPeerClosed = errors.New("the client closed the connection")
	ErrIdle       = errors.New("the connection was idle for connections.max.idle.ms")
	ErrStalled    = errors.New("the request stopped in the middle")
	ErrMalformed  = errors.New("malformed request")
	ErrRefused    = errors.New("request refused")
)

var errDraining = errors.New("draining")

// readBufferBytes holds small requests, and the head of large ones whose rest is read straight into its frame.
const readBufferBytes = 1024

// connection is a Conn with its goroutines.
type connection struct {
	Conn
	s      *Server
	br     *bufio.Reader
	ctx    context.Context
	cancel context.CancelCauseFunc
	q      queue
	wg     sync.WaitGroup // writer, and requests' goroutines when out of order

	mutedUntil atomic.Int64 // throttle: Unix nanoseconds
	progress   progress

	// Of the reader only.
	clientID string // the last one, so that not every request makes a string of its own
	auth     authState
}

func newConnection(s *Server, nc net.Conn) *connection {
	if s.cfg.TLS != nil {
		nc = tls.Server(nc, s.cfg.TLS)
	}
	c := &connection{
		Conn: Conn{Net: nc, Listener: s.cfg.Name, Principal: AnonymousPrincipal, ID: connectionIDs.Add(1)},
		s:    s,
		q:    queue{unordered: s.cfg.OutOfOrder, maxCalls: s.cfg.MaxPipelined, maxBytes: s.cfg.MaxQueuedAnswerBytes},
	}
	c.br = bufio.NewReaderSize(countingReader{c}, readBufferBytes)
	c.q.init()
	c.ctx, c.cancel = context.WithCancelCause(s.ctx)
	return c
}

type countingReader struct{ c *connection }

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.c.Net.Read(p)
	r.c.s.metrics.bytesIn.Add(float64(n))
	r.c.progress.bytes.Add(int64(n))
	return n, err
}

// run is the reader; it returns when all of the connection's goroutines have ended.
func (c *connection) run() {
	c.wg.Go(c.writeLoop)
	err := c.readAll()
	if errors.Is(err, errDraining) {
		c.q.finish() // the writer ends with the last answer
	} else {
		c.logEnd(err)
		c.die(err)
	}
	c.wg.Wait()
	c.die(kafka.ErrClosed)
}

func (c *connection) readAll() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(p)
		}
	}()
	if err := c.handshake(); err != nil {
		return err
	}
	for {
		if err := c.readRequest(); err != nil {
			return err
		}
	}
}

// panicked logs a panic, which ends this connection and no other.
func (c *connection) panicked(p any) error {
	stack := debug.Stack()
	// Not bounded: a panic is a mistake of ours.
	c.s.log.Logger.Error("panic while a request was served; its connection is closed", "peer", c.peer(), "panic", limitedlog.Capped(fmt.Sprint(p)), "stack", string(stack[:min(len(stack), 8<<10)]))
	c.s.metrics.closed("panic")
	return fmt.Errorf("panic: %w", ErrRefused)
}

func (c *connection) handshake() error {
	t, ok := c.Net.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := c.deadline(c.s.cfg.FrameTimeout); err != nil {
		return err
	}
	if err := t.HandshakeContext(c.ctx); err != nil {
		if c.s.isDraining() {
			return errDraining
		}
		return fmt.Errorf("%w: TLS handshake: %w", ErrMalformed, err)
	}
	if state := t.ConnectionState(); len(state.VerifiedChains) > 0 {
		return c.certified(state.PeerCertificates[0])
	}
	return nil
}

// certified makes the connection that of a verified certificate's owner.
func (c *connection) certified(certificate *x509.Certificate) error {
	if c.s.cfg.Certificate == nil {
		c.Principal = "User:" + certificate.Subject.String()
		return nil
	}
	principal, err := c.s.cfg.Certificate(c.ctx, &c.Conn, certificate)
	if err != nil {
		c.s.metrics.closed("authentication")
		return fmt.Errorf("%w: the client's certificate: %w", ErrRefused, err)
	}
	c.Principal = principal
	c.auth.done = true
	return nil
}

// die closes the connection: answers that wait and all later ones are dropped, and their Release is called. Only the first cause counts.
func (c *connection) die(cause error) {
	if !c.q.kill(cause) {
		return
	}
	c.cancel(cause)
	_ = c.Net.Close()
}

// interruptRead wakes the reader when draining began. The reader sets its deadline first and looks at draining then, so one of the two sees the other.
func (c *connection) interruptRead() { _ = c.Net.SetReadDeadline(time.Unix(1, 0)) }

// deadline bounds the next reads, and fails once the server drains.
func (c *connection) deadline(d time.Duration) error {
	if err := c.Net.SetReadDeadline(c.s.cfg.Clock.Now().Add(d)); err != nil {
		return c.readError(err)
	}
	if c.s.isDraining() {
		return errDraining
	}
	return nil
}

// readError says why a read failed, in the words of context.Cause.
func (c *connection) readError(err error) error {
	switch {
	case c.s.isDraining():
		return errDraining
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrIdle
	case errors.Is(err, io.EOF):
		return ErrPeerClosed
	default:
		return fmt.Errorf("%w: %w", ErrPeerClosed, err)
	}
}

func (c *connection) peer() string {
	if addr := c.Net.RemoteAddr(); addr != nil {
		return addr.String()
	}
	return ""
}

func (c *connection) logEnd(err error) {
	switch {
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrRefused):
		c.s.log.Warn("connection closed", "peer", c.peer(), "client_id", limitedlog.Capped(c.clientID), "error", limitedlog.Capped(err.Error()))
		c.s.metrics.closed(reasonOf(err))
	case errors.Is(err, ErrStalled):
		c.s.log.Warn("connection closed", "peer", c.peer(), "client_id", limitedlog.Capped(c.clientID), "error", err)
		c.s.metrics.closed("stalled")
	case errors.Is(err, ErrIdle):
		c.s.log.Debug("connection closed", "peer", c.peer(), "client_id", c.clientID, "error", err)
		c.s.metrics.closed("idle")
	}
}

func reasonOf(err error) string {
	if errors.Is(err, ErrMalformed) {
		return "malformed"
	}
	return "refused"
}
