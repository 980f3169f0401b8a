package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// __cluster_metadata is what a node goes by, so a node cannot run beside its rebuild: it ends, and its next start rebuilds the replica before anything else.

// condemnClusterMetadata has the next start rebuild the replica, if it halted for its state and others can have one. err is why this node cannot go on.
func (n *Node) condemnClusterMetadata(err error) error {
	n.rebuilds.look()
	why := n.rebuilds.halted[state.ClusterMetadataGroup]
	if !raftlog.Rebuildable(why) {
		return err
	}
	id, writeErr := n.rememberPeers(n.layout.Load())
	if writeErr != nil {
		return errors.Join(err, writeErr)
	}
	if !n.mayRebuildClusterMetadata(id, why) {
		return err
	}
	if condemnErr := n.logs.Condemn(state.ClusterMetadataGroup, why); condemnErr != nil {
		return errors.Join(err, condemnErr)
	}
	return fmt.Errorf("%w; start the node again: it then rebuilds this replica from the other nodes", err)
}

// mayRebuildClusterMetadata says whether err, of StartGroup, is about a state that other nodes can have.
func (n *Node) mayRebuildClusterMetadata(id identity, err error) bool {
	return raftlog.Rebuildable(err) && id.ClusterID != "" && n.cfg.RaftListener != nil && len(n.knownListeners(id)) > 0
}

// knownListeners are where other nodes may be, as the folder and the settings say.
func (n *Node) knownListeners(id identity) (addresses []string) {
	addresses = append(addresses, n.cfg.Join...)
	for _, p := range id.Peers {
		if p.ID != n.cfg.ID && p.Address != "" {
			addresses = append(addresses, p.Address)
		}
	}
	return addresses
}

// rebuildClusterMetadata tries until the replica runs, this node is refused, or ctx ends. That the controller lets this node in says that a majority stands behind it.
func (n *Node) rebuildClusterMetadata(ctx context.Context, group raftlog.GroupConfig, cause error) (raftlog.Log, error) {
	n.cfg.Logger.Error("this node's replica is no good and is rebuilt from the other nodes, before anything else", "name", group.Name, "error", cause)
	if err := n.startTransport(); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		log, err := n.rebuildOnce(ctx, group)
		switch {
		case err == nil:
			return log, nil
		case refused(err):
			return nil, fmt.Errorf("%w; it cannot be rebuilt: %w", cause, withHint(err))
		case attempt%joinLogEvery == 0:
			n.cfg.Logger.Warn("waiting for the nodes that can rebuild this one's replica of "+topics.ClusterMetadata, "addresses", n.knownListeners(n.identity), "error", err)
		}
		if err := clock.Sleep(ctx, n.cfg.Clock, joinRetry); err != nil {
			return nil, fmt.Errorf("%w; it was not rebuilt: %w", cause, err)
		}
	}
}

func (n *Node) rebuildOnce(ctx context.Context, group raftlog.GroupConfig) (raftlog.Log, error) {
	resp, err := n.registerAt(ctx, n.knownListeners(n.identity))
	if err != nil {
		return nil, err
	}
	n.learn(resp.Nodes)
	var from []int32
	for _, p := range resp.Nodes {
		if p.ID != n.cfg.ID {
			from = append(from, p.ID)
		}
	}
	ctx, cancel := within(ctx, n.cfg.Clock, rebuildTimeout)
	defer cancel()
	return n.logs.Rebuild(ctx, group, from)
}
