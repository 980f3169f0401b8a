package e2e

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clusterName is the one Inkless cluster of a test.
const clusterName = "e2e"

// cluster is both halves in this process.
type cluster struct {
	node   *metadata.Node
	broker *broker.Broker
	store  *faulty.Bucket // below the retries
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// change adjusts the configuration of a cluster before it starts.
type change func(*broker.Config, *metadata.Config)

// newCluster starts a cluster whose clients come through l.
func newCluster(t *testing.T, l net.Listener, changes ...change) *cluster {
	c := &cluster{dial: new(net.Dialer).DialContext}
	if p, ok := l.(*pipes); ok {
		c.dial = p.dial
	}
	seed := newSeed()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	nodeConfig := metadata.Config{ID: 1, FS: vfs.NewMem(), Dir: "metadata", NewRand: seed.rand, NewUUID: seed.uuid, Logger: logger}
	brokerConfig := broker.Config{ID: 1, Listener: l, Advertised: broker.HostPort{Host: "inkwell.test", Port: 9092}, LocalStore: true, NewRand: seed.rand, NewUUID: seed.uuid, Logger: logger}
	brokerConfig.API.AutoCreateTopics = true
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		brokerConfig.Advertised = broker.HostPort{Host: tcp.IP.String(), Port: int32(tcp.Port)}
	}
	for _, change := range changes {
		change(&brokerConfig, &nodeConfig)
	}
	var err error
	if c.node, err = metadata.Open(t.Context(), nodeConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, c.node.Close) })
	if err := c.node.EnsureCluster(t.Context(), clustercontroller.Spec{Name: clusterName, BatchCoordinators: 2, GroupCoordinators: 1}); err != nil {
		t.Fatal(err)
	}
	if brokerConfig.Metadata, err = c.node.Cluster(clusterName); err != nil {
		t.Fatal(err)
	}
	brokerConfig.Bucket, err = storageurl.Open(t.Context(), "memory:", storageurl.Options{Wrap: func(b objectstorage.Bucket) objectstorage.Bucket {
		c.store = faulty.New(b, faulty.Config{})
		return c.store
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, brokerConfig.Bucket.Close) })
	if c.broker, err = broker.New(t.Context(), brokerConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, c.broker.Close) })
	return c
}

func closeOrFail(t *testing.T, f func() error) {
	if err := f(); err != nil {
		t.Error(err)
	}
}

// client is a franz-go client of the cluster.
func (c *cluster) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.broker.Address().Host + ":" + portOf(c.broker)), kgo.Dialer(c.dial),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (c *cluster) admin(t *testing.T) *kadm.Client { return kadm.NewClient(c.client(t)) }

// objects are the keys in the store, apart from probes.
func (c *cluster) objects(t *testing.T) (keys []string) {
	after := ""
	for {
		page, err := c.store.List(context.Background(), "", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			if !strings.HasPrefix(o.Key, "probe/") {
				keys = append(keys, o.Key)
			}
			after = o.Key
		}
		if len(page) < 1000 {
			return keys
		}
	}
}

// seed hands out sources of randomness that repeat from run to run.
type seed struct{ n atomic.Uint64 }

func newSeed() *seed { return &seed{} }

func (s *seed) rand() *rand.Rand { return rand.New(rand.NewPCG(1, s.n.Add(1))) }

func (s *seed) uuid() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], 1)
	binary.BigEndian.PutUint64(id[8:], s.n.Add(1))
	return id
}
