package metadata

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	clusterstate "github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/fairqueue"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// clusterMetadataGroup is the Raft group of __cluster_metadata.
const clusterMetadataGroup = 1

// Node is one node of the Metadata Kafka Cluster.
type Node struct {
	cfg        Config
	logs       *raftlog.Node
	clusterLog raftlog.Log
	clusters   *clustercontroller.Controller
	cancel     context.CancelFunc
	following  sync.WaitGroup
	failed     chan error
	listener   *listener.Server
	queue      *fairqueue.Queue
	throttled  *prometheus.CounterVec
	ownOffsets raftlog.Log // groups of consumers of the Metadata cluster's own topics
	ownGroups  *groupcoordinator.Coordinator

	mu       sync.RWMutex // guards what follows
	tenants  map[kafka.ClusterID]*tenant
	changed  chan struct{} // closed and replaced when tenants change
	topicSet *api.Topics   // made anew when tenants change

	close    sync.Once
	closeErr error
}

// Open opens the node's logs and serves the clusters that it finds. It returns when the node leads, or knows who leads, __cluster_metadata.
func Open(ctx context.Context, cfg Config) (n *Node, err error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n = &Node{cfg: cfg, failed: make(chan error, 1), tenants: map[kafka.ClusterID]*tenant{}, changed: make(chan struct{})}
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
	if n.logs, err = raftlog.Open(raftlog.Config{
		NodeID: cfg.ID, FS: cfg.FS, Dir: cfg.Dir, Clock: cfg.Clock, Rand: cfg.NewRand(), Logger: cfg.Logger, Registerer: cfg.Registerer,
	}); err != nil {
		return nil, err
	}
	n.clusterLog, err = n.logs.StartGroup(raftlog.GroupConfig{
		ID: clusterMetadataGroup, Name: topics.ClusterMetadata + "-0", Machine: clusterstate.Machine{MaxFeatureLevel: cfg.MaxFeatureLevel}, Topic: raftlog.TopicConfig{Compacted: true}, Voters: []int32{cfg.ID},
	})
	if err != nil {
		return nil, err
	}
	if n.clusters, err = clustercontroller.New(clustercontroller.Config{
		NodeID: cfg.ID, Log: n.clusterLog, Clock: cfg.Clock, NewUUID: cfg.NewUUID, NewCredential: authentication.NewCredential, Logger: cfg.Logger, MaxFeatureLevel: cfg.MaxFeatureLevel,
	}); err != nil {
		return nil, err
	}
	if err := awaitLeader(ctx, n.clusterLog); err != nil {
		return nil, err
	}
	if err := n.clusters.InitFeatures(ctx); err != nil {
		return nil, err
	}
	n.following.Go(func() { n.followClusters(following) })
	if cfg.Listener != nil {
		err = n.serve()
	}
	return n, err
}

// awaitLeader returns when a group can be used through this node.
func awaitLeader(ctx context.Context, log raftlog.Log) error {
	for {
		changed := log.LeadershipChanged()
		if log.Leadership().IsLeader {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// EnsureCluster creates the cluster unless it exists and returns when this node serves it.
func (n *Node) EnsureCluster(ctx context.Context, spec clustercontroller.Spec) error {
	_, err := n.clusters.CreateCluster(ctx, spec)
	if err != nil && !errors.Is(err, kerr.DuplicateResource) {
		return err
	}
	for {
		n.mu.RLock()
		t, changed := n.tenants[spec.Name], n.changed
		n.mu.RUnlock()
		if t != nil {
			return t.awaitLeaders(ctx)
		}
		select {
		case <-changed:
		case err := <-n.failed:
			n.failed <- err
			return err
		case <-ctx.Done():
			return fmt.Errorf("waiting for cluster %s to start: %w", spec.Name, context.Cause(ctx))
		}
	}
}

// awaitLeaders returns when every partition of the tenant can be used through this node.
func (t *tenant) awaitLeaders(ctx context.Context) error {
	for _, logs := range [][]raftlog.Log{{t.metadataLog}, t.batchLogs, t.groupLogs} {
		for _, log := range logs {
			if err := awaitLeader(ctx, log); err != nil {
				return err
			}
		}
	}
	return nil
}

// Cluster is the calls of one Inkless cluster's brokers, in process.
func (n *Node) Cluster(name kafka.ClusterID) (rpc.MetadataCluster, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	t, ok := n.tenants[name]
	if !ok {
		return nil, fmt.Errorf("there is no cluster %s here: %w", name, kerr.ClusterAuthorizationFailed)
	}
	return admitted{t}, nil
}

// matchTenants starts clusters that are new and ends those that were deleted.
func (n *Node) matchTenants(v *clusterView) error {
	for name, c := range v.clusters {
		n.mu.RLock()
		t := n.tenants[name]
		n.mu.RUnlock()
		switch {
		case t == nil && c.State != topics.ClusterDeleted:
			placed, ok := v.placed(c)
			if !ok {
				continue // its last records have not arrived
			}
			started, err := n.startTenant(c, placed)
			if err != nil {
				return fmt.Errorf("starting cluster %s: %w", name, err)
			}
			n.setTenant(name, started)
			n.cfg.Logger.Info("serving an Inkless cluster", "cluster", name)
		case t != nil && c.State == topics.ClusterDeleted:
			n.setTenant(name, nil)
			if err := errors.Join(t.close(), t.removeLogs()); err != nil {
				return fmt.Errorf("ending cluster %s: %w", name, err)
			}
			n.cfg.Logger.Info("an Inkless cluster was deleted", "cluster", name)
		case t != nil:
			t.admission.update(c)
		}
	}
	return nil
}

func (n *Node) setTenant(name kafka.ClusterID, t *tenant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t == nil {
		delete(n.tenants, name)
	} else {
		n.tenants[name] = t
	}
	n.topicSet = n.listTopics()
	close(n.changed)
	n.changed = make(chan struct{})
}

// fail makes the process end with err.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default: // it fails already
	}
}

// Failed receives the error after which this node cannot go on.
func (n *Node) Failed() <-chan error {
	out := make(chan error, 1)
	go func() { // ends with the node, for Close sends to failed
		select {
		case err := <-n.failed:
			out <- err
		case err := <-n.logs.Failed():
			out <- err
		}
	}()
	return out
}

// Ready is nil while the node serves.
func (n *Node) Ready() error {
	if !n.clusterLog.Leadership().IsLeader {
		return errors.New("no leader of " + topics.ClusterMetadata)
	}
	return nil
}

// Close ends the coordinators, flushes the state and closes the logs.
func (n *Node) Close() error {
	n.close.Do(func() { n.closeErr = n.shutdown() })
	return n.closeErr
}

func (n *Node) shutdown() error {
	errs := []error{n.stopServing()}
	n.cancel()
	n.following.Wait()
	n.mu.Lock()
	tenants := n.tenants
	n.tenants = map[kafka.ClusterID]*tenant{}
	n.mu.Unlock()
	for _, t := range tenants {
		errs = append(errs, t.close())
	}
	if n.ownGroups != nil {
		errs = append(errs, n.ownGroups.Close())
	}
	if n.logs != nil {
		errs = append(errs, n.logs.Close())
	}
	errs = append(errs, n.closeQueue())
	n.fail(kafka.ErrClosed)
	return errors.Join(errs...)
}
