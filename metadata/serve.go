package metadata

import (
	"context"
	"encoding/base64"
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
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	groupstate "github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// adminUser administers the Metadata cluster. No Inkless cluster may have its name.
	adminUser = "admin"
	// ownOffsetsTopic and its Raft group hold the groups of consumers that read the Metadata cluster's own topics. Groups of Inkless clusters are numbered from below.
	ownOffsetsTopic        = "__consumer_offsets"
	ownOffsetsGroup uint64 = 1 << 60

	drainTime = 2 * time.Second
)

// serve answers brokers and administrators at cfg.Listener.
func (n *Node) serve() error {
	offsets, err := n.logs.StartGroup(raftlog.GroupConfig{
		ID: ownOffsetsGroup, Name: ownOffsetsTopic + "-0", Machine: groupstate.Machine{}, Topic: raftlog.TopicConfig{Compacted: true}, Voters: []int32{n.cfg.ID},
	})
	if err != nil {
		return err
	}
	n.ownOffsets = offsets
	n.mu.Lock()
	n.topicSet = n.listTopics()
	n.mu.Unlock()
	cfg := groupcoordinator.Config{Cluster: "__metadata_cluster", Log: offsets, Clock: n.cfg.Clock, NewUUID: n.uuidText, Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, Settings: n.cfg.Groups}
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	n.ownGroups = groupcoordinator.New(cfg)
	self, err := n.self()
	if err != nil {
		return err
	}
	apiConfig := api.Config{
		ClusterID: metadataClusterID, NodeID: n.cfg.ID, Nodes: func() []api.Node { return []api.Node{self} }, Topics: n.topics,
		Controller: func() int32 { return n.clusterLog.Leadership().Leader }, Groups: n.ownGroups, IsAdmin: n.isAdmin, Clock: n.cfg.Clock, Logger: n.cfg.Logger,
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
	n.listener, err = listener.New(listener.Config{
		Name: "METADATA", Listener: n.cfg.Listener, APIs: apis, TLS: n.cfg.TLS, Authenticator: authenticator, OutOfOrder: true,
		// A broker has one connection for everything, also for all JoinGroups and long polls that are parked: they must not keep its commits out.
		MaxPipelined: 1 << 14,
		RequireAuth:  n.cfg.AdminPassword != "", Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, Clock: n.cfg.Clock,
	})
	if err != nil {
		return err
	}
	return n.listener.Start()
}

// metadataClusterID is the cluster.id of the Metadata Kafka Cluster as its own consumers see it.
var metadataClusterID = base64.RawURLEncoding.EncodeToString([]byte("inkwell-metadata"))

// self is where this node says it is.
func (n *Node) self() (api.Node, error) {
	address := n.cfg.Advertised
	if address == "" {
		address = n.cfg.Listener.Addr().String()
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return api.Node{}, fmt.Errorf("--advertise %s: %w", address, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return api.Node{}, fmt.Errorf("--advertise %s: the port must be a number", address)
	}
	return api.Node{ID: n.cfg.ID, Host: host, Port: int32(number)}, nil
}

// authenticator knows the clusters and, if it has a password, the administrator.
func (n *Node) authenticator() (listener.Authenticator, error) {
	var admin topics.ScramCredential
	if n.cfg.AdminPassword != "" {
		salt := make([]byte, 0, 2*16)
		for len(salt) < authentication.SaltBytes {
			id := n.cfg.NewUUID()
			salt = append(salt, id[:]...)
		}
		var err error
		if admin, err = authentication.NewCredential(adminUser, n.cfg.AdminPassword, salt[:authentication.SaltBytes]); err != nil {
			return nil, fmt.Errorf("--admin.password: %w", err)
		}
	}
	return authentication.New(authentication.Config{
		Lookup: func(name string) (topics.ScramCredential, bool) {
			if name == adminUser {
				return admin, n.cfg.AdminPassword != ""
			}
			n.mu.RLock()
			defer n.mu.RUnlock()
			t, ok := n.tenants[kafka.ClusterID(name)]
			if !ok {
				return topics.ScramCredential{}, false
			}
			return t.admission.record.Load().Credential, true
		},
		Nonce: func() string { return n.uuidText() + n.uuidText() },
	})
}

// isAdmin says whether a principal may administer: the user admin, or anybody who did not authenticate where there is no admin password.
func (n *Node) isAdmin(principal string) bool {
	if n.cfg.AdminPassword == "" {
		return principal == listener.AnonymousPrincipal
	}
	return principal == authentication.PrincipalPrefix+adminUser
}

// Tenant implements server.Tenants.
func (n *Node) Tenant(principal string) (rpc.MetadataCluster, error) {
	name, ok := strings.CutPrefix(principal, authentication.PrincipalPrefix)
	if !ok || name == adminUser || principal == listener.AnonymousPrincipal {
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
	one := func(name string, config raftlog.TopicConfig, logs ...raftlog.Log) api.Topic {
		t := api.Topic{Name: name, Config: config}
		for _, log := range logs {
			t.Partitions = append(t.Partitions, api.Partition{Log: log, Voters: []int32{n.cfg.ID}})
		}
		return t
	}
	compacted := raftlog.TopicConfig{Compacted: true}
	all := []api.Topic{one(topics.ClusterMetadata, compacted, n.clusterLog), one(ownOffsetsTopic, compacted, n.ownOffsets)}
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
