package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// messageOverhead is about what a message takes beside its entries.
const messageOverhead = 64

// pingInterval is how often a frame asks for an answer, so that a stream whose packets are lost is noticed and opened anew.
const pingInterval = 500 * time.Millisecond

// peer is the stream of messages to one node.
type peer struct {
	t      *Transport
	id     int32
	ctx    context.Context // ends with the peer
	cancel context.CancelCauseFunc
	wake   chan struct{} // holds one wish
	moved  chan struct{} // holds one: the address is another

	mu      sync.Mutex // guards everything below
	address string
	queue   []raftlog.Message
	bytes   int
	down    bool // the last attempt failed: nothing is queued until the next
	conn    net.Conn
}

func newPeer(t *Transport, id int32, address string) *peer {
	p := &peer{t: t, id: id, address: address, wake: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancelCause(t.ctx)
	return p
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (p *peer) setAddress(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == address {
		return
	}
	p.address = address
	if p.conn != nil {
		_ = p.conn.Close()
	}
	notify(p.moved)
}

// enqueue takes the first messages that there is room for, and says how many.
func (p *peer) enqueue(messages []raftlog.Message) (kept int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.ctx.Err() != nil {
		return 0
	}
	for _, m := range messages {
		size := messageOverhead
		for _, e := range m.Raft.GetEntries() {
			size += len(e.GetData()) + messageOverhead
		}
		if len(p.queue) >= p.t.cfg.QueueMessages || p.bytes+size > p.t.cfg.QueueBytes && len(p.queue) > 0 {
			break
		}
		p.queue, p.bytes, kept = append(p.queue, m), p.bytes+size, kept+1
	}
	notify(p.wake)
	return kept
}

// take empties the queue, and gives the memory of used back to it.
func (p *peer) take(used []raftlog.Message) []raftlog.Message {
	clear(used)
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.queue
	p.queue, p.bytes = used[:0], 0
	return taken
}

func (p *peer) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// reason is err without the ports of a connection, which are others at each attempt.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// run keeps a stream while there is something to send.
func (p *peer) run() {
	log := p.t.cfg.Logger.With("node", p.id)
	var attempts int
	var said string
	for {
		select {
		case <-p.wake:
		case <-p.ctx.Done():
			p.t.dropped(p.id, p.take(nil))
			return
		}
		conn, address, err := p.open()
		if err == nil {
			if said != "" {
				log.Info("a metadata node can be reached again", "address", address)
			}
			attempts, said = 0, ""
			err = p.pump(conn)
		}
		if p.ctx.Err() != nil {
			notify(p.wake)
			continue
		}
		p.t.metrics.broken.Inc()
		p.setDown(true)
		p.t.dropped(p.id, p.take(nil))
		if text := reason(err); text != said { // once, not every second
			said = text
			level := log.Warn
			var refused *Refused
			if errors.As(err, &refused) {
				level = log.Error
				p.t.metrics.refused.WithLabelValues(refused.Reason).Inc()
			}
			level("a metadata node cannot be reached; trying on", "address", address, "error", err)
		}
		attempts++
		p.pause(attempts)
		p.setDown(false)
	}
}

func (p *peer) open() (net.Conn, string, error) {
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	select {
	case <-p.moved: // this is the new address
	default:
	}
	conn, err := p.t.dial(p.ctx, p.id, address, streamMessages)
	if err != nil {
		return nil, address, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address != address {
		_ = conn.Close()
		return nil, address, errors.New("its address changed meanwhile")
	}
	p.conn = conn
	return conn, address, nil
}

// pause waits before the next attempt: longer each time, and never in step with others.
func (p *peer) pause(attempts int) {
	d := p.t.cfg.MinBackoff << min(attempts-1, 16)
	if d > p.t.cfg.MaxBackoff || d <= 0 {
		d = p.t.cfg.MaxBackoff
	}
	p.t.randMu.Lock()
	d = d/2 + time.Duration(p.t.cfg.Rand.Int64N(int64(d/2)+1))
	p.t.randMu.Unlock()
	timer := p.t.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.moved:
	case <-p.ctx.Done():
	}
}

// pump writes what is queued until the stream breaks.
func (p *peer) pump(conn net.Conn) error {
	watch := &watch{clock: p.t.cfg.Clock, timeout: p.t.cfg.Timeout, conn: conn}
	read := make(chan error, 1)
	go func() { // ends with conn; pump waits for it
		b := make([]byte, 64)
		for {
			if _, err := conn.Read(b); err != nil {
				read <- err
				return
			}
			watch.heard()
		}
	}()
	stop := context.AfterFunc(p.ctx, func() { _ = conn.Close() })
	err := p.write(conn, watch, read)
	stop()
	watch.stop()
	_ = conn.Close()
	p.mu.Lock()
	p.conn = nil
	p.mu.Unlock()
	if err != nil {
		<-read
	} else {
		err = errors.New("the stream was closed")
	}
	if watch.expired() {
		err = errors.New("it does not answer on an open stream")
	}
	return err
}

// write returns nil when read has ended, and its error otherwise.
func (p *peer) write(conn net.Conn, watch *watch, read chan error) error {
	var buf []byte
	messages := p.take(nil)
	for {
		if len(messages) > 0 {
			var err error
			if buf, err = p.encode(buf[:0], messages, watch.ask()); err != nil {
				return err
			}
			if _, err := conn.Write(buf); err != nil {
				p.t.dropped(p.id, messages)
				return err
			}
			p.t.metrics.sent.Add(float64(len(messages)))
			p.t.metrics.sentBytes.Add(float64(len(buf)))
			if cap(buf) > 1<<20 {
				buf = nil
			}
		}
		if cap(messages) > 4096 {
			messages = nil
		}
		if messages = p.take(messages); len(messages) > 0 {
			continue
		}
		select {
		case <-p.wake:
		case <-read:
			return nil
		}
	}
}

// encode puts messages into as few frames as fit, and all frames into one write.
func (p *peer) encode(buf []byte, messages []raftlog.Message, ping bool) ([]byte, error) {
	kind := byte(frameMessages)
	if ping {
		kind = framePing
	}
	buf, at := beginFrame(buf, kind)
	for _, m := range messages {
		if len(buf)-at > frameTarget {
			sealFrame(buf, at)
			buf, at = beginFrame(buf, frameMessages)
		}
		var err error
		if buf, err = appendMessage(buf, m); err != nil {
			return buf, err
		}
	}
	sealFrame(buf, at)
	return buf, nil
}

// watch closes a stream whose other side does not answer.
type watch struct {
	clock   clock.Clock
	timeout time.Duration
	conn    net.Conn

	mu    sync.Mutex // guards everything below
	timer *clock.Timer
	asked time.Time
	late  bool
	ended bool
}

// ask says whether the next frame should ask for an answer.
func (w *watch) ask() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	if w.ended || w.timer != nil || now.Sub(w.asked) < pingInterval && now.Sub(w.asked) >= 0 && !w.asked.IsZero() {
		return false
	}
	w.asked = now
	w.timer = w.clock.AfterFunc(w.timeout, func() {
		w.mu.Lock()
		w.late = !w.ended
		w.mu.Unlock()
		_ = w.conn.Close()
	})
	return true
}

func (w *watch) heard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

func (w *watch) stop() {
	w.heard()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

func (w *watch) expired() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}
