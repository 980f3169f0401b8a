package listener

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/internal/logtest"
	"github.com/inkwell-project/inkwell/internal/slab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a Server on a loopback socket whose log can be read.
type harness struct {
	*Server
	t    *testing.T
	pool *slab.Pool
	log  *logtest.Buffer
}

func serve(t *testing.T, cfg Config, apis ...API) *harness {
	t.Helper()
	h := &harness{t: t, pool: new(slab.Pool), log: new(logtest.Buffer)}
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.Listener, cfg.APIs, cfg.Pool = "TEST", nl, apis, h.pool
	cfg.Logger = slog.New(slog.NewTextHandler(h.log, nil))
	if h.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if n := h.pool.InUse(); n != 0 {
			t.Errorf("%d bytes of frames were never released", n)
		}
		if n := h.admission.inUse(); n != 0 {
			t.Errorf("%d byte credits were never given back", n)
		}
	})
	return h
}

// client speaks frames.
type client struct {
	t *testing.T
	net.Conn
}

func (h *harness) dial() *client {
	h.t.Helper()
	c, err := net.Dial("tcp", h.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return &client{h.t, c}
}

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("tester"))

func (c *client) send(correlationID int32, m kmsg.Request) {
	c.t.Helper()
	c.write(formatter.AppendRequest(nil, m, correlationID))
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) frame() (correlationID int32, rest []byte) {
	c.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		c.t.Fatal(err)
	}
	rest = make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c, rest); err != nil {
		c.t.Fatal(err)
	}
	return int32(binary.BigEndian.Uint32(head[4:])), rest
}

func (c *client) receive(m kmsg.Response) (correlationID int32) {
	c.t.Helper()
	id, rest := c.frame()
	if m.IsFlexible() && m.Key() != apiVersionsKey {
		rest = rest[1:]
	}
	if err := m.ReadFrom(rest); err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *client) wantClosed() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c); n > 0 || errors.Is(err, context.DeadlineExceeded) {
		c.t.Fatalf("%d bytes came and %v; want the connection closed", n, err)
	}
}

// heartbeats are what the tests send: small, flexible from v4 on.
func heartbeat(member string) *kmsg.HeartbeatRequest {
	m := kmsg.NewPtrHeartbeatRequest()
	m.Version, m.Group, m.MemberID = 4, "g", member
	return m
}

func heartbeatAPI(serve func(ctx context.Context, r *Request)) API {
	return API{Key: 12, MinVersion: 0, MaxVersion: 4, Serve: serve}
}

func reply(r *Request) {
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.ThrottleMillis = r.CorrelationID
	r.Reply(resp)
}

func newHeartbeatResponse() *kmsg.HeartbeatResponse {
	m := kmsg.NewPtrHeartbeatResponse()
	m.Version = 4
	return m
}

func produce(version int16, bytes int) *kmsg.ProduceRequest {
	m := kmsg.NewPtrProduceRequest()
	m.Version, m.Acks = version, -1
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = make([]byte, bytes)
	for i := range p.Records {
		p.Records[i] = byte(i)
	}
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = "t", []kmsg.ProduceRequestTopicPartition{p}
	m.Topics = []kmsg.ProduceRequestTopic{topic}
	return m
}

func TestAnswersLeaveInRequestOrderThoughHandlersFinishInAnother(t *testing.T) {
	const n = 50
	requests := make(chan *Request, n)
	h := serve(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) { requests <- r }))
	c := h.dial()
	for i := range n {
		c.send(int32(i), heartbeat("m"))
	}
	var all []*Request
	for range n {
		all = append(all, <-requests) // all were read before one was answered
	}
	var wg sync.WaitGroup
	for i := n - 1; i >= 0; i-- {
		wg.Go(func() { reply(all[i]) })
	}
	wg.Wait()
	for i := range n {
		m := newHeartbeatResponse()
		if id := c.receive(m); id != int32(i) || m.ThrottleMillis != int32(i) {
			t.Fatalf("answer %d has correlation id %d and content %d", i, id, m.ThrottleMillis)
		}
	}
}

