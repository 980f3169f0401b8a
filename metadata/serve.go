package metadata

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/api"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// adminUser administers the Metadata cluster. No Inkless cluster may have its name.
	adminUser = "admin"
	// listenerName is that of the metadata listener in records.
	listenerName = "METADATA"

	drainTime = 2 * time.Second
)

// serve answers brokers and administrators at cfg.Listener.
func (n *Node) serve() error {
	n.show()
	self, err := n.self()
	if err != nil {
		return err
	}
	apiConfig := api.Config{
		ClusterID: n.identity.ClusterID, NodeID: n.cfg.ID, Nodes: func() []api.Node { return n.apiNodes(self) }, Topics: n.topics, Quorum: n.quorum,
		Controller: func() int32 { return n.clusterLog.Leadership().Leader }, Groups: ownGroups{n}, IsAdmin: n.isAdmin, Clock: n.cfg.Clock, Logger: n.cfg.Logger,
	}
	apiConfig.SetDefaults()
	if err := apiConfig.Validate(); err != nil {
		return err
	}
	handlers := api.New(apiConfig)
	authenticator, err := n.authenticator()
	if err != nil {
		return err
	}
	apis := append(handlers.APIs(), server.APIs(n)...)
	apis = append(apis, server.AdminAPIs(n, n.isAdmin)...)
	apis = append(apis, server.AlterAPIs(n, n.isAdmin)...)
	apis = append(apis, server.NodeAPIs(n, n, n.isAdmin, n.isNode)...)
	n.listener, err = listener.New(listener.Config{
		Name: listenerName, Listener: n.cfg.Listener, APIs: apis, TLS: n.cfg.TLS, Authenticator: authenticator, Certificate: authenticator.Certificate, OutOfOrder: true,
		// A broker has one connection for everything, also for all JoinGroups and long polls that are parked: they must not keep its commits out.
		MaxPipelined: 1 << 14,
		RequireAuth:  n.cfg.AdminPassword != "", Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, Clock: n.cfg.Clock,
	})
	if err != nil {
		return err
	}
	return n.listener.Start()
}

// self is where this node says it is.
func (n *Node) self() (api.Node, error) {
	address := n.cfg.Advertised
	if address == "" {
		address = n.cfg.Listener.Addr().String()
	}
	host, port, err := hostPort(address)
	if err != nil {
		return api.Node{}, fmt.Errorf("--advertise %s: %w", address, err)
	}
	return api.Node{ID: n.cfg.ID, Host: host, Port: port, Rack: n.cfg.Rack}, nil
}

func hostPort(address string) (host string, port int32, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%s: the port must be a number", address)
	}
	return host, int32(number), nil
}

// apiNodes are the live nodes as Kafka clients are told of them.
func (n *Node) apiNodes(self api.Node) []api.Node {
	nodes := []api.Node{self}
	for _, m := range n.layout.Load().present() {
		if m.ID != self.ID && len(m.Listeners) > 0 && n.alive(m.ID) {
			nodes = append(nodes, api.Node{ID: m.ID, Host: m.Listeners[0].Host, Port: m.Listeners[0].Port, Rack: m.Rack})
		}
	}
	return nodes
}

