package sim

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Network connects the hosts of a run. It behaves as TCP does: bytes arrive in order or not at all. A cut link holds what was sent until it is
// healed or a side gives up.
type Network struct {
	source Source
	trace  *Trace
	giveUp time.Duration // after so long without delivery a connection breaks, as TCP's retransmissions end

	mu        sync.Mutex // guards what follows, and every conn and stream
	changed   chan struct{}
	listeners map[string]*netListener // by address
	down      map[string]bool         // hosts without power: they do not even refuse
	dead      map[string]bool         // processes that ended: their machine refuses
	paused    map[string]bool
	crashes   map[string]*countdown // by host: what happens at one of the next deliveries from or to it
	cuts      map[link]bool         // one way
	latency   time.Duration
	slow      map[link]time.Duration // more latency
	conns     []*netConn             // open ones, by number
	numbers   map[string]int         // of connections, by pair of hosts
}

// countdown calls something once.
type countdown struct {
	left int
	f    func()
}

type link struct{ from, to string }

// delivered is the trace's word for bytes that arrived.
const delivered = "net"

// keepAlive is the time after which a side learns that the other lost power, though it sends nothing.
const keepAlive = 150 * time.Second

func newNetwork(source Source, trace *Trace, latency, giveUp time.Duration) *Network {
	return &Network{
		source: source, trace: trace, giveUp: giveUp, latency: latency, changed: make(chan struct{}), listeners: map[string]*netListener{},
		down: map[string]bool{}, dead: map[string]bool{}, paused: map[string]bool{}, crashes: map[string]*countdown{}, cuts: map[link]bool{}, slow: map[link]time.Duration{}, numbers: map[string]int{},
	}
}

func (n *Network) blocked(from, to string) bool {
	return n.cuts[link{from, to}] || n.down[from] || n.down[to] || n.paused[from] || n.paused[to]
}

// delay is the time that bytes take. Each is unique to the nanosecond, so that the order of events is the seed's and not the scheduler's.
func (n *Network) delay(r *rand.Rand, from, to string) time.Duration {
	d := n.latency/2 + time.Duration(r.Int64N(int64(n.latency)))
	if r.IntN(50) == 0 {
		d *= 5
	}
	return d + n.slow[link{from, to}]
}

// wake has waiting deliveries and dials look again. The lock is held.
func (n *Network) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
	for _, c := range n.conns {
		c.in.pump()
	}
}

// Cut drops everything from one host to another, until Heal.
func (n *Network) Cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[link{from, to}] = true
}

// Slow adds latency to one direction.
func (n *Network) Slow(from, to string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slow[link{from, to}] = d
}

// Heal ends cuts and slowness.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
	clear(n.slow)
	n.wake()
}

// Pause holds everything from and to a host, until it is resumed.
func (n *Network) Pause(host string, paused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused[host] = paused
	n.wake()
}

// Reset breaks the open connections between two hosts; what was under way is lost.
func (n *Network) Reset(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range slices.Clone(n.conns) {
		if c.host == a && c.peer.host == b || c.host == b && c.peer.host == a {
			c.fail(syscall.ECONNRESET)
		}
	}
}

// Kill ends a host's process: nothing that it says from now on is heard. With powerOff its machine is gone, too, and nobody tells its peers.
func (n *Network) Kill(host string, powerOff bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead[host], n.down[host] = true, powerOff
	for address, l := range n.listeners {
		if l.host == host {
			l.shut()
			delete(n.listeners, address)
		}
	}
	for _, c := range slices.Clone(n.conns) {
		switch {
		case c.host == host:
			c.fail(net.ErrClosed)
		case c.peer.host == host && !powerOff:
			c.resetLater(n.latency)
		case c.peer.host == host:
			c.resetLater(keepAlive)
		}
	}
	n.wake()
}

// CrashSoon has f called, beside the network, after the n-th next delivery from or to a host; a nil f takes that back.
func (n *Network) CrashSoon(host string, nth int, f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f == nil {
		delete(n.crashes, host)
		return
	}
	n.crashes[host] = &countdown{nth, f}
}

