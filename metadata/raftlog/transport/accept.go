package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// maxGreeting bounds the connections that have not said who they are.
const maxGreeting = 64

// accept takes callers until the listener is closed.
func (t *Transport) accept() {
	for {
		conn, err := t.cfg.Listener.Accept()
		if t.ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				t.cfg.Logger.Error("the listener for metadata nodes (--raft.listen) was closed", "error", err)
				return
			}
			t.cfg.Logger.Warn("a metadata node's connection was not accepted", "error", err)
			if clock.Sleep(t.ctx, t.cfg.Clock, t.cfg.MinBackoff) != nil {
				return
			}
			continue
		}
		if !t.track(conn) {
			_ = conn.Close()
			continue
		}
		t.running.Go(func() {
			defer t.forget(conn)
			t.serve(conn)
		})
	}
}

// track remembers a connection for Close.
func (t *Transport) track(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.greeting >= maxGreeting {
		return false
	}
	t.greeting++
	t.conns[conn] = true
	return true
}

func (t *Transport) forget(conn net.Conn) {
	_ = conn.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, conn)
}

// serve handles one caller to its end.
func (t *Transport) serve(raw net.Conn) {
	conn := raw
	if t.cfg.TLS != nil {
		conn = tls.Server(raw, t.cfg.TLS)
	}
	limit := t.cfg.Clock.AfterFunc(t.cfg.Timeout, func() { _ = raw.Close() })
	h, err := t.admit(conn)
	limit.Stop()
	t.mu.Lock()
	t.greeting--
	t.mu.Unlock()
	if err != nil {
		var refused *Refused
		if errors.As(err, &refused) {
			t.metrics.refused.WithLabelValues(refused.Reason).Inc()
			t.cfg.Logger.Error("a metadata node was refused", "address", raw.RemoteAddr().String(), "reason", refused.Reason, "error", err)
		} else if t.ctx.Err() == nil {
			t.cfg.Logger.Debug("a handshake between metadata nodes failed", "address", raw.RemoteAddr().String(), "error", err)
		}
		return
	}
	if h.kind == streamSnapshot {
		t.receiveSnapshot(conn, h.from)
		return
	}
	if !t.replace(h.from, raw) {
		return
	}
	err = t.receive(conn, h.from)
	t.mu.Lock()
	if t.incoming[h.from] == raw {
		delete(t.incoming, h.from)
	}
	t.mu.Unlock()
	if err != nil && t.ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.cfg.Logger.Warn("the stream from a metadata node ended", "node", h.from, "error", err)
	}
}

// replace makes conn the only stream of messages from a peer: one that was before it is dead, or was opened by a process that is.
func (t *Transport) replace(from int32, conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.peers[from] == nil {
		return false
	}
	if old := t.incoming[from]; old != nil {
		_ = old.Close()
	}
	t.incoming[from] = conn
	notify(t.peers[from].moved) // it is there: no reason to wait before the next attempt
	return true
}

// receive hands messages to the node until the stream ends.
func (t *Transport) receive(conn net.Conn, from int32) error {
	in := bufio.NewReaderSize(conn, 64<<10)
	sender, receiver := uint64(from)+1, uint64(t.cfg.NodeID)+1
	step := func(m raftlog.Message) {
		t.metrics.received.Inc()
		t.handler.Step(m)
	}
	var buf []byte
	for {
		kind, payload, err := readFrame(in, buf)
		if err != nil {
			return err
		}
		if kind != frameMessages && kind != framePing {
			return fmt.Errorf("a frame of kind %d on a stream of messages", kind)
		}
		if err := decodeMessages(payload, sender, receiver, step); err != nil {
			return err
		}
		if kind == framePing {
			if _, err := conn.Write([]byte{1}); err != nil {
				return err
			}
		}
		if buf = payload; cap(buf) > 1<<20 {
			buf = nil
		}
	}
}

// closeWhen closes conn when ctx ends; the function it returns undoes that.
func closeWhen(ctx context.Context, conn net.Conn) func() bool {
	return context.AfterFunc(ctx, func() { _ = conn.Close() })
}
