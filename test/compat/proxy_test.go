package compat

import (
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// notCounting marks a connection that has no budget of bytes yet; one that is used up may be any smaller number.
const notCounting = math.MinInt64

// proxy passes bytes between clients and one server. While cutting, each connection ends after a random number of bytes from a fixed seed: in the middle of a request, between a
// request and its answer, in the middle of an answer.
type proxy struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu      sync.Mutex // guards what follows
	rnd     *rand.Rand // nil: not cutting
	mean    int64
	closed  bool
	conns   map[net.Conn]struct{}
	cuts    atomic.Int64
	cutting atomic.Bool
}

func startProxy() (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &proxy{listener: l, conns: make(map[net.Conn]struct{})}, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// serve passes connections on to the server from now on.
func (p *proxy) serve(server string) {
	p.server = server
	p.wg.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.pass(client) })
		}
	})
}

// cut makes every connection, also those that are open, end after up to twice mean bytes in either direction. The returned function stops that and tells how many were cut.
func (p *proxy) cut(seed uint64, mean int64) (stop func() int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rnd, p.mean = rand.New(rand.NewPCG(seed, seed)), mean
	p.cuts.Store(0)
	p.cutting.Store(true)
	return func() int64 {
		p.cutting.Store(false)
		return p.cuts.Load()
	}
}

// budget is how many bytes a connection may still pass before it is cut.
func (p *proxy) budget() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return 1 + p.rnd.Int64N(2*p.mean)
}

func (p *proxy) pass(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		client.Close()
		server.Close()
		return
	}
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var left atomic.Int64
	left.Store(notCounting)
	var wg sync.WaitGroup
	copy := func(to, from net.Conn) {
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 && p.cutting.Load() {
				left.CompareAndSwap(notCounting, p.budget())
				if rest := left.Add(-int64(n)); rest <= 0 {
					_, _ = to.Write(buf[:max(0, int64(n)+rest)]) // a part of it arrives
					p.cuts.Add(1)
					err = io.ErrUnexpectedEOF
					n = 0
				}
			}
			if n > 0 {
				if _, werr := to.Write(buf[:n]); werr != nil {
					err = werr
				}
			}
			if err != nil {
				to.Close()
				from.Close()
				return
			}
		}
	}
	wg.Go(func() { copy(server, client) })
	wg.Go(func() { copy(client, server) })
	wg.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
