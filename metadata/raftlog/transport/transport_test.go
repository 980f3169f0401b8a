package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/internal/logtest"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a network of net.Pipe connections, which a test can cut.
type pipes struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
	conns     []net.Conn
	dials     int
	tap       func(address string, c net.Conn) net.Conn // around the dialing end
}

type pipeListener struct {
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (w *pipes) listen(address string) *pipeListener {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &pipeListener{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	w.listeners[address] = l
	return l
}

func (w *pipes) dial(ctx context.Context, address string) (net.Conn, error) {
	w.mu.Lock()
	l, tap := w.listeners[address], w.tap
	w.dials++
	w.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
	case <-l.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	w.conns = append(w.conns, here)
	w.mu.Unlock()
	if tap != nil {
		here = tap(address, here)
	}
	return here, nil
}

// cut breaks all connections.
func (w *pipes) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// recorder is a node that remembers.
type recorder struct {
	mu          sync.Mutex
	messages    []raftlog.Message
	unreachable map[uint64]int
	snapshot    []byte
	taking      func(r io.Reader) error
}

func (r *recorder) Step(m raftlog.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
}

func (r *recorder) ReportUnreachable(group uint64, _ int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unreachable == nil {
		r.unreachable = map[uint64]int{}
	}
	r.unreachable[group]++
}

func (r *recorder) ReceiveSnapshot(_ context.Context, _ int32, in io.Reader) error {
	if r.taking != nil {
		return r.taking(in)
	}
	b, err := io.ReadAll(in)
	r.snapshot = b
	return err
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages)
}

// lost is how many groups were told that their messages were dropped; of is how often one was.
func (r *recorder) lost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.unreachable)
}

func (r *recorder) of(group uint64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unreachable[group]
}

type testNode struct {
	*Transport
	recorder
	registry *prometheus.Registry
	logs     *logtest.Buffer
}

func (n *testNode) refused(t *testing.T, reason string) float64 {
	t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "inkwell_rafttransport_refused_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if isReason(m.GetLabel(), reason) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func isReason(labels []*dto.LabelPair, reason string) bool {
	return len(labels) == 1 && labels[0].GetValue() == reason
}

// start makes node id at address "n<id>", with peers 1 to 3.
func (w *pipes) start(t *testing.T, id int32, change func(*Config)) *testNode {
	t.Helper()
	n := &testNode{registry: prometheus.NewRegistry(), logs: new(logtest.Buffer)}
	cfg := Config{
		ClusterID: "m1", NodeID: id, Secret: []byte("secret"), Listener: w.listen(fmt.Sprint("n", id)), Dial: w.dial,
		Rand: rand.New(rand.NewPCG(uint64(id), 1)), Registerer: n.registry, Logger: slog.New(slog.NewTextHandler(n.logs, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if n.Transport, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	n.SetPeers(map[int32]string{1: "n1", 2: "n2", 3: "n3"})
	n.Start(&n.recorder)
	t.Cleanup(func() { n.Close() })
	return n
}

func newPipes() *pipes { return &pipes{listeners: map[string]*pipeListener{}} }

func message(group uint64, from, to int32, kind pb.MessageType) raftlog.Message {
	return raftlog.Message{Group: group, Raft: &pb.Message{Type: kind.Enum(), From: new(uint64(from) + 1), To: new(uint64(to) + 1), Term: new(uint64(7)),
		Index: new(uint64(3)), Entries: []*pb.Entry{{Data: []byte("x"), Index: new(uint64(4)), Term: new(uint64(7))}}}}
}

// TestMessagesArriveInOrder over one connection, whatever number of groups they are of.
func TestMessagesArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		a, b := w.start(t, 1, nil), w.start(t, 2, nil)
		for i := range 1000 {
			a.Send([]raftlog.Message{message(uint64(i), 1, 2, pb.MsgApp), message(uint64(i), 1, 2, pb.MsgHeartbeat)})
		}
		synctest.Wait()
		if b.count() != 2000 || w.dials != 1 {
			t.Fatal(b.count(), w.dials)
		}
		for i, m := range b.messages {
			if m.Group != uint64(i/2) || m.Raft.GetTerm() != 7 || m.Raft.GetFrom() != 2 || m.Raft.GetTo() != 3 || i%2 == 0 && string(m.Raft.GetEntries()[0].GetData()) != "x" {
				t.Fatalf("message %d: %v", i, m)
			}
		}
		b.Send([]raftlog.Message{message(1, 2, 1, pb.MsgAppResp)})
		synctest.Wait()
		if a.count() != 1 || w.dials != 2 {
			t.Fatal("nothing came back")
		}
	})
}

