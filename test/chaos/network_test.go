package chaos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// network lies between the processes: each is advertised at a port of it, and what a caller says first tells who it is. So every pair of processes can be cut
// off from one another, in one direction or both, without any rights on the machine.
type network struct {
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	cuts    map[cut]int
	changed chan struct{} // closed when cuts change
	open    map[io.Closer]bool
	closed  bool
}

// cut is one direction of a pair: bytes on their way there are held, like packets that are sent again until they arrive.
type cut struct{ from, to string }

// anyone is whom the network does not know: clients and administrators.
const anyone = "clients"

func newNetwork(t *testing.T) *network {
	n := &network{cuts: map[cut]int{}, changed: make(chan struct{}), open: map[io.Closer]bool{}}
	t.Cleanup(n.close)
	return n
}

func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	for c := range n.open {
		_ = c.Close()
	}
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	n.running.Wait()
}

// cut holds what goes these ways until the returned function is called.
func (n *network) cut(ways ...cut) (heal func()) {
	n.change(ways, 1)
	return func() { n.change(ways, -1) }
}

func (n *network) change(ways []cut, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range ways {
		n.cuts[w] += by
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// pass waits until bytes may go this way; held says that it waited.
func (n *network) pass(way cut) (held bool, err error) {
	for {
		n.mu.Lock()
		blocked, closed, changed := n.cuts[way] > 0, n.closed, n.changed
		n.mu.Unlock()
		switch {
		case closed:
			return held, net.ErrClosed
		case !blocked:
			return held, nil
		}
		held = true
		<-changed
	}
}

// track ends c with the network.
func (n *network) track(c io.Closer) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errors.Join(net.ErrClosed, c.Close())
	}
	n.open[c] = true
	return nil
}

func (n *network) drop(c io.Closer) {
	_ = c.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, c)
}

// port is an address at which others reach to, who listens at target. identify reads who calls from the caller's first bytes; nil is for a port that one caller alone knows.
// Connections of a port that forgets end when what they held could go on: a client that gave up must not be heard minutes later.
func (n *network) port(t *testing.T, to, target string, forgets bool, identify func(r io.Reader) (string, error)) string {
	return n.movingPort(t, func() (string, string) { return to, target }, forgets, identify)
}

// movingPort is a port at which others reach whoever is behind it at that moment.
func (n *network) movingPort(t *testing.T, behind func() (to, target string), forgets bool, identify func(r io.Reader) (string, error)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = n.track(l)
	}
	if err != nil {
		t.Fatal(err)
	}
	n.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.running.Go(func() { n.connect(c.(*net.TCPConn), behind, forgets, identify) })
		}
	})
	return l.Addr().String()
}

func (n *network) connect(caller *net.TCPConn, behind func() (to, target string), forgets bool, identify func(r io.Reader) (string, error)) {
	if n.track(caller) != nil {
		return
	}
	defer n.drop(caller)
	var first bytes.Buffer
	from, err := identify(io.TeeReader(caller, &first))
	if err != nil {
		return
	}
	to, target := behind()
	there, back := cut{from, to}, cut{to, from}
	if _, err := n.pass(there); err != nil {
		return
	}
	c, err := net.Dial("tcp", target)
	if err != nil {
		_ = caller.SetLinger(0) // refused: some clients take a connection that ends without a word for one that wants TLS
		return
	}
	callee := c.(*net.TCPConn)
	if n.track(callee) != nil {
		return
	}
	defer n.drop(callee)
	if _, err := callee.Write(first.Bytes()); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { n.copy(callee, caller, there, forgets) })
	both.Go(func() { n.copy(caller, callee, back, forgets) })
	both.Wait()
}

// copy passes bytes on, and the end of them.
func (n *network) copy(to, from *net.TCPConn, way cut, forgets bool) {
	buf := make([]byte, 32<<10)
	for said := false; ; {
		k, readErr := from.Read(buf)
		said = said || k > 0
		held, err := n.pass(way)
		if err != nil {
			return
		}
		if held && forgets {
			_ = to.Close()
			_ = from.Close()
			return
		}
		if k > 0 {
			if _, err := to.Write(buf[:k]); err != nil {
				return // the other direction tells the caller
			}
		}
		if readErr != nil {
			if said && errors.Is(readErr, io.EOF) {
				_ = to.CloseWrite()
			} else {
				_ = to.SetLinger(0)
				_ = to.Close()
			}
			return
		}
	}
}

// kafkaCaller is the client id of the first request, for those that are processes of the system.
func kafkaCaller(r io.Reader) (string, error) {
	var head [14]byte // size, key, version, correlation id, length of the client id
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	id := make([]byte, max(0, int16(binary.BigEndian.Uint16(head[12:]))))
	if _, err := io.ReadFull(r, id); err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(string(id), "inkwell-")
	if !ok || !strings.HasPrefix(name, "broker-") && !strings.HasPrefix(name, "node-") {
		return anyone, nil
	}
	return name, nil
}

// raftCaller is the node that a stream between metadata nodes begins with.
func raftCaller(r io.Reader) (string, error) {
	var fixed [13]byte // magic, version, kind, secret, length of the cluster id
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return "", err
	}
	rest := make([]byte, int(fixed[12])+4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return "", err
	}
	return fmt.Sprintf("node-%d", binary.BigEndian.Uint32(rest[len(rest)-4:])), nil
}

// always is for a port of one caller.
func always(name string) func(io.Reader) (string, error) {
	return func(io.Reader) (string, error) { return name, nil }
}

// TestNetwork: a cut holds one direction and not the other, and what was held arrives.
func TestNetwork(t *testing.T) {
	n := newNetwork(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 100)
				for {
					k, err := c.Read(buf)
					if err != nil {
						return
					}
					heard <- string(buf[:k])
					_, _ = c.Write(bytes.ToUpper(buf[:k]))
				}
			}()
		}
	}()
	c, err := net.Dial("tcp", n.port(t, "b", l.Addr().String(), false, always("a")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(text string) {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	answers := make(chan string, 10)
	go func() {
		buf := make([]byte, 100)
		for {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			answers <- string(buf[:k])
		}
	}()
	nothing := func(c chan string) {
		t.Helper()
		select {
		case text := <-c:
			t.Errorf("%q passed a cut", text)
		default:
		}
	}
	var got []string
	say("one")
	got = append(got, <-heard, <-answers)
	heal := n.cut(cut{"b", "a"})
	say("two")
	got = append(got, <-heard)
	nothing(answers)
	healOther := n.cut(cut{"a", "b"})
	heal()
	got = append(got, <-answers)
	say("three")
	nothing(heard)
	healOther()
	got = append(got, <-heard, <-answers)
	if want := []string{"one", "ONE", "two", "TWO", "three", "THREE"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
