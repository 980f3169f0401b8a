package metadata

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/raftlog/transport"
	"github.com/inkwell-project/inkwell/topics"
)

// Open opens the node's logs and serves the clusters that it finds. A new cluster's first node returns when it leads __cluster_metadata, a joining one when it was let in.
func Open(ctx context.Context, cfg Config) (n *Node, err error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n = &Node{cfg: cfg, failed: make(chan error, 1), tenants: map[kafka.ClusterID]*tenant{}, changed: make(chan struct{}), transport: &lateTransport{}, status: ownStatus{turn: make(chan struct{}, 1)}}
	n.layout.Store(emptyView().layout())
	n.peers = newPeers(cfg.Clock, n.dialNode)
	n.rebuilds = newRebuilds(n)
	following, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	defer func(started *Node) { // `return nil, err` has n forget it
		if err != nil {
			_ = started.Close() // err says why the node does not start
		}
	}(n)
	if err := n.openQueue(); err != nil {
		return nil, err
	}
	if err := n.checkIdentity(); err != nil {
		return nil, err
	}
	if n.identity.Lost != "" {
		if err := n.comeBack(ctx); err != nil {
			return nil, err
		}
	}
	if n.identity.ClusterID == "" && n.identity.Joining {
		if err := n.join(ctx); err != nil {
			return nil, err
		}
	}
	if err := n.openLogs(ctx); err != nil {
		if err := n.replaceLost(ctx, err); err != nil {
			return nil, err
		}
	}
	if n.identity.ClusterID == "" {
		if err := n.makeCluster(ctx); err != nil {
			return nil, err
		}
	}
	if err := n.startTransport(); err != nil {
		return nil, err
	}
	n.rebuilds.start(following)
	n.following.Go(func() { n.followClusters(following) })
	n.following.Go(func() { n.clusters.Run(following) })
	n.following.Go(func() { (&mover{n: n, since: map[uint64]led{}}).run(following) })
	if cfg.Listener != nil {
		if err := n.serve(); err != nil {
			return nil, err
		}
	}
	n.following.Go(func() { n.announce(following) })
	return n, nil
}

// openLogs opens the logs and this node's replica of __cluster_metadata, which every node has.
func (n *Node) openLogs(ctx context.Context) (err error) {
	logs := raftlog.Config{
		NodeID: n.cfg.ID, FS: n.cfg.FS, Dir: n.cfg.Dir, Clock: n.cfg.Clock, Rand: n.cfg.NewRand(), Transport: n.transport, Logger: n.cfg.Logger, Registerer: n.cfg.Registerer,
	}
	if n.cfg.TuneLogs != nil {
		n.cfg.TuneLogs(&logs)
	}
	if n.logs, err = raftlog.Open(logs); err != nil {
		return err
	}
	group := raftlog.GroupConfig{ID: state.ClusterMetadataGroup, Name: topics.ClusterMetadata + "-0", Machine: state.Machine{MaxFeatureLevel: n.cfg.MaxFeatureLevel}, Topic: raftlog.TopicConfig{Compacted: true}}
	if n.identity.ClusterID == "" {
		group.Voters = []int32{n.cfg.ID} // a new cluster, or the folder of one node from before there were several
	}
	if n.clusterLog, err = n.logs.StartGroup(group); n.mayRebuildClusterMetadata(n.identity, err) {
		n.clusterLog, err = n.rebuildClusterMetadata(ctx, group, err)
	} else if raftlog.Rebuildable(err) && n.cfg.RaftListener != nil {
		err = fmt.Errorf("%w; to have it rebuilt start the node with --join and the address of another", err)
	}
	if err != nil {
		return err
	}
	n.clusters, err = clustercontroller.New(clustercontroller.Config{
		NodeID: n.cfg.ID, Log: n.clusterLog, Clock: n.cfg.Clock, NewUUID: n.cfg.NewUUID, NewCredential: authentication.NewCredential, Logger: n.cfg.Logger,
		MaxFeatureLevel: n.cfg.MaxFeatureLevel, Replicas: n.cfg.Replicas, MetadataReplicas: n.cfg.MetadataReplicas, Alive: n.alive,
	})
	return err
}

// makeCluster gives a new cluster its id. The folder is told last: a crash before that makes the same id again, which is in the log.
func (n *Node) makeCluster(ctx context.Context) (err error) {
	if err := awaitLeader(ctx, n.clusterLog); err != nil {
		return err
	}
	if err := n.clusters.InitFeatures(ctx); err != nil {
		return err
	}
	if n.identity.ClusterID, err = n.clusters.InitCluster(ctx); err != nil {
		return err
	}
	return n.identity.write(n.cfg.FS, n.cfg.Dir)
}

// lateTransport is there before the Metadata cluster's id is known, without which there is nobody to talk to.
type lateTransport struct {
	transport atomic.Pointer[transport.Transport]
}

func (t *lateTransport) started() bool { return t.transport.Load() != nil }

// Send implements raftlog.Transport.
func (t *lateTransport) Send(messages []raftlog.Message) {
	if to := t.transport.Load(); to != nil {
		to.Send(messages)
	}
}

// SendSnapshot implements raftlog.SnapshotTransport.
func (t *lateTransport) SendSnapshot(ctx context.Context, to int32, write func(io.Writer) error) error {
	carrier := t.transport.Load()
	if carrier == nil {
		return fmt.Errorf("there is no way to node %d yet", to)
	}
	return carrier.SendSnapshot(ctx, to, write)
}

func (t *lateTransport) setPeers(addresses map[int32]string) {
	if to := t.transport.Load(); to != nil {
		to.SetPeers(addresses)
	}
}

func (t *lateTransport) close() error {
	if to := t.transport.Load(); to != nil {
		return to.Close()
	}
	return nil
}

// startTransport begins to talk to the other nodes.
func (n *Node) startTransport() error {
	if n.cfg.RaftListener == nil || n.transport.started() {
		return nil
	}
	t, err := transport.New(transport.Config{
		ClusterID: n.identity.ClusterID, NodeID: n.cfg.ID, Secret: n.cfg.ClusterSecret, Listener: n.cfg.RaftListener, TLS: n.cfg.RaftTLS, DialTLS: n.cfg.RaftDialTLS,
		Dial:  n.cfg.dialRaft(),
		Clock: n.cfg.Clock, Rand: n.cfg.NewRand(), Logger: n.cfg.Logger, Registerer: n.cfg.Registerer,
	})
	if err != nil {
		return fmt.Errorf("--raft.listen: %w", err)
	}
	t.SetPeers(n.raftPeers(n.layout.Load()))
	t.Start(n.logs)
	n.transport.transport.Store(t)
	return nil
}
