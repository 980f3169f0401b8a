package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// matchOwnOffsets has a replica of the Metadata cluster's own __consumer_offsets where the layout says, on a node that Kafka clients can reach.
func (n *Node) matchOwnOffsets(l *layout) error {
	p := l.ownOffsets()
	if n.cfg.Listener == nil || len(p.Voters) == 0 {
		return nil
	}
	n.mu.RLock()
	log, groups := n.ownOffsets, n.ownGroups
	n.mu.RUnlock()
	elsewhere := absent{n, p.RaftGroup, p.Topic + "-0"}
	switch {
	case here(log) && n.halted(p) != nil:
		cause := n.halted(p)
		n.setOwnOffsets(elsewhere, nil)
		err := groups.Close()
		n.rebuilds.begin(offsetsKind.config(p), cause)
		return err
	case p.Holds(n.cfg.ID) && !here(log):
		started, err := n.startReplica(p, offsetsKind)
		if err != nil {
			return err
		}
		if started == nil {
			n.setOwnOffsets(elsewhere, nil)
			return nil
		}
		log = started
		if groups, err = n.newGroupCoordinator("__metadata_cluster", 0, log); err != nil {
			return err
		}
		n.setOwnOffsets(log, groups)
	case log == nil:
		n.setOwnOffsets(elsewhere, nil)
	case !here(log) && n.rebuilds.has(p.RaftGroup): // it is elsewhere now
		n.rebuilds.stop(p.RaftGroup)
		if !n.retired(p) {
			return nil
		}
		n.rebuilds.forget(p.RaftGroup)
		return n.removeReplica(p)
	case here(log) && !p.Holds(n.cfg.ID) && n.retired(p):
		n.setOwnOffsets(elsewhere, nil)
		return errors.Join(groups.Close(), n.removeReplica(p))
	}
	return nil
}

func (n *Node) setOwnOffsets(log raftlog.Log, groups *groupcoordinator.Coordinator) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ownOffsets, n.ownGroups = log, groups
}

// ownGroups coordinates the groups of the Metadata cluster's own consumers where this node leads them.
type ownGroups struct{ n *Node }

// Handle implements api.Groups.
func (g ownGroups) Handle(ctx context.Context, client rpc.Client, req kmsg.Request) (kmsg.Response, error) {
	g.n.mu.RLock()
	groups, log := g.n.ownGroups, g.n.ownOffsets
	g.n.mu.RUnlock()
	if list, ok := req.(*kmsg.ListGroupsRequest); ok && (groups == nil || !log.Leadership().IsLeader) {
		return list.ResponseKind(), nil // as in Kafka, each node lists those that it coordinates
	}
	if groups == nil {
		return nil, fmt.Errorf("%s is on other nodes: %w", "__consumer_offsets", kerr.NotCoordinator)
	}
	return groups.Handle(ctx, client, req)
}

// inSyncOf are the voters of a partition that follow their leader, in the order of the voters. Without word of the leader it is all of them.
func (n *Node) inSyncOf(p *topics.PartitionPlacement) []int32 {
	var inSync []int32
	if s, err := n.logs.Status(p.RaftGroup); err == nil && s.IsLeader {
		inSync = n.inSync(&s)
	} else if told, ok := n.peers.byLeader(p.RaftGroup); ok {
		inSync = told.InSync
	} else {
		return p.Voters
	}
	var out []int32
	for _, v := range p.Voters {
		if slices.Contains(inSync, v) {
			out = append(out, v)
		}
	}
	return out
}

// quorum describes __cluster_metadata for DescribeQuorum, as its leader sees it.
func (n *Node) quorum(ctx context.Context) (*rpc.DescribeGroupResponse, error) {
	req := &rpc.DescribeGroupRequest{Group: n.layout.Load().clusterMetadata().RaftGroup}
	l := n.clusterLog.Leadership()
	if l.IsLeader {
		return n.DescribeGroup(ctx, req)
	}
	p := n.peers.get(l.Leader)
	if p == nil {
		return nil, fmt.Errorf("the leader of %s is not known: %w", topics.ClusterMetadata, kerr.LeaderNotAvailable)
	}
	ctx, cancel := within(ctx, n.cfg.Clock, statusTimeout)
	defer cancel()
	return p.client.DescribeGroup(ctx, req)
}
