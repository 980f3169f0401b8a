package metadata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// A node whose Raft log is damaged has forgotten what it voted and acknowledged. In a group that still has it as a member it could vote twice, or be counted for an entry that nobody has. So it
// starts no group: it says that it lost its log, and its replicas move to the other nodes as those of a dead node would. When no group has it as a member any more, and each has agreed on that
// without it, it comes back under its id with an empty folder, as a node that joins. The folder's id tells the two lives apart: what is known of the first is never believed of the second.

// damagedDir, in the data folder, keeps what is no good: the newest such set.
const damagedDir = "damaged"

// logParts are the parts of the data folder that a node without a log has to begin anew.
var logParts = []string{"log", "state"}

// replaceLost makes good that the logs cannot be opened because of cause, if the other nodes can, and opens new ones.
func (n *Node) replaceLost(ctx context.Context, cause error) error {
	if !raftlog.Lost(cause) || n.identity.ClusterID == "" || n.cfg.RaftListener == nil {
		return cause
	}
	if len(n.knownListeners(n.identity)) == 0 {
		return fmt.Errorf("%w; to have this node rebuilt by others start it with --join and the address of one", cause)
	}
	if n.logs != nil {
		if err := n.logs.Close(); err != nil {
			n.cfg.Logger.Warn("a Raft log that was lost could not be closed in order", "error", err)
		}
		n.logs, n.clusterLog = nil, nil
	}
	id := n.identity
	id.Lost, id.DirectoryID, id.Joining = id.DirectoryID, n.uuidText(), true
	if err := id.write(n.cfg.FS, n.cfg.Dir); err != nil {
		return errors.Join(cause, err)
	}
	n.identity = id
	n.cfg.Logger.Error("this node's Raft log is lost: the node is rebuilt from the other nodes, and what is damaged is kept aside", "path", n.cfg.FS.PathJoin(n.cfg.Dir, damagedDir), "error", cause)
	if err := n.comeBack(ctx); err != nil {
		return fmt.Errorf("%w; it was not rebuilt: %w", cause, err)
	}
	return n.openLogs(ctx)
}

// comeBack returns when no other node counts on anything that this one's log held. A crash in between begins it again.
func (n *Node) comeBack(ctx context.Context) error {
	lock, err := n.cfg.FS.Lock(n.cfg.FS.PathJoin(n.cfg.Dir, "LOCK"))
	if err != nil {
		return fmt.Errorf("the data folder %s is in use by another process (%w): stop that one, or choose another folder with --data", n.cfg.Dir, err)
	}
	peers, err := n.awaitReturn(ctx)
	if err := errors.Join(err, lock.Close()); err != nil {
		return err
	}
	id := n.identity
	id.Lost, id.Peers = "", peers
	if err := id.write(n.cfg.FS, n.cfg.Dir); err != nil {
		return err
	}
	n.identity = id
	n.learn(peers)
	n.cfg.Logger.Info("this node, whose Raft log was lost, is back with an empty one", "node", n.cfg.ID)
	return nil
}

func (n *Node) awaitReturn(ctx context.Context) ([]rpc.PeerNode, error) {
	if err := n.setAside(); err != nil {
		return nil, fmt.Errorf("setting aside what is damaged: %w", err)
	}
	for attempt := 0; ; attempt++ {
		resp, err := n.registerAt(ctx, n.knownListeners(n.identity))
		switch {
		case err == nil && resp.Waiting == "":
			return resp.Nodes, nil
		case refused(err):
			return nil, fmt.Errorf("this node lost its Raft log and may not come back: %w", withHint(err))
		case err == nil:
			n.identity.Peers = resp.Nodes
			err = errors.New(resp.Waiting)
		}
		if n.cfg.Waiting != nil {
			n.cfg.Waiting(fmt.Errorf("this node lost its Raft log and waits until it may come back: %w", err))
		}
		if attempt%joinLogEvery == 0 {
			n.cfg.Logger.Warn("this node lost its Raft log and waits until it may come back", "error", err)
		}
		if err := clock.Sleep(ctx, n.cfg.Clock, joinRetry); err != nil {
			return nil, fmt.Errorf("waiting until this node, whose Raft log is lost, may come back: %w", err)
		}
	}
}

