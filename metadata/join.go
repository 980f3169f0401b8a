package metadata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// nodeUser is whom nodes log in as at one another; no Inkless cluster may have such a name.
	nodeUser     = "__node"
	joinRetry    = 500 * time.Millisecond
	joinAttempt  = 5 * time.Second // for one node
	joinLogEvery = 10              // attempts
)

// nodePassword follows from the shared secret, which itself is only used between the Raft ports.
func nodePassword(secret []byte) string {
	if len(secret) == 0 {
		return ""
	}
	sum := sha256.Sum256(append([]byte("inkwell metadata node login\x00"), secret...))
	return hex.EncodeToString(sum[:])
}

// dialNode makes a client of another node's listener.
func (n *Node) dialNode(address string) *client.NodeClient {
	cfg := client.Config{
		Addresses: []string{address}, Dial: n.cfg.dialListener(), ClientID: "inkwell-node-" + strconv.Itoa(int(n.cfg.ID)), Clock: n.cfg.Clock, Logger: n.cfg.Logger,
		Nonce: func() string { return n.uuidText() + n.uuidText() },
	}
	if len(n.cfg.ClusterSecret) > 0 {
		cfg.Cluster, cfg.Password = nodeUser, nodePassword(n.cfg.ClusterSecret)
	}
	return client.NewNode(cfg)
}

// refused is an answer that asking again does not change.
func refused(err error) bool {
	return errors.Is(err, kerr.InconsistentClusterID) || errors.Is(err, kerr.DuplicateBrokerRegistration) || errors.Is(err, kerr.InvalidRegistration) ||
		errors.Is(err, kerr.ClusterAuthorizationFailed) || errors.Is(err, kerr.SaslAuthenticationFailed)
}

// withHint says what to look at where the other node only says no.
func withHint(err error) error {
	if errors.Is(err, kerr.SaslAuthenticationFailed) {
		return fmt.Errorf("--cluster.secret.file holds another secret than that of the nodes behind --join, or none: %w", err)
	}
	return err
}

// registrationRequest says who and where this node is.
func (n *Node) registrationRequest() (*rpc.RegisterNodeRequest, error) {
	req := &rpc.RegisterNodeRequest{
		ClusterID: n.identity.ClusterID, Node: rpc.PeerNode{ID: n.cfg.ID, RaftAddress: n.cfg.RaftAdvertised}, DirectoryID: n.identity.DirectoryID,
		Version: n.cfg.Version, Rack: n.cfg.Rack, FeatureLevel: n.cfg.MaxFeatureLevel, LostDirectoryID: n.identity.Lost,
	}
	if n.cfg.Listener != nil {
		self, err := n.self()
		if err != nil {
			return nil, err
		}
		req.Node.Address = net.JoinHostPort(self.Host, strconv.Itoa(int(self.Port)))
	}
	return req, nil
}

// join asks the nodes of --join to let this one in, until one does or refuses.
func (n *Node) join(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		resp, err := n.registerAt(ctx, n.cfg.Join)
		if err == nil {
			n.identity.ClusterID, n.identity.Peers = resp.ClusterID, resp.Nodes
			n.learn(resp.Nodes)
			n.cfg.Logger.Info("joined a Metadata cluster", "cluster_id", resp.ClusterID, "node", n.cfg.ID)
			return n.identity.write(n.cfg.FS, n.cfg.Dir)
		}
		if refused(err) {
			return fmt.Errorf("this node may not join: %w", withHint(err))
		}
		if attempt%joinLogEvery == 0 {
			n.cfg.Logger.Warn("waiting for a node that lets this one join", "join", n.cfg.Join, "error", err)
		}
		if err := clock.Sleep(ctx, n.cfg.Clock, joinRetry); err != nil {
			return fmt.Errorf("joining through %v: %w", n.cfg.Join, err)
		}
	}
}

