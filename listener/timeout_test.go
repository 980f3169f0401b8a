package listener

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/slab"
)

// pipeListener hands out in-memory connections, so that time can be virtual.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{make(chan net.Conn), make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (l *pipeListener) dial(t *testing.T) *client {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return &client{t, ours}
}

func servePipe(t *testing.T, cfg Config, apis ...API) (*Server, *pipeListener) {
	l := newPipeListener()
	cfg.Name, cfg.Listener, cfg.APIs, cfg.Logger = "PIPE", l, apis, slog.New(slog.DiscardHandler)
	cfg.Pool = new(slab.Pool)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s, l
}

// ends reads until the connection is closed and says when that was.
func (c *client) ends(start time.Time) time.Duration {
	_, _ = io.Copy(io.Discard, c)
	return time.Since(start)
}

func TestTimeouts(t *testing.T) {
	frame := formatter.AppendRequest(nil, heartbeat("m"), 1)
	for name, tc := range map[string]struct {
		act  func(t *testing.T, c *client)
		want time.Duration
	}{
		"idle from the start":       {func(*testing.T, *client) {}, 10 * time.Minute},
		"a frame's size came half":  {func(_ *testing.T, c *client) { c.write(frame[:2]) }, 10 * time.Minute},
		"a frame's body came half":  {func(_ *testing.T, c *client) { c.write(frame[:20]) }, 30 * time.Second},
		"idle after an answer":      {func(_ *testing.T, c *client) { time.Sleep(time.Minute); c.write(frame); c.frame() }, 11 * time.Minute},
		"drip of a byte every 10 s": {func(_ *testing.T, c *client) { drip(c, frame) }, 40 * time.Second}, // 10 until its key is there
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := servePipe(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }))
				start := time.Now()
				c := l.dial(t)
				tc.act(t, c)
				if got := c.ends(start); got.Truncate(time.Second) != tc.want {
					t.Errorf("closed after %v, want %v", got, tc.want)
				}
				_ = s.Close()
				time.Sleep(time.Minute) // the one that drips sees it
			})
		})
	}
}

func drip(c *client, frame []byte) {
	go func() {
		c.Conn.Write(frame[:4])
		for _, b := range frame[4:] {
			if _, err := c.Conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Second)
		}
	}()
}

func TestAConnectionWithAParkedRequestIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := make(chan *Request, 1)
		s, l := servePipe(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) { requests <- r }))
		c := l.dial(t)
		c.send(1, heartbeat("m"))
		r := <-requests
		time.Sleep(25 * time.Minute)
		go reply(r)
		c.receive(newHeartbeatResponse())
		if got := c.ends(time.Now()); got > 10*time.Minute {
			t.Errorf("closed %v after the answer", got)
		}
		_ = s.Close()
	})
}

func TestAPeerThatTakesNoAnswerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		causes := make(chan error, 1)
		s, l := servePipe(t, Config{}, heartbeatAPI(func(ctx context.Context, r *Request) {
			context.AfterFunc(ctx, func() { causes <- context.Cause(ctx) })
			reply(r)
		}))
		c := l.dial(t)
		c.send(1, heartbeat("m"))
		start := time.Now()
		<-causes
		if got := time.Since(start); got != time.Minute {
			t.Errorf("closed after %v, want WriteTimeout", got)
		}
		_ = s.Close()
	})
}

func TestThrottleHoldsTheNextRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) {
			r.ReplyWith(Response{Message: kmsg.NewPtrHeartbeatResponse(), Throttle: 3 * time.Second})
		}))
		c := l.dial(t)
		start := time.Now()
		go func() {
			c.send(1, heartbeat("m"))
			c.send(2, heartbeat("m"))
		}()
		c.receive(newHeartbeatResponse())
		c.receive(newHeartbeatResponse())
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("the second answer came after %v", got)
		}
		_ = c.Close()
		_ = s.Close()
	})
}

func TestFullListenerLetsClientsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, Config{MaxConnections: 1}, heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }))
		first := l.dial(t)
		second := make(chan *client)
		go func() { second <- l.dial(t) }()
		synctest.Wait()
		select {
		case <-second:
			t.Error("a second connection was accepted")
		default:
		}
		_ = first.Close()
		c := <-second
		c.send(1, heartbeat("m"))
		c.receive(newHeartbeatResponse())
		_ = c.Close()
		_ = s.Close()
	})
}

func TestIdlePoolShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, Config{}, API{Key: 0, MinVersion: 3, MaxVersion: 12, Serve: func(_ context.Context, r *Request) { r.Reply(kmsg.NewPtrProduceResponse()) }})
		c := l.dial(t)
		c.send(1, produce(9, 1<<20))
		c.receive(versioned(kmsg.NewPtrProduceResponse(), 9))
		if s.cfg.Pool.Free() < 1<<20 {
			t.Error("a frame was not kept for reuse")
		}
		time.Sleep(3 * trimInterval)
		if n := s.cfg.Pool.Free(); n != 0 {
			t.Errorf("%d bytes are kept after an idle time", n)
		}
		_ = c.Close()
		_ = s.Close()
	})
}