// authenticator knows the clusters and, if it has a password, the administrator.
func (n *Node) authenticator() (*authentication.Authenticator, error) {
	admin, err := n.ownCredential(adminUser, n.cfg.AdminPassword)
	if err != nil {
		return nil, fmt.Errorf("--admin.password: %w", err)
	}
	node, err := n.ownCredential(nodeUser, nodePassword(n.cfg.ClusterSecret))
	if err != nil {
		return nil, fmt.Errorf("--cluster.secret.file: %w", err)
	}
	return authentication.New(authentication.Config{
		Lookup: func(name string) (topics.ScramCredential, bool) {
			if name == adminUser {
				return admin, n.cfg.AdminPassword != ""
			}
			if name == nodeUser {
				return node, len(n.cfg.ClusterSecret) > 0
			}
			t := n.tenant(kafka.ClusterID(name))
			if t == nil {
				return topics.ScramCredential{}, false
			}
			return t.admission.record.Load().Credential, true
		},
		// A certificate makes its owner the brokers of a cluster or, if it says so in Inkwell's own words, the administrator; never a node. A common name "admin" may be anybody's.
		Known: func(name string, byURI bool) bool {
			return n.tenant(kafka.ClusterID(name)) != nil || byURI && name == adminUser
		},
		// The administrator and nodes are known from this node's settings.
		Loaded: func(name string) bool { return name == adminUser || name == nodeUser || n.loaded.Load() },
		MaxConnections: func(name string) int64 {
			t := n.tenant(kafka.ClusterID(name))
			if t == nil {
				return 0
			}
			return t.admission.record.Load().Limits.Connections
		},
		Nonce: func() string { return n.uuidText() + n.uuidText() },
	})
}

// ownCredential is what a password of this node's settings is kept as; nothing for none.
func (n *Node) ownCredential(user, password string) (topics.ScramCredential, error) {
	if password == "" {
		return topics.ScramCredential{}, nil
	}
	salt := make([]byte, 0, 2*16)
	for len(salt) < authentication.SaltBytes {
		id := n.cfg.NewUUID()
		salt = append(salt, id[:]...)
	}
	return authentication.NewCredential(user, password, salt[:authentication.SaltBytes])
}

// isNode says whether a principal is another node of this cluster.
func (n *Node) isNode(principal string) bool {
	return principal == authentication.PrincipalPrefix+nodeUser
}

// isAdmin says whether a principal may administer: the user admin, or anybody who did not authenticate where there is no admin password.
func (n *Node) isAdmin(principal string) bool {
	if n.cfg.AdminPassword == "" && principal == listener.AnonymousPrincipal {
		return true
	}
	return principal == authentication.PrincipalPrefix+adminUser
}

// Tenant implements server.Tenants.
func (n *Node) Tenant(principal string) (rpc.MetadataCluster, error) {
	name, ok := strings.CutPrefix(principal, authentication.PrincipalPrefix)
	if !ok || name == adminUser || name == nodeUser || principal == listener.AnonymousPrincipal {
		return nil, fmt.Errorf("%s is no Inkless cluster: %w", principal, kerr.ClusterAuthorizationFailed)
	}
	return n.Cluster(kafka.ClusterID(name))
}

// topics are what a consumer can read here.
func (n *Node) topics() *api.Topics {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.topicSet
}

// listTopics is called with mu.
func (n *Node) listTopics() *api.Topics {
	l := n.layout.Load()
	one := func(name string, config raftlog.TopicConfig, logs ...raftlog.Log) api.Topic {
		t := api.Topic{Name: name, Config: config}
		for i, log := range logs {
			p := l.placement(name, int32(i))
			if p == nil {
				p = &topics.PartitionPlacement{Voters: []int32{n.cfg.ID}}
			}
			t.Partitions = append(t.Partitions, api.Partition{Log: log, Voters: p.Voters, InSync: func() []int32 { return n.inSyncOf(p) }})
		}
		return t
	}
	compacted := raftlog.TopicConfig{Compacted: true}
	all := []api.Topic{one(topics.ClusterMetadata, compacted, n.clusterLog)}
	if n.ownOffsets != nil {
		all = append(all, one(state.OwnOffsetsTopic, compacted, n.ownOffsets))
	}
	for name, t := range n.tenants {
		all = append(all, one(topics.Metadata(name), compacted, t.metadataLog), one(topics.BatchCoordinates(name), batchCoordinatesTopic, t.batchLogs...), one(topics.ConsumerOffsets(name), compacted, t.groupLogs...))
	}
	return api.NewTopics(all)
}

// stopServing answers what was accepted and closes the listener.
func (n *Node) stopServing() error {
	if n.listener == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := n.listener.Shutdown(ctx); err != nil {
		n.cfg.Logger.Info("long polls of brokers were cut short", "error", err)
	}
	return nil
}
