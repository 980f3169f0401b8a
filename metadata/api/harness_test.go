package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	groupstate "github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a state machine whose commands, "key=value@time" or "key@time" for a tombstone, are its records.
type recorder struct{}

func (recorder) Apply(_ statestore.Tx, _ uint64, command []byte) (any, []raftlog.Record, error) {
	var r raftlog.Record
	text, at, _ := strings.Cut(string(command), "@")
	if at != "" {
		r.TimestampMillis, _ = strconv.ParseInt(at, 10, 64)
	}
	key, value, hasValue := strings.Cut(text, "=")
	r.Key = []byte(key)
	if hasValue {
		r.Value = []byte(value)
	}
	return nil, []raftlog.Record{r}, nil
}

// compacted hides records, as a key compaction removes them: the bounds stay.
type compacted struct {
	*raftlogtest.Log
	gone    map[int64]bool
	start   int64
	deposed bool // it believes that it leads, and cannot prove it
}

func (c *compacted) ReadBarrier(ctx context.Context) error {
	if c.deposed {
		return kerr.NotCoordinator
	}
	return c.Log.ReadBarrier(ctx)
}

func (c *compacted) Bounds() (int64, int64) {
	_, end := c.Log.Bounds()
	return c.start, end
}

func (c *compacted) Read(offset int64, maxBytes int) ([]raftlog.Record, error) {
	_, end := c.Log.Bounds()
	all, err := c.Log.Read(offset, 1<<30)
	if err != nil || offset > end {
		return nil, err
	}
	var kept []raftlog.Record
	for _, r := range all {
		if maxBytes -= len(r.Key) + len(r.Value); maxBytes < 0 && len(kept) > 0 {
			break
		}
		if !c.gone[r.Offset] {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// cluster is a one-node Metadata cluster with three topics.
type cluster struct {
	t        *testing.T
	handlers *api.Handlers
	address  string
	clusters *compacted // __cluster_metadata
	metadata *compacted // __metadata.c
	batches  [3]*raftlogtest.Log
	offsets  *raftlogtest.Log // __consumer_offsets
}

const admin = "User:admin"

// newCluster listens on a loopback socket.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newHandlers(t, int32(nl.Addr().(*net.TCPAddr).Port))
	c.address = nl.Addr().String()
	s, err := listener.New(listener.Config{Name: "METADATA", Listener: nl, APIs: c.handlers.APIs(), OutOfOrder: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c
}

// newHandlers is a cluster without a socket, which can live in a bubble of virtual time.
func newHandlers(t *testing.T, port int32) *cluster {
	c := &cluster{t: t, clusters: newCompacted(), metadata: newCompacted(), offsets: raftlogtest.New(groupstate.Machine{})}
	partition := func(l raftlog.Log) api.Partition { return api.Partition{Log: l, Voters: []int32{1}} }
	batches := api.Topic{Name: topics.BatchCoordinates("c"), Config: raftlog.TopicConfig{RetainBytes: 64 << 20, RetainMillis: 86400000}}
	for i := range c.batches {
		c.batches[i] = raftlogtest.New(recorder{})
		batches.Partitions = append(batches.Partitions, partition(c.batches[i]))
	}
	isCompacted := raftlog.TopicConfig{Compacted: true}
	set := api.NewTopics([]api.Topic{
		{Name: topics.ClusterMetadata, Config: isCompacted, Partitions: []api.Partition{partition(c.clusters)}},
		{Name: topics.Metadata("c"), Config: isCompacted, Partitions: []api.Partition{partition(c.metadata)}},
		batches,
		{Name: "__consumer_offsets", Config: isCompacted, Partitions: []api.Partition{partition(c.offsets)}},
	})
	uuids := 0
	groups := groupcoordinator.New(groupcoordinator.Config{Cluster: "metadata", Log: c.offsets, NewUUID: func() string { uuids++; return fmt.Sprint("uuid-", uuids) }})
	t.Cleanup(func() { groups.Close() })
	c.handlers = api.New(api.Config{
		ClusterID: "metadata-cluster", NodeID: 1, Groups: groups,
		Nodes:      func() []api.Node { return []api.Node{{ID: 1, Host: "127.0.0.1", Port: port}} },
		Topics:     func() *api.Topics { return set },
		Controller: func() int32 { return c.clusters.Leadership().Leader },
		IsAdmin:    func(p string) bool { return p == admin || p == listener.AnonymousPrincipal },
	})
	return c
}

func newCompacted() *compacted {
	return &compacted{Log: raftlogtest.New(recorder{}), gone: map[int64]bool{}}
}

func write(t *testing.T, l raftlog.Log, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if _, err := l.Propose(t.Context(), []byte(command)); err != nil {
			t.Fatal(err)
		}
	}
}

// ask gives a request to its handler as principal's.
func ask[A kmsg.Response](c *cluster, principal string, req kmsg.Request) A {
	c.t.Helper()
	var answer A
	answered := false
	for _, a := range c.handlers.APIs() {
		if a.Key == req.Key() {
			conn := &listener.Conn{Principal: principal}
			a.Serve(context.Background(), listener.NewRequest(conn, req, func(resp listener.Response) {
				answered = true
				if resp.Vector == nil {
					answer = resp.Message.(A)
					return
				}
				var b []byte
				for _, v := range resp.Vector {
					b = append(b, v...)
				}
				decoded := req.ResponseKind()
				if err := decoded.ReadFrom(b); err != nil {
					c.t.Fatal(err)
				}
				answer = decoded.(A)
			}))
		}
	}
	if !answered {
		c.t.Fatalf("%s was not answered", kmsg.NameForKey(req.Key()))
	}
	return answer
}

func (c *cluster) client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.address), kgo.FetchMaxWait(200 * time.Millisecond)}, opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return cl
}

// consume polls until it has n records, as "topic-partition offset key=value@time".
func (c *cluster) consume(cl *kgo.Client, n int) (lines []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for len(lines) < n {
		fetches := cl.PollFetches(ctx)
		for _, err := range fetches.Errors() {
			c.t.Fatalf("after %d records: %s-%d: %v", len(lines), err.Topic, err.Partition, err.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			value := "=" + string(r.Value)
			if r.Value == nil {
				value = ""
			}
			lines = append(lines, fmt.Sprintf("%s %d %s%s@%d", kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}, r.Offset, r.Key, value, r.Timestamp.UnixMilli()))
		})
	}
	return lines
}