// setAside moves what there is of a lost log to damagedDir, in place of what was kept there. After a crash it goes on: what was moved is not there any more.
func (n *Node) setAside() error {
	disk, kept := n.cfg.FS, n.cfg.FS.PathJoin(n.cfg.Dir, damagedDir)
	for _, part := range logParts {
		path := disk.PathJoin(n.cfg.Dir, part)
		if _, err := disk.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := disk.MkdirAll(kept, 0o755); err != nil {
			return err
		}
		to := disk.PathJoin(kept, part)
		if err := disk.RemoveAll(to); err != nil {
			return err
		}
		if err := disk.Rename(path, to); err != nil {
			return err
		}
	}
	for _, dir := range []string{kept, n.cfg.Dir} { // nothing of it is there again after a crash
		folder, err := disk.OpenDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // nothing was set aside: it was gone
		}
		if err != nil {
			return err
		}
		if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
			return err
		}
	}
	return nil
}

// registerLost lets a node come back that lost its log, or says why it has to wait. It runs on the controller.
func (n *Node) registerLost(ctx context.Context, req *rpc.RegisterNodeRequest, node topics.Node) (*rpc.RegisterNodeResponse, error) {
	waiting, err := n.letBack(ctx, req.LostDirectoryID, node)
	if err != nil {
		return nil, err
	}
	resp, err := n.registered(ctx)
	if err == nil {
		resp.Waiting = waiting
	}
	return resp, err
}

func (n *Node) letBack(ctx context.Context, lost string, node topics.Node) (waiting string, err error) {
	if n.alive(node.ID) {
		return fmt.Sprintf("a node %d was heard of a moment ago: if that is another process, it has this one's --node.id", node.ID), nil
	}
	l, err := n.clusters.Layout(ctx)
	if err != nil {
		return "", err
	}
	before := node
	before.DirectoryID = lost
	if slices.ContainsFunc(l.Nodes, func(m *topics.Node) bool { return m.ID == node.ID && m.DirectoryID == lost && !m.Lost() }) {
		if err := n.clusters.RegisterNode(ctx, before); err != nil { // which release it is now may be what the feature level waits for
			return "", err
		}
	}
	if err := n.clusters.LoseNode(ctx, node.ID, lost, node.DirectoryID); err != nil {
		return "", err
	}
	if l, err = n.clusters.Layout(ctx); err != nil {
		return "", err
	}
	if isLost(l, node.ID) { // else it is back, and asks again because it died before it knew
		if waiting, err := n.counted(node.ID); err != nil || waiting != "" {
			return waiting, err
		}
	}
	if err := n.clusters.RegisterNode(ctx, node); errors.Is(err, kerr.ReassignmentInProgress) {
		return err.Error(), nil
	} else if err != nil {
		return "", err
	}
	return "", nil
}

func isLost(l clustercontroller.Layout, id int32) bool {
	return slices.ContainsFunc(l.Nodes, func(m *topics.Node) bool { return m.ID == id && m.Lost() })
}

// counted says why __cluster_metadata, which every node follows and no placement tells that of, still counts on a node.
func (n *Node) counted(id int32) (why string, err error) {
	s, err := n.logs.Status(state.ClusterMetadataGroup)
	switch {
	case err != nil:
		return "", err
	case !s.IsLeader:
		return "", fmt.Errorf("node %d does not lead %s any more: %w", n.cfg.ID, topics.ClusterMetadata, kerr.NotCoordinator)
	case slices.Contains(s.Voters, id) || slices.Contains(s.Learners, id):
		return fmt.Sprintf("node %d is still a member of %s", id, topics.ClusterMetadata), nil
	case !s.Sealed:
		return fmt.Sprintf("the members of %s were changed just now", topics.ClusterMetadata), nil
	}
	return "", nil
}

// isOwn says whether a node's record is that of this node in the life that its folder is of. A node that joined, or came back, had one before anything was placed on it; the one that made the
// cluster is placed first.
func (n *Node) isOwn(own *topics.Node) bool {
	if own == nil {
		return !n.identity.Joining
	}
	return !own.Lost() && (own.DirectoryID == "" || own.DirectoryID == n.identity.DirectoryID)
}

// rememberPeers keeps in the folder where the other nodes are, as far as l shows any, and returns what the folder says then. Nothing else tells a start that finds the log or its replica of
// __cluster_metadata damaged, and was given no --join. It runs where __cluster_metadata is followed.
func (n *Node) rememberPeers(l *layout) (identity, error) {
	id := n.identity // a copy: others read it
	var peers []rpc.PeerNode
	for _, m := range l.members() {
		if m.ID != n.cfg.ID && addressOf(m) != "" {
			peers = append(peers, peerNode(m))
		}
	}
	if len(peers) == 0 || n.cfg.RaftListener == nil || id.ClusterID == "" {
		return id, nil
	}
	id.Peers = peers
	text := formatPeers(peers)
	if text == n.remembered {
		return id, nil
	}
	if err := id.write(n.cfg.FS, n.cfg.Dir); err != nil {
		return id, err
	}
	n.remembered = text
	return id, nil
}
