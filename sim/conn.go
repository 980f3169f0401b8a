package sim

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// netConn is one end of a connection. Its fields are guarded by the network's lock.
type netConn struct {
	n             *Network
	name          string
	host          string
	local, remote netAddr
	peer          *netConn
	random        *rand.Rand // delays of what arrives here
	in            *stream
	wakeUp        chan struct{} // holds one: the reader looks again
	err           error         // of everything from now on
	closed        bool
	readDeadline  time.Time
	deadlineTimer *time.Timer
}

// stream is one direction: what is under way, and what has arrived.
type stream struct {
	c       *netConn // that reads
	pending []segment
	timer   *time.Timer // of the first pending segment
	lastAt  time.Time
	arrived []byte
	eof     bool
}

type segment struct {
	bytes []byte // nil: the end
	at    time.Time
}

// Write implements net.Conn. It never waits: what a run sends is small.
func (c *netConn) Write(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.err != nil {
		return 0, c.opError("write", c.err)
	}
	if c.closed {
		return 0, c.opError("write", net.ErrClosed)
	}
	if c.peer.closed && c.peer.err == nil { // it closed in order: it will answer with a reset
		c.resetLater(2 * c.n.latency)
		return len(b), nil
	}
	if len(b) > 0 {
		c.peer.in.send(slices.Clone(b))
	}
	return len(b), nil
}

// send puts a segment under way to the stream's reader. The lock is held.
func (s *stream) send(b []byte) {
	n := s.c.n
	at := time.Now().Add(n.delay(s.c.random, s.c.peer.host, s.c.host))
	if !at.After(s.lastAt) {
		at = s.lastAt.Add(1)
	}
	s.lastAt = at
	s.pending = append(s.pending, segment{b, at})
	if len(s.pending) == 1 {
		s.pump()
	}
}

// pump delivers what is due, if the link is whole, and comes back for the rest. The lock is held.
func (s *stream) pump() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	c, n := s.c, s.c.n
	if c.closed || c.err != nil {
		s.pending = nil
		return
	}
	now := time.Now()
	for len(s.pending) > 0 {
		first := s.pending[0]
		if d := first.at.Sub(now); d > 0 {
			s.after(d)
			return
		}
		if n.blocked(c.peer.host, c.host) {
			wait := first.at.Add(n.giveUp).Sub(now)
			if wait <= 0 {
				n.trace.Add("gives up", c.name)
				c.fail(syscall.ETIMEDOUT)
				c.peer.fail(syscall.ETIMEDOUT)
				return
			}
			s.after(wait) // or when the link is healed
			return
		}
		s.pending = s.pending[1:]
		if first.bytes == nil {
			s.eof = true
		} else {
			s.arrived = append(s.arrived, first.bytes...)
		}
		n.trace.Add(delivered, c.name, len(first.bytes))
		c.notify()
		n.count(c.host)
		n.count(c.peer.host)
	}
}

func (s *stream) after(d time.Duration) {
	s.timer = time.AfterFunc(d, func() {
		s.c.n.mu.Lock()
		defer s.c.n.mu.Unlock()
		s.pump()
	})
}

func (c *netConn) notify() {
	select {
	case c.wakeUp <- struct{}{}:
	default:
	}
}

// fail breaks this end. The lock is held.
func (c *netConn) fail(err error) {
	if c.err != nil || c.closed {
		return
	}
	c.err = err
	c.in.pump() // drops what is under way
	c.notify()
	c.forget()
	if err == syscall.ECONNRESET {
		c.peer.fail(syscall.ECONNRESET)
	}
}

func (c *netConn) forget() {
	if i := slices.Index(c.n.conns, c); i >= 0 {
		c.n.conns = slices.Delete(c.n.conns, i, i+1)
	}
}

// resetLater breaks this end when the news of its peer has arrived. The lock is held.
func (c *netConn) resetLater(d time.Duration) {
	time.AfterFunc(d+time.Duration(c.random.Int64N(int64(c.n.latency))), func() {
		c.n.mu.Lock()
		defer c.n.mu.Unlock()
		if c.n.blocked(c.peer.host, c.host) && !c.n.down[c.peer.host] && c.err == nil && !c.closed {
			c.resetLater(c.n.latency + time.Second)
			return
		}
		c.fail(syscall.ECONNRESET)
	})
}

// Read implements net.Conn.
func (c *netConn) Read(b []byte) (int, error) {
	for {
		n, err, again := c.readNow(b)
		if !again {
			return n, err
		}
		<-c.wakeUp
	}
}

func (c *netConn) readNow(b []byte) (n int, err error, again bool) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	defer func() {
		if !again {
			c.notify() // another reader, or the next call, looks for itself
		}
	}()
	switch {
	case c.closed:
		return 0, c.opError("read", net.ErrClosed), false
	case c.err != nil:
		return 0, c.opError("read", c.err), false
	case !c.readDeadline.IsZero() && !time.Now().Before(c.readDeadline):
		return 0, c.opError("read", os.ErrDeadlineExceeded), false
	case len(c.in.arrived) > 0:
		n = copy(b, c.in.arrived)
		if c.in.arrived = c.in.arrived[n:]; len(c.in.arrived) == 0 {
			c.in.arrived = nil
		}
		return n, nil, false
	case c.in.eof:
		return 0, io.EOF, false
	}
	return 0, nil, true
}

// Close implements net.Conn: the peer reads to the end.
func (c *netConn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	if c.err == nil && !c.peer.closed && c.peer.err == nil && !c.n.dead[c.host] {
		c.peer.in.send(nil)
	}
	c.closed = true
	c.in.pump()
	c.forget()
	c.notify()
	if c.deadlineTimer != nil {
		c.deadlineTimer.Stop()
	}
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *netConn) SetReadDeadline(t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.readDeadline = t
	if c.deadlineTimer != nil {
		c.deadlineTimer.Stop()
		c.deadlineTimer = nil
	}
	if !t.IsZero() {
		c.deadlineTimer = time.AfterFunc(max(0, time.Until(t)), func() {
			c.n.mu.Lock()
			defer c.n.mu.Unlock()
			c.notify()
		})
	}
	c.notify()
	return nil
}

// SetDeadline implements net.Conn.
func (c *netConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn. A write does not wait.
func (c *netConn) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr implements net.Conn.
func (c *netConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *netConn) RemoteAddr() net.Addr { return c.remote }

func (c *netConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
