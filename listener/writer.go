package listener

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
)

// errHandlerClosed is why a connection ends whose request was answered with Response.Close.
var errHandlerClosed = fmt.Errorf("%w: the request's handler ended the connection", ErrRefused)

// writeLoop writes all answers that are ready with one system call where the socket can, and ends with the connection.
func (c *connection) writeLoop() {
	var calls []*call
	var vector net.Buffers
	for {
		var ok bool
		if calls, ok = c.q.take(calls[:0]); !ok {
			return
		}
		last, closes := upToClose(calls)
		vector = vector[:0]
		for _, cl := range calls[:last] {
			if !cl.out.none {
				vector = append(vector, cl.out.head)
				vector = append(vector, cl.out.vector...)
			}
		}
		err := c.write(vector)
		if clear(vector); cap(vector) > maxIdleVector {
			vector = nil
		}
		c.settle(calls, last, err)
		if err == nil && closes {
			err = errHandlerClosed
		}
		if err != nil {
			c.die(err)
			return
		}
		clear(calls)
	}
}

const maxIdleVector = 1024 // slices that a connection keeps room for between answers

// upToClose says how many of the calls are to be written: those up to one that closes the connection.
func upToClose(calls []*call) (n int, closes bool) {
	for i, cl := range calls {
		if cl.out.close {
			return i + 1, true
		}
	}
	return len(calls), false
}

// write writes everything. Bytes that moved within the timeout keep a slow reader connected.
func (c *connection) write(vector net.Buffers) error {
	if len(vector) == 0 {
		return nil
	}
	rest := vector // WriteTo moves it on
	for {
		if err := c.Net.SetWriteDeadline(c.s.cfg.Clock.Now().Add(c.s.cfg.WriteTimeout)); err != nil {
			return fmt.Errorf("%w: %w", ErrPeerClosed, err)
		}
		n, err := rest.WriteTo(c.Net)
		c.s.metrics.bytesOut.Add(float64(n))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && n > 0 && c.s.cfg.TLS == nil: // a TLS record that was cut cannot be taken up again
			continue
		}
		return fmt.Errorf("%w: writing an answer: %w", ErrPeerClosed, err)
	}
}

// settle releases the answers, of which the first n were written unless err says otherwise.
func (c *connection) settle(calls []*call, n int, err error) {
	now := c.s.cfg.Clock.Now()
	var bytes int64
	for i, cl := range calls {
		if i < n && err == nil {
			cl.api.seconds.Observe(now.Sub(cl.req.Received).Seconds())
		}
		bytes += cl.out.bytes
		cl.out.drop()
	}
	c.q.written(len(calls), bytes)
}

// Scratch holds encoded answers until they are written. Large ones are left to the collector: few answers are, besides Fetch, whose records are not copied.
const (
	scratchBytes    = 512
	maxScratchBytes = 64 << 10
)

var scratchPool = sync.Pool{New: func() any {
	b := make([]byte, 0, scratchBytes)
	return &b
}}

func getScratch() []byte { return (*scratchPool.Get().(*[]byte))[:0] }

func putScratch(b []byte) {
	if cap(b) >= scratchBytes && cap(b) <= maxScratchBytes {
		b = b[:0]
		scratchPool.Put(&b)
	}
}
