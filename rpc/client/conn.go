package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
)

const (
	maxAnswerBytes    = 256 << 20
	maxHandshakeBytes = 64 << 10 // of an answer before the node has proved who it is
	maxFrameBytes     = 100 << 20
)

// conn is one connection with many calls in flight.
type conn struct {
	net       net.Conn
	clientID  string
	clock     clock.Clock
	maxAnswer atomic.Int64
	running   sync.WaitGroup // reader and watcher
	ended     chan struct{}  // closed when the connection has failed
	write     chan struct{}  // holds one token: who has it writes one frame, under the connection's write deadline

	mu      sync.Mutex // guards what follows
	nextID  int32
	waiting map[int32]waiter
	urgent  int       // of waiting, those that nobody parks
	heard   time.Time // when the last answer came, or the first of those that wait was sent
	err     error
}

// waiter is a call that waits for its answer.
type waiter struct {
	answer chan []byte
	parked bool // the callee may take long
}

// dial connects, authenticates and starts the reader and the watcher, which gives what the node says of leaders to learn.
func dial(ctx context.Context, cfg Config, address string, learn func(from string, resp *rpc.FindLeadersResponse)) (*conn, error) {
	connecting, cancelConnecting := withTimeout(ctx, cfg.Clock, cfg.DialTimeout)
	nc, err := cfg.Dial(connecting, "tcp", address)
	cancelConnecting()
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTimeout(ctx, cfg.Clock, 2*cfg.DialTimeout)
	defer cancel()
	c := &conn{
		net: nc, clientID: cfg.ClientID, clock: cfg.Clock, ended: make(chan struct{}), write: make(chan struct{}, 1), waiting: map[int32]waiter{},
	}
	c.write <- struct{}{}
	c.maxAnswer.Store(maxHandshakeBytes)
	c.running.Go(c.read)
	c.running.Go(func() { c.watch(cfg.SilentTimeout, func(resp *rpc.FindLeadersResponse) { learn(address, resp) }) })
	if cfg.Password != "" {
		if err := c.authenticate(ctx, cfg); err != nil {
			c.close(err)
			return nil, err
		}
	}
	c.maxAnswer.Store(maxAnswerBytes)
	return c, nil
}

// roundTrip sends one request; sent says whether any byte may have reached the peer.
func (c *conn) roundTrip(ctx context.Context, parked bool, key, version int16, body []byte) (answer []byte, sent bool, err error) {
	wait := make(chan []byte, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, false, c.err
	}
	c.nextID++
	id := c.nextID
	if len(c.waiting) == 0 || !parked && c.urgent == 0 { // silence counts from when an answer is due
		c.heard = c.clock.Now()
	}
	c.waiting[id] = waiter{wait, parked}
	if !parked {
		c.urgent++
	}
	c.mu.Unlock()
	sent, err = c.send(ctx, frame(key, version, id, c.clientID, body))
	if !sent {
		c.forget(id)
		return nil, false, err
	}
	select {
	case answer, ok := <-wait:
		if !ok {
			return nil, true, c.failed()
		}
		return answer, true, nil
	case <-ctx.Done():
		c.forget(id)
		return nil, true, context.Cause(ctx)
	}
}

func (c *conn) forget(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(id)
}

// take removes a call that waits, nil if there is none. Called with mu.
func (c *conn) take(id int32) chan []byte {
	w, ok := c.waiting[id]
	if !ok {
		return nil
	}
	delete(c.waiting, id)
	if !w.parked {
		c.urgent--
	}
	return w.answer
}

const writeTime = 30 * time.Second

// send writes one frame. sent is false when certainly no byte of it left; an error after that ends the connection, which answers the call.
func (c *conn) send(ctx context.Context, b []byte) (sent bool, err error) {
	select {
	case <-c.write:
		defer func() { c.write <- struct{}{} }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	// The deadline is the kernel's business, not the protocol's: a peer that takes nothing for so long is gone.
	n := 0
	if err = c.net.SetWriteDeadline(c.clock.Now().Add(writeTime)); err == nil {
		n, err = c.net.Write(b)
	}
	if err != nil {
		c.fail(err)
		return n > 0, c.failed()
	}
	return true, nil
}

// frame is a request with its size and header; flexible requests have a header of version 2, others of version 1.
func frame(key, version int16, id int32, clientID string, body []byte) []byte {
	b := make([]byte, 4, 4+8+2+len(clientID)+1+len(body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint16(b, uint16(len(clientID)))
	b = append(b, clientID...)
	if flexible(key, version) {
		b = append(b, 0) // no tags
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func flexible(key, version int16) bool {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return false
	}
	req.SetVersion(version)
	return req.IsFlexible()
}

// read gives answers to their callers until the connection fails.
func (c *conn) read() {
	in := bufio.NewReaderSize(c.net, 64<<10)
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if err == io.EOF {
				err = errEnded
			}
			c.fail(err)
			return
		}
		size := int64(int32(binary.BigEndian.Uint32(head[:]))) - 4
		id := int32(binary.BigEndian.Uint32(head[4:]))
		if most := c.maxAnswer.Load(); size < 0 || size > most {
			c.fail(fmt.Errorf("an answer of %d bytes; at most %d are taken", size, most))
			return
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(in, body); err != nil {
			c.fail(err)
			return
		}
		now := c.clock.Now()
		c.mu.Lock()
		c.heard = now
		wait := c.take(id)
		c.mu.Unlock()
		if wait != nil { // else its caller gave up
			wait <- body
		}
	}
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	for _, w := range c.waiting {
		close(w.answer)
	}
	clear(c.waiting)
	close(c.ended)
	_ = c.net.Close() // its error says nothing that err does not
}

// close is fail, and waits for the goroutines.
func (c *conn) close(err error) {
	c.fail(err)
	c.running.Wait()
}

func (c *conn) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
