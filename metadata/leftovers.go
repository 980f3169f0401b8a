package metadata

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// removeLeftovers frees what a crash left of clusters that were deleted: it came between the end of their coordinators and the removal of their logs.
func (n *Node) removeLeftovers() error {
	ids, err := n.logs.Groups()
	if err != nil {
		return fmt.Errorf("listing the groups on disk: %w", err)
	}
	var removed []uint64
	if err := statestore.View(n.clusterLog, func(r statestore.Reader) { removed = state.RemovedGroups(r, ids) }); err != nil {
		return fmt.Errorf("reading %s: %w", topics.ClusterMetadata, err)
	}
	for _, id := range removed {
		if err := n.logs.RemoveGroup(id); err != nil {
			return fmt.Errorf("removing group %d of a deleted cluster: %w", id, err)
		}
	}
	if len(removed) > 0 {
		n.cfg.Logger.Info("removed what a crash had left of deleted clusters", "groups", removed)
	}
	return nil
}

// raiseFeatures is done once the node is registered. A node without a listener is all there is and nobody can administer it: it goes to the newest level by itself.
// Elsewhere that is for an administrator, for no older release can be started afterwards.
func (n *Node) raiseFeatures(ctx context.Context) error {
	f, err := n.clusters.DescribeFeatures(ctx)
	switch {
	case err != nil || f.Level >= f.Most:
		return err
	case n.cfg.Listener == nil:
		_, err = n.clusters.UpgradeFeatures(ctx, 0)
		return err
	}
	n.cfg.Logger.Warn("every node knows a newer feature level than the one in force; `inkwell metadata features upgrade` raises it", "feature", topics.MetadataFeature, "level", f.Level, "newest", f.Most)
	return nil
}