// count counts a delivery. The lock is held.
func (n *Network) count(host string) {
	c := n.crashes[host]
	if c == nil {
		return
	}
	if c.left--; c.left <= 0 {
		delete(n.crashes, host)
		go c.f()
	}
}

// Start lets a host's next process use the network. Connections of the process before are reset when this is learned.
func (n *Network) Start(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.dead, host)
	delete(n.down, host)
	for _, c := range n.conns {
		if c.peer.host == host && c.peer.closed && len(c.peer.in.pending)+len(c.in.pending) > 0 {
			c.resetLater(n.latency)
		}
	}
	n.wake()
}

// Listen opens an address of a host.
func (n *Network) Listen(host, address string) net.Listener {
	l := &netListener{n: n, host: host, address: netAddr(address), accepts: make(chan *netConn, 1024), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[address] = l
	n.wake()
	return l
}

// Dialer dials as a host. The function stops to work when the process of that host ends.
func (n *Network) Dialer(host string, alive func() bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		c, err := n.dial(ctx, host, address, alive)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: netAddr(address), Err: err}
		}
		return c, nil
	}
}

func (n *Network) dial(ctx context.Context, host, address string, alive func() bool) (*netConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, n.giveUp, syscall.ETIMEDOUT)
	defer cancel()
	n.mu.Lock()
	pair := host + ">" + address
	n.numbers[pair]++
	name := fmt.Sprintf("%s#%d", pair, n.numbers[pair])
	r := n.source.Rand("net " + name)
	there := n.hostOf(address)
	d := n.delay(r, host, there)
	n.mu.Unlock()
	if err := sleep(ctx, d); err != nil {
		return nil, err
	}
	for {
		n.mu.Lock()
		if !alive() {
			n.mu.Unlock()
			return nil, net.ErrClosed
		}
		there = n.hostOf(address)
		changed := n.changed
		if !n.blocked(host, there) && !n.blocked(there, host) {
			break
		}
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	l := n.listeners[address]
	if l == nil || n.dead[there] {
		n.mu.Unlock()
		if err := sleep(ctx, d); err != nil {
			return nil, err
		}
		return nil, syscall.ECONNREFUSED
	}
	here := n.connect(name, r, host, l)
	n.mu.Unlock()
	return here, nil
}

// connect makes both ends. The lock is held.
func (n *Network) connect(name string, r *rand.Rand, host string, l *netListener) *netConn {
	n.numbers[host]++
	here := &netConn{n: n, name: name + ">", host: host, local: netAddr(fmt.Sprintf("%s:%d", host, 20000+n.numbers[host])), remote: l.address}
	there := &netConn{n: n, name: name + "<", host: l.host, local: l.address, remote: here.local, peer: here}
	here.peer = there
	for _, c := range []*netConn{here, there} {
		c.random = n.source.Rand("net " + c.name)
		c.wakeUp = make(chan struct{}, 1)
		c.in = &stream{c: c}
		n.conns = append(n.conns, c)
	}
	slices.SortFunc(n.conns, func(a, b *netConn) int { return cmp.Compare(a.name, b.name) })
	select {
	case l.accepts <- there:
	default:
		here.fail(syscall.ECONNREFUSED)
	}
	return here
}

// hostOf is the host that an address belongs to: hosts have names, and an address is HOST:PORT.
func (n *Network) hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

type netListener struct {
	n       *Network
	host    string
	address netAddr
	accepts chan *netConn
	closed  chan struct{}
	once    sync.Once
}

// Accept implements net.Listener.
func (l *netListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.accepts:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *netListener) shut() { l.once.Do(func() { close(l.closed) }) }

// Close implements net.Listener. Connections that nobody accepted are reset.
func (l *netListener) Close() error {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	l.shut()
	if l.n.listeners[string(l.address)] == l {
		delete(l.n.listeners, string(l.address))
	}
	for {
		select {
		case c := <-l.accepts:
			c.fail(syscall.ECONNRESET)
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (l *netListener) Addr() net.Addr { return l.address }

type netAddr string

func (netAddr) Network() string  { return "tcp" }
func (a netAddr) String() string { return string(a) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