// registerAt finds the controller through any of addresses and registers there.
func (n *Node) registerAt(ctx context.Context, addresses []string) (*rpc.RegisterNodeResponse, error) {
	var errs []error
	for _, address := range addresses {
		controller, err := n.controllerBehind(ctx, address)
		if err == nil {
			var resp *rpc.RegisterNodeResponse
			if resp, err = n.registerWith(ctx, controller); err == nil {
				return resp, nil
			}
		}
		if refused(err) {
			if errors.Is(err, kerr.InconsistentClusterID) && slices.Contains(n.cfg.Join, address) {
				err = fmt.Errorf("--join %s: %w", address, err)
			}
			return nil, err
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	return nil, errors.Join(errs...)
}

// controllerBehind is the address of the node that leads __cluster_metadata, as the node at address knows it.
func (n *Node) controllerBehind(ctx context.Context, address string) (string, error) {
	ctx, cancel := within(ctx, n.cfg.Clock, joinAttempt)
	defer cancel()
	c := n.dialNode(address)
	defer c.Close()
	resp, err := c.DescribeNodes(ctx, &rpc.DescribeNodesRequest{})
	if err != nil {
		return "", err
	}
	if resp.ClusterID != "" && n.identity.ClusterID != "" && resp.ClusterID != n.identity.ClusterID {
		return "", fmt.Errorf("it is of the Metadata cluster %s, this node's data folder is of %s: %w", resp.ClusterID, n.identity.ClusterID, kerr.InconsistentClusterID)
	}
	for _, node := range resp.Nodes {
		if node.ID == resp.Controller && node.Address != "" {
			return node.Address, nil
		}
	}
	return "", fmt.Errorf("the node knows no leader of %s: %w", topics.ClusterMetadata, kerr.CoordinatorNotAvailable)
}

func (n *Node) registerWith(ctx context.Context, address string) (*rpc.RegisterNodeResponse, error) {
	ctx, cancel := within(ctx, n.cfg.Clock, joinAttempt)
	defer cancel()
	req, err := n.registrationRequest()
	if err != nil {
		return nil, err
	}
	c := n.dialNode(address)
	defer c.Close()
	return c.RegisterNode(ctx, req)
}

// announce tells the controller where this node is, until it knows. It ends the node when the cluster does not want it.
func (n *Node) announce(ctx context.Context) {
	for attempt := 0; ; attempt++ {
		err := n.announceOnce(ctx)
		if err == nil {
			err = n.load(ctx)
		}
		switch {
		case err == nil, ctx.Err() != nil:
			return
		case refused(err):
			n.fail(fmt.Errorf("the Metadata cluster does not want this node: %w", withHint(err)))
			return
		case attempt%joinLogEvery == joinLogEvery-1:
			n.cfg.Logger.Warn("this node could not say where it is, and goes on trying", "error", err)
		}
		if clock.Sleep(ctx, n.cfg.Clock, joinRetry) != nil {
			return
		}
	}
}

func (n *Node) announceOnce(ctx context.Context) error {
	if n.clusterLog.Leadership().IsLeader {
		if err := n.checkJoin(ctx); err != nil {
			return err
		}
		ctx, cancel := within(ctx, n.cfg.Clock, joinAttempt)
		defer cancel()
		req, err := n.registrationRequest()
		if err == nil {
			_, err = n.RegisterNode(ctx, req)
		}
		if err == nil {
			err = n.raiseFeatures(ctx)
		}
		return err
	}
	addresses := slices.Clone(n.cfg.Join)
	l := n.layout.Load()
	for _, m := range l.members() {
		if address := addressOf(m); address != "" && m.ID != n.cfg.ID && !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	for _, p := range n.identity.Peers {
		if l.nodes[p.ID] == nil && p.ID != n.cfg.ID && p.Address != "" && !slices.Contains(addresses, p.Address) {
			addresses = append(addresses, p.Address)
		}
	}
	if len(addresses) == 0 {
		return fmt.Errorf("no other node is known; start this one with --join and the address of one: %w", kerr.CoordinatorNotAvailable)
	}
	resp, err := n.registerAt(ctx, addresses)
	if err != nil {
		return err
	}
	n.learn(resp.Nodes)
	return nil
}

// checkJoin finds out whether --join leads to another cluster than this node's own. Nodes that do not answer say nothing.
func (n *Node) checkJoin(ctx context.Context) error {
	for _, address := range n.cfg.Join {
		if _, err := n.controllerBehind(ctx, address); errors.Is(err, kerr.InconsistentClusterID) {
			return fmt.Errorf("--join %s: %w", address, err)
		}
	}
	return nil
}

// onController calls the node that leads __cluster_metadata: this one, or through its peer.
func (n *Node) onController(local func() error, remote func(c *client.NodeClient) error) error {
	l := n.clusterLog.Leadership()
	if l.IsLeader {
		return local()
	}
	p := n.peers.get(l.Leader)
	if p == nil {
		return fmt.Errorf("the leader of %s is not known: %w", topics.ClusterMetadata, kerr.CoordinatorNotAvailable)
	}
	return remote(p.client)
}

// learn keeps the nodes that another one knows. A node that died after it was let in and before the first entries of __cluster_metadata reached it has no list of its own, and the
// list of one that was away for long may lack those that lead now. Either would refuse the streams that bring the list.
func (n *Node) learn(nodes []rpc.PeerNode) {
	n.raftPeersMu.Lock()
	n.joined = nodes
	n.raftPeersMu.Unlock()
	n.connect()
}

// connect tells the transport whom it talks to. The layout is read under the lock: of two callers the later has the newer one.
func (n *Node) connect() {
	n.raftPeersMu.Lock()
	defer n.raftPeersMu.Unlock()
	n.transport.setPeers(n.raftPeers(n.layout.Load()))
}

// raftPeers are the nodes that the transport talks to. It runs under raftPeersMu, or before anything else does.
func (n *Node) raftPeers(l *layout) map[int32]string {
	peers := map[int32]string{}
	for _, p := range n.joined { // until the node's own replica shows them
		if p.RaftAddress != "" && l.nodes[p.ID] == nil {
			peers[p.ID] = p.RaftAddress
		}
	}
	maps.Copy(peers, l.connected())
	delete(peers, n.cfg.ID)
	return peers
}
