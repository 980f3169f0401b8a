package metadata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/metadata/fairqueue"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Node is one node of the Metadata Kafka Cluster.
type Node struct {
	cfg        Config
	identity   identity
	logs       *raftlog.Node
	transport  *lateTransport
	clusterLog raftlog.Log
	clusters   *clustercontroller.Controller
	peers      *peers
	rebuilds   *rebuilds
	layout     atomic.Pointer[layout] // as this node's replica of __cluster_metadata shows it
	status     ownStatus
	adopted    atomic.Int64 // up to which offset of __cluster_metadata this node serves what it says
	loaded     atomic.Bool  // since this node started it has served everything that was decided before it did
	stopping   atomic.Bool
	cancel     context.CancelFunc
	following  sync.WaitGroup
	failed     chan error
	listener   *listener.Server
	queue      *fairqueue.Queue
	throttled  *prometheus.CounterVec

	raftPeersMu sync.Mutex     // guards joined, and orders what the transport is told
	joined      []rpc.PeerNode // the nodes that the one where this one registered knew

	remembered string // of the goroutine that follows __cluster_metadata: the peers that the folder names

	mu         sync.RWMutex // guards what follows
	tenants    map[kafka.ClusterID]*tenant
	changed    chan struct{} // closed and replaced when tenants or the layout change
	topicSet   *api.Topics   // made anew when tenants change
	ownOffsets raftlog.Log   // groups of consumers of the Metadata cluster's own topics
	ownGroups  *groupcoordinator.Coordinator

	close    sync.Once
	closeErr error
}

// tenant is a cluster as it is shown now, or nil.
func (n *Node) tenant(name kafka.ClusterID) *tenant {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.tenants[name]
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

// EnsureCluster creates the cluster unless it exists and returns when this node leads it. It is for a Metadata cluster of one node.
func (n *Node) EnsureCluster(ctx context.Context, spec clustercontroller.Spec) error {
	for created := false; !created; {
		// After a restart this node leads only when it has applied its log.
		if err := awaitLeader(ctx, n.clusterLog); err != nil {
			return err
		}
		switch _, err := n.clusters.CreateCluster(ctx, spec); {
		case err == nil, errors.Is(err, kerr.DuplicateResource):
			created = true
		case !errors.Is(err, kerr.NotCoordinator): // else it led, and does not any more
			return err
		}
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
	t := n.tenant(name)
	if t == nil {
		return nil, fmt.Errorf("there is no cluster %s here: %w", name, kerr.ClusterAuthorizationFailed)
	}
	return admitted{t}, nil
}

// matchTenants brings what this node serves to what the layout says.
func (n *Node) matchTenants(l *layout) error {
	for name, c := range l.clusters {
		t := n.tenant(name)
		if c.State == topics.ClusterDeleted {
			if t == nil {
				continue
			}
			n.setTenant(name, nil)
			for _, id := range t.groupIDs {
				n.rebuilds.stop(id)
				n.rebuilds.forget(id)
			}
			if err := errors.Join(t.close(), t.removeLogs()); err != nil {
				return fmt.Errorf("ending cluster %s: %w", name, err)
			}
			n.cfg.Logger.Info("an Inkless cluster was deleted", "cluster", name)
			continue
		}
		placed, ok := l.placed(c)
		if !ok {
			continue // its last records have not arrived
		}
		if t == nil {
			t = n.newTenant(c)
		} else if t.admission.record.Load() != c {
			t.admission.update(c)
		}
		next, retire, err := n.matchReplicas(t, placed)
		if err != nil {
			return fmt.Errorf("starting cluster %s: %w", name, err)
		}
		if next == t {
			continue
		}
		if n.setTenant(name, next) {
			n.cfg.Logger.Info("serving an Inkless cluster", "cluster", name, "replicas", len(next.groupIDs))
		}
		for _, end := range retire {
			if err := end(); err != nil {
				return fmt.Errorf("ending a replica of cluster %s: %w", name, err)
			}
		}
	}
	return nil
}

// setTenant shows a tenant, and says whether it is a new one.
func (n *Node) setTenant(name kafka.ClusterID, t *tenant) (added bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t == nil {
		delete(n.tenants, name)
		return false
	}
	added = n.tenants[name] == nil
	n.tenants[name] = t
	return added
}

// show tells those who wait that tenants or the layout changed.
func (n *Node) show() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.topicSet = n.listTopics()
	close(n.changed)
	n.changed = make(chan struct{})
}

// layoutChanged is closed at the next change.
func (n *Node) layoutChanged() <-chan struct{} {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.changed
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

// StateHashes are the hashes of the states of all partitions that have a replica here. They are for tests: every one of them is read as a whole.
func (n *Node) StateHashes() ([]raftlog.StateHash, error) { return n.logs.Hashes() }

// Ready is nil while the node can reach the controller and the groups that it holds have leaders.
func (n *Node) Ready() error {
	l := n.clusterLog.Leadership()
	if l.Leader < 0 {
		return errors.New("no leader of " + topics.ClusterMetadata)
	}
	if !n.alive(l.Leader) {
		return fmt.Errorf("node %d, which leads %s, does not answer this one", l.Leader, topics.ClusterMetadata)
	}
	if own := n.layout.Load().nodes[n.cfg.ID]; own == nil || !n.isOwn(own) {
		return errors.New("this node is not registered yet")
	}
	if name := n.rebuilds.any(); name != "" {
		return fmt.Errorf("%s is being rebuilt from the other nodes", name)
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	for name, t := range n.tenants {
		for _, logs := range [][]raftlog.Log{{t.metadataLog}, t.batchLogs, t.groupLogs} {
			for p, log := range logs {
				if here(log) && log.Leadership().Leader < 0 {
					return fmt.Errorf("partition %d of a topic of cluster %s has no leader", p, name)
				}
			}
		}
	}
	return nil
}

// Close hands the leaders over, ends the coordinators, flushes the state and closes the logs.
func (n *Node) Close() error {
	n.close.Do(func() { n.closeErr = n.shutdown() })
	return n.closeErr
}

func (n *Node) shutdown() error {
	n.stopping.Store(true)
	n.handOverAll()
	errs := []error{n.stopServing()}
	n.cancel()
	n.following.Wait()
	if n.peers != nil {
		n.peers.close()
	}
	n.mu.Lock()
	tenants, groups := n.tenants, n.ownGroups
	n.tenants = map[kafka.ClusterID]*tenant{}
	n.mu.Unlock()
	for _, t := range tenants {
		errs = append(errs, t.close())
	}
	if groups != nil {
		errs = append(errs, groups.Close())
	}
	// The transport goes first: what arrives would not be answered.
	if n.transport != nil {
		errs = append(errs, n.transport.close())
	}
	if n.logs != nil {
		errs = append(errs, n.logs.Close())
	}
	errs = append(errs, n.closeQueue())
	n.fail(kafka.ErrClosed)
	return errors.Join(errs...)
}

// handOverAll moves leaders to other nodes before this one goes, so that brokers wait for no election.
func (n *Node) handOverAll() {
	if n.logs == nil || n.transport == nil || !n.transport.started() {
		return
	}
	ctx, cancel := within(context.Background(), n.cfg.Clock, drainTime)
	defer cancel()
	if err := n.logs.TransferAll(ctx); err != nil {
		n.cfg.Logger.Info("some leaders were not handed over; the other nodes elect new ones", "error", err)
	}
}
