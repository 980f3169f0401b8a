package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// SendSnapshot implements raftlog.SnapshotTransport: a stream of its own, at a bounded rate.
func (t *Transport) SendSnapshot(ctx context.Context, to int32, write func(io.Writer) error) error {
	p := t.peer(to)
	if p == nil {
		return fmt.Errorf("node %d is no peer", to)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.ctx, func() { cancel(context.Cause(p.ctx)) })()
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	conn, err := t.dial(ctx, to, address, streamSnapshot)
	if err != nil {
		return fmt.Errorf("snapshot to node %d at %s: %w", to, address, err)
	}
	defer conn.Close()
	defer closeWhen(ctx, conn)()
	outcome := make(chan error, 1)
	go func() { // ends with conn; it is waited for
		outcome <- readOutcome(conn)
		cancel(errOutcome) // one that comes early is a refusal: nothing more is written
	}()
	err = t.writeSnapshot(ctx, conn, write)
	stop := t.limit(conn) // a broken stream ends the reader, too
	said := <-outcome
	stop()
	var refusal *notTaken
	switch {
	case errors.As(said, &refusal) || err == nil && said != nil:
		return fmt.Errorf("snapshot to node %d: %w", to, said)
	case err != nil: // it cannot have installed what was not written
		return explain(ctx, fmt.Errorf("snapshot to node %d: %w", to, err))
	}
	t.metrics.snapshots.Inc()
	return nil
}

var errOutcome = errors.New("the receiver has said what became of the snapshot")

// notTaken is what the receiver says when it does not take over a snapshot.
type notTaken struct{ text string }

func (e *notTaken) Error() string { return "it says: " + e.text }

func readOutcome(conn net.Conn) error {
	kind, text, err := readFrame(conn, nil)
	switch {
	case err != nil:
		return fmt.Errorf("nobody said what became of it: %w", noEOF(err))
	case kind != frameOutcome:
		return fmt.Errorf("a frame of kind %d in place of an outcome", kind)
	case len(text) > 0:
		return &notTaken{string(text)}
	}
	return nil
}

func (t *Transport) writeSnapshot(ctx context.Context, conn net.Conn, write func(io.Writer) error) error {
	w := &chunkWriter{t: t, ctx: ctx, conn: conn, began: t.cfg.Clock.Now()}
	w.begin(frameChunk)
	if err := write(w); err != nil {
		w.begin(frameFailed)
		w.buf = append(w.buf, truncate(err.Error())...)
		_ = w.flush() // the other side sees the stream end, at the latest
		return err
	}
	return w.end()
}

func truncate(s string) string { return s[:min(len(s), maxText)] }

func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// limit closes conn unless the returned function is called in time.
func (t *Transport) limit(conn net.Conn) func() bool {
	return t.cfg.Clock.AfterFunc(t.cfg.SnapshotTimeout, func() { _ = conn.Close() }).Stop
}

// chunkWriter cuts what is written into frames, and waits where that is too fast.
type chunkWriter struct {
	t     *Transport
	ctx   context.Context
	conn  net.Conn
	buf   []byte
	sent  int64
	began time.Time
}

func (w *chunkWriter) begin(kind byte) { w.buf, _ = beginFrame(w.buf[:0], kind) }

// Write implements io.Writer.
func (w *chunkWriter) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n := min(len(b), chunkBytes+frameHeaderSize-len(w.buf))
		w.buf = append(w.buf, b[:n]...)
		b, written = b[n:], written+n
		if len(w.buf) < chunkBytes+frameHeaderSize {
			break
		}
		if err := w.flush(); err != nil {
			return written, err
		}
		w.begin(frameChunk)
	}
	return written, nil
}

func (w *chunkWriter) end() error {
	if len(w.buf) > frameHeaderSize {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.begin(frameEnd)
	return w.flush()
}

func (w *chunkWriter) flush() error {
	sealFrame(w.buf, 0)
	stop := w.t.limit(w.conn)
	_, err := w.conn.Write(w.buf)
	stop()
	if err != nil {
		return explain(w.ctx, err)
	}
	w.sent += int64(len(w.buf))
	w.t.metrics.snapshotBytes.Add(float64(len(w.buf)))
	due := time.Duration(float64(w.sent) / float64(w.t.cfg.SnapshotBytesPerSecond) * float64(time.Second))
	if ahead := due - w.t.cfg.Clock.Now().Sub(w.began); ahead > 10*time.Millisecond {
		return clock.Sleep(w.ctx, w.t.cfg.Clock, min(ahead, time.Second))
	}
	return nil
}

// receiveSnapshot hands a stream to the node, and tells the sender what became of it.
func (t *Transport) receiveSnapshot(conn net.Conn, from int32) {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	defer closeWhen(ctx, conn)()
	r := &chunkReader{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	err := t.handler.ReceiveSnapshot(ctx, from, r)
	if err != nil {
		t.cfg.Logger.Warn("a snapshot was not taken over", "node", from, "error", err)
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return // there is nobody to tell
	}
	b, _ := beginFrame(nil, frameOutcome)
	if err != nil {
		b = append(b, truncate(err.Error())...)
	}
	sealFrame(b, 0)
	defer t.limit(conn)()
	_, _ = conn.Write(b) // otherwise the sender takes it as lost
}

// chunkReader joins frames.
type chunkReader struct {
	t       *Transport
	conn    net.Conn
	in      *bufio.Reader
	buf     []byte
	payload []byte
	err     error // final
}

// Read implements io.Reader. io.EOF: the snapshot is whole.
func (r *chunkReader) Read(b []byte) (int, error) {
	for len(r.payload) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		stop := r.t.limit(r.conn)
		kind, payload, err := readFrame(r.in, r.buf)
		stop()
		r.buf = payload
		switch {
		case err != nil:
			r.err = noEOF(err)
		case kind == frameChunk && len(payload) <= chunkBytes:
			r.payload = payload
		case kind == frameEnd:
			r.err = io.EOF
		case kind == frameFailed:
			r.err = fmt.Errorf("the sender gave up: %s", truncate(string(payload)))
		default:
			r.err = fmt.Errorf("a frame of kind %d and %d bytes in a snapshot", kind, len(payload))
		}
	}
	n := copy(b, r.payload)
	r.payload = r.payload[n:]
	return n, nil
}