func TestOutOfOrderAnswersOvertake(t *testing.T) {
	first := make(chan *Request, 1)
	h := serve(t, Config{OutOfOrder: true}, heartbeatAPI(func(ctx context.Context, r *Request) {
		if r.Message.(*kmsg.HeartbeatRequest).MemberID == "waits" {
			first <- r // as JoinGroup does
			return
		}
		reply(r)
	}))
	c := h.dial()
	c.send(1, heartbeat("waits"))
	r := <-first
	c.send(2, heartbeat("goes"))
	if id := c.receive(newHeartbeatResponse()); id != 2 {
		t.Fatalf("the answer to %d came first", id)
	}
	reply(r)
	if id := c.receive(newHeartbeatResponse()); id != 1 {
		t.Fatalf("the answer to %d came second", id)
	}
}

// Kafka's own clients on a listener for brokers: the second request is not even looked at before the first was answered.
func TestInOrderAPIsKeepTheirOrder(t *testing.T) {
	served := make(chan string, 2)
	parked := make(chan struct{})
	api := heartbeatAPI(func(ctx context.Context, r *Request) {
		id := r.Message.(*kmsg.HeartbeatRequest).MemberID
		served <- id
		if id == "waits" {
			<-parked // as a long poll does
		}
		reply(r)
	})
	api.InOrder = true
	h := serve(t, Config{OutOfOrder: true}, api)
	c := h.dial()
	c.send(1, heartbeat("waits"))
	c.send(2, heartbeat("goes"))
	if id := <-served; id != "waits" || len(served) > 0 {
		t.Fatalf("%q was served first, %d more", id, len(served))
	}
	close(parked)
	for want := range int32(2) {
		if id := c.receive(newHeartbeatResponse()); id != want+1 {
			t.Fatalf("the answer to %d came as number %d", id, want+1)
		}
	}
}

func TestPipeliningIsBounded(t *testing.T) {
	requests := make(chan *Request, 100)
	h := serve(t, Config{MaxPipelined: 3}, heartbeatAPI(func(_ context.Context, r *Request) { requests <- r }))
	c := h.dial()
	for i := range 10 {
		c.send(int32(i), heartbeat("m"))
	}
	for i := range 10 {
		r := <-requests
		if n := len(requests); n > 2 {
			t.Fatalf("%d requests were read ahead, want at most 3", n+1)
		}
		reply(r)
		if id := c.receive(newHeartbeatResponse()); id != int32(i) {
			t.Fatalf("answer %d, want %d", id, i)
		}
	}
}

func TestCreditsPushBackAndALargeFramePassesAlone(t *testing.T) {
	requests := make(chan *Request, 10)
	h := serve(t, Config{ByteCredits: 10_000}, produceAPI(func(_ context.Context, r *Request) { requests <- r }))
	answerProduce := func(r *Request) {
		if !bytes.Equal(r.Message.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records, produce(9, len(r.Message.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records)).Topics[0].Partitions[0].Records) {
			t.Error("the records differ")
		}
		r.Reply(kmsg.NewPtrProduceResponse())
	}
	a, b, large := h.dial(), h.dial(), h.dial()
	a.send(1, produce(9, 6000))
	ra := <-requests
	kept := ra.Frame.Retain() // as the Batch Processor does until the upload has ended
	large.send(2, produce(9, 50_000))
	waitFor(t, func() bool { return h.waitingForCredits() == 1 })
	b.send(3, produce(9, 3000)) // would fit, and must not pass the one in line
	waitFor(t, func() bool { return h.waitingForCredits() == 2 })
	answerProduce(ra)
	a.receive(versioned(kmsg.NewPtrProduceResponse(), 9))
	if len(requests) != 0 || h.waitingForCredits() != 2 {
		t.Fatal("a frame was read while a retained one had the credits")
	}
	kept.Release()
	rl := <-requests
	if rl.CorrelationID != 2 || h.admission.inUse() != 8_750 || len(requests) != 0 {
		t.Fatal("the large frame was the first in line and passes alone")
	}
	answerProduce(rl)
	answerProduce(<-requests)
	large.receive(versioned(kmsg.NewPtrProduceResponse(), 9))
	b.receive(versioned(kmsg.NewPtrProduceResponse(), 9))
}

