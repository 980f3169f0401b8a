package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// metadataNode is a node of the Metadata Kafka Cluster.
type metadataNode struct {
	*process
	id       int32
	disk     *disk
	raft     *raftFaults
	node     atomic.Pointer[metadata.Node] // of the running process
	joinOnce bool                          // only its first start is told where the others are
}

func (w *World) newMetadataNode(id int32) *metadataNode {
	host := fmt.Sprintf("node%d", id)
	n := &metadataNode{id: id, disk: newDisk(w.source.Rand(host + " disk")), raft: newRaftFaults(w, host)}
	n.process = w.newProcess(&process{host: host, run: n.open, cut: n.disk.cut, holdDisk: n.disk.pause, freeDisk: n.disk.resume})
	return n
}

func (n *metadataNode) address() string     { return n.host + ":9192" }
func (n *metadataNode) raftAddress() string { return n.host + ":9193" }

// others are where a node looks for the cluster. The first start of the first node makes it.
func (n *metadataNode) others(inc *incarnation) (addresses []string) {
	if n.id == 1 && inc.number == 1 || n.joinOnce && inc.number > 1 {
		return nil
	}
	for _, o := range n.w.nodes {
		if o != n {
			addresses = append(addresses, o.address())
		}
	}
	return addresses
}

func (n *metadataNode) open(ctx context.Context, inc *incarnation) (func() error, <-chan error, error) {
	source := Source{n.w.source.Rand(inc.name()).Uint64()}
	cfg := metadata.Config{
		ID: n.id, FS: n.disk.fs(), Dir: dataDir, Listener: inc.listen(n.address()), Advertised: n.address(),
		Clock: inc.clock, NewRand: source.Rands("rand"), NewUUID: source.UUIDs("uuid"), Logger: inc.logger(),
	}
	if n.w.plan.MetadataNodes > 1 {
		cfg.RaftListener, cfg.RaftAdvertised, cfg.Dial = inc.listen(n.raftAddress()), n.raftAddress(), n.w.net.Dialer(n.host, inc.alive)
		cfg.Join, cfg.ClusterSecret = n.others(inc), []byte("a secret of the simulation")
	}
	cfg.Limits.RetentionCheckInterval = n.w.plan.RetentionCheck
	cfg.Limits.ObjectDeleteDelay = n.w.plan.ObjectDeleteDelay
	cfg.Limits.WorkLease = n.w.plan.WorkLease
	if n.w.plan.MergeObjects > 0 {
		cfg.Work = batchcoordinator.WorkConfig{
			MergeObjects: n.w.plan.MergeObjects, MergeAge: n.w.plan.MergeAge, MergeBytes: n.w.plan.MergeBytes, PartitionBytes: n.w.plan.MergeBytes, PartitionCoordinates: n.w.plan.MergeObjects,
			FinalBytes: 4 * n.w.plan.MergeBytes, ObjectBytes: 16 * n.w.plan.MergeBytes, MaxBackoff: 5 * time.Second, ParkedRetry: 20 * time.Second, CheckInterval: 2 * time.Second,
			SweepDelays: []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second},
		}
	}
	cfg.Groups.InitialRebalanceDelay = 100 * time.Millisecond
	cfg.TuneLogs = func(c *raftlog.Config) {
		c.CompactEntries, c.KeepEntries, c.HashCheckEntries, c.HashCheckInterval = n.w.plan.CompactEntries, n.w.plan.KeepEntries, n.w.plan.HashEntries, 5*time.Second
		c.SegmentBytes = n.w.plan.SegmentBytes
		c.Transport = &faultyMessages{c.Transport, n.raft, inc}
	}
	node, err := metadata.Open(ctx, cfg)
	if err != nil {
		if cfg.RaftListener != nil {
			err = errors.Join(err, cfg.RaftListener.Close())
		}
		return nil, nil, errors.Join(err, cfg.Listener.Close())
	}
	inc.watch(node)
	if inc.alive() { // else the next one may be there before this one ends
		n.node.Store(node)
	}
	closeIt := func() error {
		n.node.CompareAndSwap(node, nil)
		return node.Close()
	}
	return closeIt, node.Failed(), nil
}

// brokerServer is a broker of one Inkless cluster.
type brokerServer struct {
	*process
	id      int32
	cluster *cluster
	store   storeWay
}

// cluster is one Inkless cluster of a run.
type cluster struct {
	name     kafka.ClusterID
	password string
	memory   *recorder
	store    *faulty.Bucket // around memory
	brokers  []*brokerServer
	topic    string
	count    int32 // partitions
}

func (w *World) newBroker(c *cluster, id int32) *brokerServer {
	b := &brokerServer{id: id, cluster: c}
	b.process = w.newProcess(&process{host: fmt.Sprintf("%s-broker%d", c.name, id), run: b.open})
	return b
}

func (b *brokerServer) address() string { return b.host + ":9092" }

func (b *brokerServer) open(ctx context.Context, inc *incarnation) (func() error, <-chan error, error) {
	source := Source{b.w.source.Rand(inc.name()).Uint64()}
	uuid := source.UUIDs("uuid")
	nonce := source.UUIDs("nonce")
	remote := client.New(client.Config{
		Addresses: b.w.metadataAddresses(), Cluster: b.cluster.name, Password: b.cluster.password, Dial: b.w.net.Dialer(b.host, inc.alive),
		Nonce: func() string { id := nonce(); return hex.EncodeToString(id[:]) }, ClientID: b.host, Clock: inc.clock, Logger: inc.logger(),
	})
	bucket, err := storageurl.Open(ctx, "memory:", storageurl.Options{
		Retry: objectstorage.RetryConfig{Clock: inc.clock, Rand: source.Floats("retry"), Logger: inc.logger()},
		Wrap:  func(objectstorage.Bucket) objectstorage.Bucket { return &storeView{b.cluster.store, inc, &b.store} },
	})
	if err != nil {
		return nil, nil, errors.Join(err, remote.Close())
	}
	cfg := broker.Config{
		ID: b.id, Version: "sim", Listener: inc.listen(b.address()), Advertised: broker.HostPort{Host: b.host, Port: 9092},
		Metadata: remote, Bucket: bucket, LocalStore: b.w.plan.LocalStore, Clock: inc.clock, NewRand: source.Rands("rand"), NewUUID: uuid, Logger: inc.logger(),
	}
	cfg.Cache.CacheBytes = 8 << 20
	cfg.Batches.MaxObjectBytes = b.w.plan.MaxObjectBytes
	br, err := broker.New(ctx, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, cfg.Listener.Close(), remote.Close(), bucket.Close())
	}
	closeIt := func() error {
		// A process that was killed does not drain: its way to the Metadata cluster is gone.
		if !inc.alive() {
			return errors.Join(remote.Close(), br.Close(), bucket.Close())
		}
		return errors.Join(br.Close(), remote.Close(), bucket.Close())
	}
	return closeIt, nil, nil
}