// TestStreamsComeBack after they were cut, and after the peer moved to another address.
func TestStreamsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		a, b := w.start(t, 1, nil), w.start(t, 2, nil)
		beat := func(want string) {
			t.Helper()
			before := b.count()
			for range 30 {
				a.Send([]raftlog.Message{message(1, 1, 2, pb.MsgApp)})
				time.Sleep(100 * time.Millisecond)
				if b.count() > before {
					return
				}
			}
			t.Fatalf("nothing arrives %s", want)
		}
		beat("at all")
		w.cut()
		beat("after a cut")
		b.Close()
		time.Sleep(10 * time.Second)
		a.Send([]raftlog.Message{message(9, 1, 2, pb.MsgApp)})
		time.Sleep(10 * time.Second)
		if a.of(9) == 0 {
			t.Fatal("nobody was told that node 2 is unreachable")
		}
		if !strings.Contains(a.logs.String(), "cannot be reached") {
			t.Fatal("nothing was logged")
		}
		w.listeners["n2"] = nil
		b = w.start(t, 2, func(c *Config) { c.Listener = w.listen("other") })
		a.SetPeers(map[int32]string{2: "other"})
		beat("at the new address")
		a.SetPeers(nil)
		before := b.count()
		a.Send([]raftlog.Message{message(1, 1, 2, pb.MsgApp)})
		time.Sleep(5 * time.Second)
		if b.count() != before {
			t.Fatal("a node that is no peer was sent something")
		}
	})
}

// TestStrangersAreRefused, by name of what is wrong, logged and counted on both sides.
func TestStrangersAreRefused(t *testing.T) {
	for reason, change := range map[string]func(*Config){
		refusedCluster: func(c *Config) { c.ClusterID = "m2" },
		refusedSecret:  func(c *Config) { c.Secret = []byte("guessed") },
		refusedUnknown: func(c *Config) { c.NodeID = 9 },
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPipes()
				a, b := w.start(t, 1, nil), w.start(t, 2, change)
				b.Send([]raftlog.Message{message(1, b.cfg.NodeID, 1, pb.MsgApp)})
				time.Sleep(time.Second)
				if a.count() != 0 {
					t.Fatal("it was heard")
				}
				// Whoever looks first finds the wrong secret: the caller, for the callee proves itself first.
				if b.refused(t, reason) == 0 || reason != refusedSecret && a.refused(t, reason) == 0 {
					t.Fatalf("not counted: %v %v\n%s%s", a.refused(t, reason), b.refused(t, reason), a.logs, b.logs)
				}
				if !strings.Contains(b.logs.String(), "level=ERROR") {
					t.Fatalf("not logged: %s", b.logs)
				}
			})
		})
	}
}

func TestWrongNodeAndNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		a, b := w.start(t, 1, nil), w.start(t, 2, nil)
		c := w.start(t, 3, func(c *Config) { c.Secret = nil })
		c.Send([]raftlog.Message{message(1, 3, 1, pb.MsgApp)})
		b.SetPeers(map[int32]string{1: "n1", 3: "n1"}) // the address of another
		b.Send([]raftlog.Message{message(1, 2, 3, pb.MsgApp)})
		time.Sleep(time.Second)
		if a.count() != 0 || a.refused(t, refusedNode) == 0 || a.refused(t, refusedSecret) == 0 {
			t.Fatal(a.count(), a.logs)
		}
	})
}

