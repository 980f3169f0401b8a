package api

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is Handlers among fakes that a test scripts.
type world struct {
	*Handlers
	t       testing.TB
	conn    *listener.Conn
	client  string // client.id
	image   *clusterimage.Image
	brokers []Broker
	log     bytes.Buffer

	fetch      func(ctx context.Context, req *FetchRequest) []FetchResult
	listOffset func(p Partition, timestamp int64) ListedOffset
	appended   []AppendBatch
	append     func(b AppendBatch) AppendResult
	forwarded  []*rpc.ForwardRequest
	forward    func(req *rpc.ForwardRequest) (kmsg.Response, error)
	deleted    []*rpc.DeleteRecordsRequest
	delete     func(p rpc.DeleteRecords) rpc.DeleteRecordsResult
	described  []*rpc.DescribePartitionsRequest
	describe   func(p kafka.TopicIDPartition) rpc.PartitionDescription
	mu         sync.Mutex // guards what the fakes record
}

func topicID(name string) (id kafka.TopicID) {
	copy(id[:], name+"................")
	return id
}

func newWorld(t testing.TB, settings Settings, records ...topics.MetadataRecord) *world {
	w := &world{t: t, conn: &listener.Conn{Listener: "PLAINTEXT", Principal: "User:ANONYMOUS"}, image: clusterimage.Empty()}
	w.brokers = []Broker{w.broker(7, "a")}
	w.put(records...)
	var ids int32
	w.Handlers = New(Config{
		ClusterUUID: "uuid", BrokerID: 7, GroupPartitions: 4, Settings: settings, Store: "file:///objects",
		Image: func() *clusterimage.Image { return w.image }, Brokers: func() []Broker { return w.brokers },
		Forwarder: w, Coordinator: w, Appender: w, Fetcher: w, ProducerIDs: &ProducerIDBlocks{},
		Clock: clock.System, SessionID: func() int32 { ids++; return ids }, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	return w
}

func (w *world) broker(id int32, rack string) Broker {
	return Broker{ID: id, Rack: rack, Listeners: []topics.BrokerListener{{Name: "PLAINTEXT", Host: "host" + string(rune('a'+id%26)), Port: 9092 + id}}}
}

// put applies records to the image.
func (w *world) put(records ...topics.MetadataRecord) {
	b := w.image.Edit()
	for _, r := range records {
		if err := b.Apply(b.Offset()+1, []byte(r.Key().String()), topics.AppendMetadata(nil, r)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.image = b.Build()
}

func topic(name string, partitions int) *topics.Topic {
	t := &topics.Topic{ID: topicID(name), Name: name}
	for p := range partitions {
		t.Coordinators = append(t.Coordinators, int32(p%3))
	}
	return t
}

// serve gives the request to its handler and returns what was answered.
func (w *world) serve(ctx context.Context, version int16, req kmsg.Request) listener.Response {
	w.t.Helper()
	req.SetVersion(version)
	sent := req.AppendTo(nil) // as from a client: what a version does not have is not there
	req = kmsg.RequestForKey(req.Key())
	req.SetVersion(version)
	if err := req.ReadFrom(sent); err != nil {
		w.t.Fatal(err)
	}
	answered := make(chan listener.Response, 2)
	r := listener.NewRequest(w.conn, req, func(resp listener.Response) { answered <- resp })
	r.ClientID = w.client
	for _, a := range w.APIs() {
		if a.Key != req.Key() {
			continue
		}
		if version < a.MinVersion || version > a.MaxVersion {
			w.t.Fatalf("%s version %d is not served", kmsg.NameForKey(a.Key), version)
		}
		a.Serve(ctx, r)
		if len(answered) > 1 {
			w.t.Fatalf("%s was answered twice", kmsg.NameForKey(a.Key))
		}
		return <-answered
	}
	w.t.Fatalf("%s is not served", kmsg.NameForKey(req.Key()))
	return listener.Response{}
}

// ask serves a request and decodes its answer from the bytes that would leave.
func ask[R kmsg.Response](w *world, version int16, req kmsg.Request) R {
	w.t.Helper()
	return decode[R](w, version, req, w.serve(w.t.Context(), version, req))
}

func decode[R kmsg.Response](w *world, version int16, req kmsg.Request, resp listener.Response) R {
	w.t.Helper()
	out := req.ResponseKind().(R)
	out.SetVersion(version)
	var b []byte
	if resp.Vector != nil {
		b = bytes.Join(resp.Vector, nil)
	} else {
		resp.Message.SetVersion(version)
		b = resp.Message.AppendTo(nil)
	}
	if err := out.ReadFrom(b); err != nil {
		w.t.Fatalf("the answer cannot be decoded: %v", err)
	}
	if resp.Release != nil {
		resp.Release()
	}
	return out
}

// Append implements Appender: the answers come from another goroutine, as the Batch Processor's do.
func (w *world) Append(_ context.Context, _ *slab.Buffer, batches []AppendBatch, _ time.Duration, done func([]AppendResult)) {
	w.appended = append(w.appended, batches...)
	results := make([]AppendResult, len(batches))
	for i, b := range batches {
		results[i] = AppendResult{BaseOffset: int64(100 + i), AppendTime: -1}
		if w.append != nil {
			results[i] = w.append(b)
		}
	}
	go done(results)
}

// Fetch implements Fetcher.
func (w *world) Fetch(ctx context.Context, req *FetchRequest) []FetchResult {
	if w.fetch == nil {
		return make([]FetchResult, len(req.Partitions))
	}
	return w.fetch(ctx, req)
}

// ListOffset implements Fetcher.
func (w *world) ListOffset(_ context.Context, p Partition, timestamp int64) ListedOffset {
	return w.listOffset(p, timestamp)
}

// Forward implements Forwarder.
func (w *world) Forward(_ context.Context, req *rpc.ForwardRequest, _ time.Duration) (*rpc.ForwardResponse, error) {
	w.mu.Lock()
	w.forwarded = append(w.forwarded, req)
	w.mu.Unlock()
	if w.forward == nil {
		return &rpc.ForwardResponse{Response: req.Request.ResponseKind(), MetadataOffset: -1}, nil
	}
	resp, err := w.forward(req)
	if err != nil {
		return nil, err
	}
	return &rpc.ForwardResponse{Response: resp, MetadataOffset: -1}, nil
}

// DeleteRecords implements Coordinator.
func (w *world) DeleteRecords(_ context.Context, req *rpc.DeleteRecordsRequest) (*rpc.DeleteRecordsResponse, error) {
	w.deleted = append(w.deleted, req)
	resp := &rpc.DeleteRecordsResponse{}
	for _, p := range req.Partitions {
		resp.Partitions = append(resp.Partitions, w.delete(p))
	}
	return resp, nil
}

// DescribePartitions implements Coordinator.
func (w *world) DescribePartitions(_ context.Context, req *rpc.DescribePartitionsRequest) (*rpc.DescribePartitionsResponse, error) {
	w.described = append(w.described, req)
	resp := &rpc.DescribePartitionsResponse{}
	for _, p := range req.Partitions {
		resp.Partitions = append(resp.Partitions, w.describe(p))
	}
	return resp, nil
}

// FindSegments implements Coordinator.
func (w *world) FindSegments(context.Context, *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	return nil, kerr.UnknownServerError
}

// wantCode compares an error code by name.
func wantCode(t testing.TB, what string, got int16, want *kerr.Error) {
	t.Helper()
	name := func(code int16) string {
		if err := kerr.TypedErrorForCode(code); err != nil {
			return err.Message
		}
		return "NONE"
	}
	code := int16(0)
	if want != nil {
		code = want.Code
	}
	if got != code {
		t.Errorf("%s: %s, want %s", what, name(got), name(code))
	}
}

// pipeConn is a connection with an address.
type pipeConn struct{ net.Conn }

func (pipeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 4711} }

func ptr[T any](v T) *T { return &v }

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
}
