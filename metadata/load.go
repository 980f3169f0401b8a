package metadata

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// loadPoll is how often a node that has started looks how far its replica is.
const loadPoll = 20 * time.Millisecond

// load returns when this node serves everything that __cluster_metadata held when it was called. Until then a cluster or a password that it does not know may exist: it
// was away when they were made, or has not read them back yet.
func (n *Node) load(ctx context.Context) error {
	commit, err := n.committed(ctx)
	if err != nil {
		return err
	}
	for {
		s, err := n.logs.Status(state.ClusterMetadataGroup)
		if err == nil {
			err = s.Err
		}
		if err != nil {
			return err
		}
		// What was applied is in the topic, so the offset is read after the index.
		if s.Applied >= commit {
			break
		}
		if err := clock.Sleep(ctx, n.cfg.Clock, loadPoll); err != nil {
			return err
		}
	}
	_, end := n.clusterLog.Bounds()
	for n.adopted.Load() < end {
		if err := clock.Sleep(ctx, n.cfg.Clock, loadPoll); err != nil {
			return err
		}
	}
	n.loaded.Store(true)
	return nil
}

// committed is the index up to which the leader of __cluster_metadata knows its entries to be decided. A barrier or a registration comes first: who has been deposed
// gets through neither.
func (n *Node) committed(ctx context.Context) (commit uint64, err error) {
	ctx, cancel := within(ctx, n.cfg.Clock, joinAttempt)
	defer cancel()
	err = n.onController(func() error {
		return n.clusterLog.ReadBarrier(ctx) // it returns when they are applied here
	}, func(c *client.NodeClient) error {
		resp, err := c.DescribeGroup(ctx, &rpc.DescribeGroupRequest{Group: state.ClusterMetadataGroup})
		if err != nil {
			return err
		}
		if resp.Commit < 0 {
			return fmt.Errorf("the leader says that %d entries are decided: %w", resp.Commit, kerr.InvalidRequest)
		}
		commit = uint64(resp.Commit)
		return nil
	})
	return commit, err
}