// recordingConn keeps what the caller said.
type recordingConn struct {
	net.Conn
	said *logtest.Buffer
}

func (c recordingConn) Write(b []byte) (int, error) {
	_, _ = c.said.Write(b)
	return c.Conn.Write(b)
}

// TestReplayIsRefused: who plays back a whole recorded handshake, byte for byte, and its messages, is not believed.
func TestReplayIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		said := new(logtest.Buffer)
		w.tap = func(_ string, c net.Conn) net.Conn { return recordingConn{c, said} }
		a, b := w.start(t, 1, nil), w.start(t, 2, nil)
		a.Send([]raftlog.Message{message(1, 1, 2, pb.MsgHeartbeat)})
		synctest.Wait()
		if b.count() != 1 {
			t.Fatal("the handshake does not work")
		}
		recorded := []byte(said.String())
		w.tap = nil
		conn, err := w.dial(t.Context(), "n2")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, conn)
		}()
		_, _ = conn.Write(recorded)
		<-done
		if b.count() != 1 || b.refused(t, refusedSecret) != 1 {
			t.Fatalf("%d messages, %s", b.count(), b.logs)
		}
	})
}

// TestGarbageEndsTheStream and nothing else.
func TestGarbageEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		flip := true
		w.tap = func(_ string, c net.Conn) net.Conn { return &flippingConn{Conn: c, armed: &flip} }
		a, b := w.start(t, 1, nil), w.start(t, 2, nil)
		a.Send([]raftlog.Message{message(1, 1, 2, pb.MsgApp)})
		time.Sleep(time.Second)
		if b.count() != 0 || !strings.Contains(b.logs.String(), "checksum") {
			t.Fatal(b.count(), b.logs)
		}
		a.Send([]raftlog.Message{message(1, 1, 2, pb.MsgApp)})
		time.Sleep(time.Second)
		if b.count() != 1 {
			t.Fatal("the next stream does not work")
		}
	})
}

// flippingConn changes a bit of the first frame.
type flippingConn struct {
	net.Conn
	writes int
	armed  *bool
}

func (c *flippingConn) Write(b []byte) (int, error) {
	if c.writes++; c.writes == 3 && *c.armed { // behind the hello and the proof
		*c.armed = false
		b = bytes.Clone(b)
		b[len(b)-1] ^= 4
	}
	return c.Conn.Write(b)
}

// TestFullQueueDrops and says so; a peer that does not read is given up.
func TestFullQueueDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		w.tap = func(_ string, c net.Conn) net.Conn { return &stuckConn{Conn: c, closed: make(chan struct{})} }
		a := w.start(t, 1, func(c *Config) { c.QueueMessages = 10 })
		w.start(t, 2, nil)
		for i := range 100 {
			a.Send([]raftlog.Message{message(uint64(i), 1, 2, pb.MsgApp)})
		}
		synctest.Wait()
		if n := a.lost(); n < 80 || n > 95 {
			t.Fatalf("%d were dropped", n)
		}
		time.Sleep(6 * time.Second)
		if !strings.Contains(a.logs.String(), "does not answer") {
			t.Fatal(a.logs)
		}
	})
}

// stuckConn lets the handshake pass and then blocks.
type stuckConn struct {
	net.Conn
	writes int
	once   sync.Once
	closed chan struct{}
}

