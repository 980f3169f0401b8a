package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/kafka"
)

// Server is one listener: a socket that accepts, and its connections.
type Server struct {
	cfg       Config
	apis      map[int16]*apiEntry
	admission *admission
	stalls    stalls
	metrics   *metrics
	log       *limitedlog.Logger

	ctx      context.Context // parent of all connections'
	cancel   context.CancelCauseFunc
	draining chan struct{} // closed: no new connections, no new requests
	drain    sync.Once
	wg       sync.WaitGroup // accept loop, janitor, connections

	slots chan struct{} // one token for each connection

	mu    sync.Mutex // guards conns and started
	conns map[*connection]struct{}
	state serverState
}

type serverState int8

const (
	stateNew serverState = iota
	stateServing
	stateClosed
)

var connectionIDs atomic.Uint64

// New checks the configuration. Nothing runs before Start.
func New(cfg Config) (*Server, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:       cfg,
		admission: newAdmission(cfg.ByteCredits),
		draining:  make(chan struct{}),
		slots:     make(chan struct{}, cfg.MaxConnections),
		conns:     map[*connection]struct{}{},
		log:       limitedlog.New(cfg.Logger.With("listener", cfg.Name), cfg.Clock),
	}
	s.stalls.s = s
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	var err error
	if s.metrics, err = newMetrics(cfg, s.admission); err != nil {
		return nil, err
	}
	if s.apis, err = newAPITable(cfg.APIs, s.metrics); err != nil {
		return nil, err
	}
	return s, nil
}

// Addr is where the listener listens.
func (s *Server) Addr() net.Addr { return s.cfg.Listener.Addr() }

// Start accepts connections in the background until Shutdown or Close.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateNew {
		return fmt.Errorf("listener %q was started before: %w", s.cfg.Name, kafka.ErrClosed)
	}
	s.state = stateServing
	s.wg.Go(s.acceptLoop)
	s.wg.Go(s.trimLoop)
	return nil
}

// Shutdown stops accepting and reading, lets the requests that were read be answered, and closes the connections. When ctx ends first, the rest is
// closed unanswered and the error says so.
func (s *Server) Shutdown(ctx context.Context) error {
	s.startDraining()
	done := make(chan struct{})
	go func() { // ends with the wait: Close below makes it end when ctx does
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return s.Close()
	case <-ctx.Done():
		err := s.Close()
		<-done
		return errors.Join(fmt.Errorf("listener %q: not all requests were answered: %w", s.cfg.Name, context.Cause(ctx)), err)
	}
}

// Close closes all connections and waits for their goroutines. Requests that were handed on may still be answered afterwards; their answers are dropped.
func (s *Server) Close() error {
	s.startDraining()
	s.cancel(kafka.ErrClosed)
	s.mu.Lock()
	conns := make([]*connection, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.die(kafka.ErrClosed)
	}
	s.wg.Wait()
	s.metrics.unregister()
	return nil
}

// Draining is closed once Shutdown or Close began: long polls may then answer early.
func (s *Server) Draining() <-chan struct{} { return s.draining }

func (s *Server) startDraining() {
	s.drain.Do(func() {
		s.mu.Lock()
		s.state = stateClosed
		close(s.draining)
		for c := range s.conns {
			c.interruptRead()
		}
		s.mu.Unlock()
		_ = s.cfg.Listener.Close() // what it says is of no use: nobody is accepted any more either way
	})
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

func (s *Server) acceptLoop() {
	for {
		select {
		case s.slots <- struct{}{}:
		default:
			s.log.Warn("max.connections is reached: new clients wait until others leave", "max.connections", s.cfg.MaxConnections)
			select {
			case s.slots <- struct{}{}:
			case <-s.draining:
				return
			}
		}
		nc, err := s.accept()
		if err != nil {
			return
		}
		if !s.serveConn(nc) {
			_ = nc.Close()
			return
		}
	}
}

// accept retries: running out of file descriptors passes, and must not end the listener.
func (s *Server) accept() (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		nc, err := s.cfg.Listener.Accept()
		if err == nil || s.isDraining() || errors.Is(err, net.ErrClosed) {
			if err == nil && s.isDraining() {
				_ = nc.Close()
				return nil, kafka.ErrClosed
			}
			if err == nil {
				s.setSendBuffer(nc)
			}
			return nc, err
		}
		s.log.Warn("accepting a connection failed; trying again", "error", err, "wait", wait)
		if !s.sleep(wait) {
			return nil, kafka.ErrClosed
		}
	}
}

// setSendBuffer leaves a connection that is not the system's as it is.
func (s *Server) setSendBuffer(nc net.Conn) {
	c, ok := nc.(interface{ SetWriteBuffer(bytes int) error })
	if !ok || s.cfg.SendBufferBytes < 0 {
		return
	}
	if err := c.SetWriteBuffer(s.cfg.SendBufferBytes); err != nil {
		s.log.Debug("a connection keeps the system's send buffer", "error", err) // its peer may be gone
	}
}

// sleep says whether it slept to the end.
func (s *Server) sleep(d time.Duration) bool {
	t := s.cfg.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.draining:
		return false
	}
}

// serveConn returns false when the server is closing.
func (s *Server) serveConn(nc net.Conn) bool {
	c := newConnection(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateServing {
		return false
	}
	s.conns[c] = struct{}{}
	s.metrics.connections.Inc()
	s.wg.Go(func() {
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		s.metrics.connections.Dec()
		<-s.slots
	})
	return true
}

const trimInterval = 10 * time.Second

// trimLoop gives the memory of frames back that the last seconds did not need.
func (s *Server) trimLoop() {
	for s.sleep(trimInterval) {
		s.cfg.Pool.Trim()
	}
}