func versioned(m kmsg.Response, v int16) kmsg.Response {
	m.SetVersion(v)
	return m
}

func (h *harness) waitingForCredits() int {
	h.admission.frames.mu.Lock()
	defer h.admission.frames.mu.Unlock()
	return len(h.admission.frames.waiting)
}

// waitFor polls a condition that another goroutine is certain to bring about; nothing depends on how long that takes.
func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition never came true")
		}
	}
}

func TestBadFramesCloseTheirConnectionOnly(t *testing.T) {
	h := serve(t, Config{MaxRequestBytes: 1000}, heartbeatAPI(func(_ context.Context, r *Request) {
		if r.Message.(*kmsg.HeartbeatRequest).MemberID == "panic" {
			panic("boom")
		}
		reply(r)
	}))
	good := h.dial()
	header := func(key, version uint16, tail ...byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(8+len(tail)))
		b = binary.BigEndian.AppendUint16(b, key)
		b = binary.BigEndian.AppendUint16(b, version)
		return append(binary.BigEndian.AppendUint32(b, 7), tail...)
	}
	for name, tc := range map[string]struct { // ten of them: more lines a second are not written
		bytes []byte
		log   string
	}{
		"oversized":           {binary.BigEndian.AppendUint32(nil, 1001), "socket.request.max.bytes=1000"},
		"http":                {[]byte("GET / HTTP/1.1\r\n"), "the client speaks HTTP"},
		"tls":                 {[]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc}, "the client speaks TLS"},
		"negative":            {binary.BigEndian.AppendUint32(nil, 0xffffffff), "a frame of -1 bytes"},
		"tiny":                {[]byte{0, 0, 0, 1, 9}, "no request header"},
		"unknown key":         {header(999, 0, 0, 0), "API key 999"},
		"unsupported version": {header(12, 5, 0, 0), "Heartbeat version 5 is not supported, versions are 0 to 4"},
		"short header":        {header(12, 0, 0, 50, 'x'), "header of Heartbeat"},
		"short body":          {header(12, 0, 0, 0, 1), "Heartbeat version 0"},
		"panic":               {formatter.AppendRequest(nil, heartbeat("panic"), 1), "boom"},
	} {
		t.Run(name, func(t *testing.T) {
			c := h.dial()
			c.write(tc.bytes)
			c.wantClosed()
			waitFor(t, func() bool { return strings.Contains(h.log.String(), tc.log) })
		})
	}
	good.send(1, heartbeat("m"))
	if id := good.receive(newHeartbeatResponse()); id != 1 {
		t.Fatal("a good connection was affected")
	}
}

func TestCloseAfterAnswerAndNoAnswer(t *testing.T) {
	h := serve(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) {
		switch r.CorrelationID {
		case 1:
			r.ReplyNone()
		case 3:
			m := kmsg.NewPtrHeartbeatResponse()
			r.ReplyWith(Response{Message: m, Close: true})
		default:
			reply(r)
		}
	}))
	c := h.dial()
	for i := range int32(5) {
		c.send(i, heartbeat("m"))
	}
	for _, want := range []int32{0, 2, 3} {
		if id := c.receive(newHeartbeatResponse()); id != want {
			t.Fatalf("answer %d, want %d", id, want)
		}
	}
	_, err := c.Read(make([]byte, 1))
	if err == nil {
		t.Fatal("an answer came after one that closes")
	}
}