func (c *stuckConn) Write(b []byte) (int, error) {
	if c.writes++; c.writes > 2 {
		<-c.closed
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func TestSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipes()
		a, b := w.start(t, 1, func(c *Config) { c.SnapshotBytesPerSecond = 1 << 20 }), w.start(t, 2, nil)
		want := bytes.Repeat([]byte("0123456789"), 300_000)
		began := time.Now()
		err := a.SendSnapshot(t.Context(), 2, func(out io.Writer) error {
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 7777)
				if _, err := out.Write(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		})
		if err != nil || !bytes.Equal(b.snapshot, want) {
			t.Fatal(err, len(b.snapshot))
		}
		if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
			t.Fatalf("3 MB at 1 MiB/s took %v", took)
		}
		write := func(out io.Writer) error {
			_, err := out.Write(want)
			return err
		}
		synctest.Wait()
		b.taking = func(r io.Reader) error { return errors.New("the disk is full") }
		began = time.Now()
		if err := a.SendSnapshot(t.Context(), 2, write); err == nil || !strings.Contains(err.Error(), "the disk is full") || time.Since(began) > time.Second {
			t.Fatal(err, time.Since(began))
		}
		synctest.Wait()
		b.taking = func(r io.Reader) error {
			_, err := io.ReadAll(r)
			return errors.Join(err, errors.New("the disk is full"))
		}
		if err := a.SendSnapshot(t.Context(), 2, write); err == nil || !strings.Contains(err.Error(), "the disk is full") {
			t.Fatal(err)
		}
		var seen error
		synctest.Wait()
		b.taking = func(r io.Reader) error {
			_, seen = io.ReadAll(r)
			return seen
		}
		if err := a.SendSnapshot(t.Context(), 2, func(io.Writer) error { return errors.New("no longer leader") }); err == nil {
			t.Fatal("no error")
		}
		synctest.Wait()
		if seen == nil || !strings.Contains(seen.Error(), "no longer leader") {
			t.Fatalf("half a snapshot looked whole: %v", seen)
		}
		synctest.Wait()
		b.taking = func(r io.Reader) error { // it does not go on reading
			time.Sleep(time.Hour)
			return nil
		}
		began = time.Now()
		if err := a.SendSnapshot(t.Context(), 2, write); err == nil || time.Since(began) > time.Minute {
			t.Fatal(err, time.Since(began))
		}
		if err := a.SendSnapshot(t.Context(), 3, write); err == nil {
			t.Fatal("there is no node 3")
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestMessagesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := uint64(2), uint64(3)
		var want []raftlog.Message
		var b []byte
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			u := func(name string) *uint64 { return new(rapid.Uint64().Draw(t, name)) }
			m := raftlog.Message{Group: *u("group"), Raft: &pb.Message{Type: pb.MessageType(rapid.IntRange(0, 18).Draw(t, "type")).Enum(), From: &from, To: &to, Term: u("term")}}
			switch m.Raft.GetType() {
			case pb.MsgHeartbeat:
				m.Raft.Commit = u("commit")
			case pb.MsgHeartbeatResp:
			default:
				m.Raft.Index, m.Raft.Reject = u("index"), new(rapid.Bool().Draw(t, "reject"))
			}
			if c := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "context"); len(c) > 0 {
				m.Raft.Context = c
			}
			want = append(want, m)
			var err error
			if b, err = appendMessage(b, m); err != nil {
				t.Fatal(err)
			}
		}
		i := 0
		if err := decodeMessages(b, from, to, func(m raftlog.Message) {
			if m.Group != want[i].Group || m.Raft.String() != want[i].Raft.String() {
				t.Fatalf("%v\n%v", m, want[i])
			}
			i++
		}); err != nil || i != len(want) {
			t.Fatal(err, i)
		}
	})
}

func FuzzDecode(f *testing.F) {
	b, _ := appendMessage(nil, message(1, 1, 2, pb.MsgApp))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) { // no panic, whatever a peer sends
		_ = decodeMessages(b, 2, 3, func(raftlog.Message) {})
		_, _, _ = readFrame(bytes.NewReader(b[:min(len(b), 64)]), nil)
		_, _ = readHello(bytes.NewReader(b))
		_, _ = readAnswer(bytes.NewReader(b))
	})
}
