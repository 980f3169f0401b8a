package listener

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/inkwell-project/inkwell/internal/slab"
)

// Kafka's sasl.server.max.receive.size: who has not shown a name yet cannot take up much memory.
const maxBytesBeforeAuth = 524288

// readRequest reads one frame and gives it to its API.
func (c *connection) readRequest() error {
	if err := c.awaitRoom(); err != nil {
		return err
	}
	size, err := c.readSize()
	if err != nil {
		return err
	}
	frame, err := c.readBody(size)
	if err != nil {
		return err
	}
	return c.dispatch(frame)
}

// awaitRoom holds the reader while too much of this connection is unanswered or unwritten, or while it is throttled.
func (c *connection) awaitRoom() error {
	for !c.q.hasRoom() {
		select {
		case <-c.q.space:
		case <-c.ctx.Done():
			return c.readError(nil)
		case <-c.s.draining:
			return errDraining
		}
	}
	until := c.mutedUntil.Load()
	if until == 0 {
		return nil
	}
	c.mutedUntil.CompareAndSwap(until, 0)
	t := c.s.cfg.Clock.NewTimer(time.Unix(0, until).Sub(c.s.cfg.Clock.Now()))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.ctx.Done():
		return c.readError(nil)
	case <-c.s.draining:
		return errDraining
	}
}

func (c *connection) readSize() (int, error) {
	if c.br.Buffered() < 4 {
		if err := c.awaitSize(); err != nil {
			return 0, err
		}
	} else if c.s.isDraining() {
		return 0, errDraining
	}
	b, _ := c.br.Peek(4)
	head := [4]byte(b)
	size := int(int32(binary.BigEndian.Uint32(b)))
	_, _ = c.br.Discard(4)
	switch bound := c.s.cfg.MaxRequestBytes; {
	case size < 8: // key, version, correlation id
		return 0, fmt.Errorf("%w: a frame of %d bytes has no request header", ErrMalformed, size)
	case size > bound && otherProtocol(head) != "":
		return 0, fmt.Errorf("%w: %s", ErrMalformed, otherProtocol(head))
	case size > bound:
		return 0, fmt.Errorf("%w: a frame of %d bytes is larger than socket.request.max.bytes=%d; raise it if a client needs requests of this size", ErrMalformed, size, bound)
	case c.s.cfg.RequireAuth && !c.auth.done && size > maxBytesBeforeAuth:
		return 0, fmt.Errorf("%w: a frame of %d bytes before authentication, at most %d are taken", ErrMalformed, size, maxBytesBeforeAuth)
	}
	return size, nil
}

// otherProtocol says what is wrong with a client whose first bytes are these: one that is set up for another port or listener is common, and no size of a request helps it.
func otherProtocol(head [4]byte) string {
	switch string(head[:]) {
	case "GET ", "HEAD", "POST", "PUT ", "OPTI", "DELE", "CONN", "PATC", "PRI ":
		return "the client speaks HTTP, and this is a Kafka listener"
	}
	if head[0] == 22 && head[1] == 3 { // a handshake record
		return "the client speaks TLS, and this listener does not: give it a certificate (--tls.cert), or the client security.protocol=PLAINTEXT"
	}
	return ""
}

// awaitSize waits for the first bytes of a frame. A connection on which a request is being worked on is not idle.
func (c *connection) awaitSize() error {
	for {
		if err := c.deadline(c.s.cfg.IdleTimeout); err != nil {
			return err
		}
		_, err := c.br.Peek(4)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && c.br.Buffered() == 0 && c.q.busy() && !c.s.isDraining():
			continue
		}
		return c.readError(err)
	}
}

// readBody takes the credits first: until they are there the rest of the frame stays in the socket, and the client is pushed back.
func (c *connection) readBody(size int) (*slab.Buffer, error) {
	key, err := c.peekKey()
	if err != nil {
		return nil, err
	}
	credits, err := c.takeCredits(key, size)
	if err != nil {
		return nil, err
	}
	frame := c.s.cfg.Pool.GetFor(size, credits)
	if err := c.fill(frame.Bytes()); err != nil {
		frame.Release()
		return nil, err
	}
	return frame, nil
}

// peekKey waits for the API key, with which a body begins. A frame of which only the size came holds no credits.
func (c *connection) peekKey() (int16, error) {
	if c.br.Buffered() < 2 {
		if err := c.deadline(c.s.cfg.FrameTimeout); err != nil {
			return 0, err
		}
	}
	b, err := c.br.Peek(2)
	if err != nil {
		return 0, c.readError(err)
	}
	return int16(binary.BigEndian.Uint16(b)), nil
}

func (c *connection) takeCredits(key int16, size int) (*credits, error) {
	start := c.s.cfg.Clock.Now()
	credits := c.s.admission.admitNow(key, int64(size))
	if credits == nil {
		c.s.stalls.beginWait()
		credits = c.s.admission.await(key, int64(size), c.ctx.Done(), c.s.draining)
		c.s.stalls.endWait()
	}
	if credits == nil {
		return nil, c.readError(nil)
	}
	c.s.metrics.creditWait.Observe(c.s.cfg.Clock.Now().Sub(start).Seconds())
	return credits, nil
}

func (c *connection) fill(body []byte) error {
	if c.br.Buffered() < len(body) {
		c.progress.begin()
		defer c.progress.end()
		needed := c.s.cfg.FrameTimeout + time.Duration(float64(len(body))/float64(c.s.cfg.MinBytesPerSecond)*float64(time.Second))
		if err := c.deadline(min(needed, max(c.s.cfg.IdleTimeout, c.s.cfg.FrameTimeout))); err != nil {
			return err
		}
	}
	_, err := io.ReadFull(c.br, body)
	switch {
	case c.progress.isGivenUp() && !c.s.isDraining(): // even if the rest came just now: the read deadline is set, or will be
		return c.stalled(len(body))
	case err != nil:
		return c.readError(err)
	}
	return nil
}