func TestVectorIsWrittenWholeAndReleasedOnce(t *testing.T) {
	var released sync.Map
	release := func(id int32) func() {
		return func() {
			if _, twice := released.LoadOrStore(id, true); twice {
				t.Error("released twice")
			}
		}
	}
	served := make(chan struct{}, 2)
	h := serve(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) {
		body := net.Buffers{}
		for i := range 3000 { // more than one writev takes
			body = append(body, bytes.Repeat([]byte{byte(i)}, 1000))
		}
		r.ReplyWith(Response{Vector: body, Release: release(r.CorrelationID)})
		served <- struct{}{}
	}))
	c := h.dial()
	c.send(1, heartbeat("m"))
	_, rest := c.frame()
	if len(rest) != 1+3_000_000 || rest[1+2_999_999] != byte(2999&0xff) {
		t.Fatalf("%d bytes came", len(rest))
	}
	waitFor(t, func() bool { _, ok := released.Load(int32(1)); return ok })

	// A client that does not read: the answer is released all the same when its connection goes.
	<-served
	c.send(2, heartbeat("m"))
	<-served
	_ = c.Close()
	waitFor(t, func() bool { _, ok := released.Load(int32(2)); return ok })
}

func TestASlowReaderStopsBeingRead(t *testing.T) {
	requests := make(chan *Request, 100)
	h := serve(t, Config{MaxQueuedAnswerBytes: 100}, heartbeatAPI(func(_ context.Context, r *Request) { requests <- r }))
	c := h.dial()
	for i := range 20 {
		c.send(int32(i), heartbeat("m"))
	}
	first, second := <-requests, <-requests
	// The second answer waits for the first, and its bytes count.
	second.ReplyWith(Response{Vector: net.Buffers{make([]byte, 1<<20)}})
	waitFor(t, func() bool { return h.oneConn().q.hasRoom() == false })
	reply(first)
	c.receive(newHeartbeatResponse())
	c.frame()
	for i := 2; i < 20; i++ {
		reply(<-requests)
		if id := c.receive(newHeartbeatResponse()); id != int32(i) {
			t.Fatal("order")
		}
	}
}

func (s *Server) oneConn() *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		return c
	}
	return nil
}

func TestShutdownAnswersWhatWasRead(t *testing.T) {
	requests := make(chan *Request, 10)
	h := serve(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) { requests <- r }))
	busy, idle := h.dial(), h.dial()
	busy.send(1, heartbeat("m"))
	r := <-requests
	idle.send(2, heartbeat("m"))
	reply(<-requests)
	idle.receive(newHeartbeatResponse())

	done := make(chan error, 1)
	go func() { done <- h.Shutdown(t.Context()) }()
	idle.wantClosed()
	if len(done) > 0 {
		t.Fatal("Shutdown did not wait for the answer")
	}
	reply(r)
	busy.receive(newHeartbeatResponse())
	busy.wantClosed()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", h.Addr().String()); err == nil {
		t.Fatal("connections are still accepted")
	}
}

func TestShutdownGivesUpAtItsDeadline(t *testing.T) {
	requests := make(chan *Request, 1)
	ended := make(chan error, 1)
	h := serve(t, Config{}, heartbeatAPI(func(ctx context.Context, r *Request) {
		requests <- r
		<-ctx.Done() // as a long poll does
		ended <- context.Cause(ctx)
		reply(r)
	}))
	c := h.dial()
	c.send(1, heartbeat("m"))
	<-requests
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Shutdown returned %v", err)
	}
	if err := <-ended; err == nil {
		t.Fatal("no cause")
	}
	// Whether the answer, which came as the connection was given up, is still written is chance.
	if _, err := io.Copy(io.Discard, c); errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("the connection stays open")
	}
}

func TestContextEndsWithTheConnection(t *testing.T) {
	causes := make(chan error, 1)
	served := make(chan struct{}, 1)
	h := serve(t, Config{}, heartbeatAPI(func(ctx context.Context, r *Request) {
		served <- struct{}{}
		go func() {
			<-ctx.Done()
			reply(r)
			causes <- context.Cause(ctx)
		}()
	}))
	c := h.dial()
	c.send(1, heartbeat("m"))
	<-served
	_ = c.Close()
	if err := <-causes; !errors.Is(err, ErrPeerClosed) {
		t.Fatalf("cause %v", err)
	}
}
