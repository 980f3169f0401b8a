package metadata

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/tlsfiles"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// Config of a Node. Time, randomness, disk and network are handed in.
type Config struct {
	ID  int32
	FS  vfs.FS
	Dir string // on FS; one process at a time

	Listener net.Listener // for brokers and administrators; nil for none (inkwell dev)
	TLS      *tls.Config
	// Advertised is the HOST:PORT that brokers and administrators are told; default the listener's address.
	Advertised string
	// RaftListener is for the other nodes; nil: there are none, and none can join.
	RaftListener net.Listener
	// RaftAdvertised is the HOST:PORT that the other nodes are told; default the RaftListener's address.
	RaftAdvertised string
	RaftTLS        *tls.Config
	// RaftDialTLS makes the configuration of a connection to another node's RaftListener; nil: RaftTLS.
	RaftDialTLS func() *tls.Config
	// DialTLS makes the configuration of a connection to another node's Listener; nil: they speak no TLS.
	DialTLS func() *tls.Config
	// Join are listeners of nodes of the cluster that a node with an empty folder joins. A node that is a member looks there for others, too.
	Join []string
	// ClusterSecret is shared by all nodes, which prove themselves with it; empty: whoever reaches the ports is believed.
	ClusterSecret []byte
	Dial          func(ctx context.Context, network, address string) (net.Conn, error) // to other nodes
	Version, Rack string
	// Replicas of each partition, and voters of __cluster_metadata, where there are so many nodes; default 3.
	Replicas, MetadataReplicas int

	// AdminPassword is that of the user admin; empty: a connection that does not authenticate is an administrator's.
	AdminPassword string

	// Settings of the coordinators, by Kafka's names.
	Groups groupcoordinator.Settings
	Limits Limits
	Work   batchcoordinator.WorkConfig // compaction.*

	// MaxFeatureLevel is the highest level of topics.MetadataFeature that this node knows; default the newest. A test makes a node of an older release by it.
	MaxFeatureLevel int32

	// TuneLogs, if set, changes the settings of the Raft logs before they are opened: a simulation has them cut and compared often, `inkwell dev` keeps less in memory.
	TuneLogs func(*raftlog.Config)

	// Waiting, if set, is told why Open waits for other nodes.
	Waiting func(why error)

	Clock      clock.Clock
	NewRand    func() *rand.Rand // each caller has a source of its own
	NewUUID    func() [16]byte   // safe for many
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Limits and intervals of the coordinators.
type Limits struct {
	NumPartitions          int32         // num.partitions
	MaxTopicPartitions     int32         // of one topic
	RetentionCheckInterval time.Duration // log.retention.check.interval.ms
	ObjectDeleteDelay      time.Duration // object.delete.delay.ms
	WorkLease              time.Duration // how long a broker has to report on leased work; default 1 min
	WorkRetryDelay         time.Duration // compaction.retry.backoff.ms: after a job's first failure; default 30 s
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.MaxFeatureLevel == 0 {
		c.MaxFeatureLevel = topics.NewestFeatureLevel
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.RaftAdvertised == "" && c.RaftListener != nil {
		c.RaftAdvertised = c.RaftListener.Addr().String()
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.MetadataReplicas == 0 {
		c.MetadataReplicas = 3
	}
	if c.Limits.NumPartitions == 0 {
		c.Limits.NumPartitions = 1
	}
	if c.Limits.MaxTopicPartitions == 0 {
		c.Limits.MaxTopicPartitions = 10_000
	}
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	if c.ID < 1 {
		errs = append(errs, fmt.Errorf("node.id is %d, it must be 1 or more", c.ID))
	}
	if c.MaxFeatureLevel < topics.FeatureLevel1 || c.MaxFeatureLevel > topics.NewestFeatureLevel {
		errs = append(errs, fmt.Errorf("metadata: MaxFeatureLevel is %d, it must be from %d to %d", c.MaxFeatureLevel, topics.FeatureLevel1, topics.NewestFeatureLevel))
	}
	if len(c.Join) > 0 && (c.RaftListener == nil || c.Listener == nil) {
		errs = append(errs, errors.New("--join without --raft.listen: a node that joins others must be reachable by them"))
	}
	if c.RaftListener != nil && c.Listener == nil {
		errs = append(errs, errors.New("metadata: a RaftListener without a Listener: nodes talk through both"))
	}
	for name, replicas := range map[string]int{"replication.factor": c.Replicas, "metadata.replication.factor": c.MetadataReplicas} {
		if replicas < 1 || replicas > 7 || replicas%2 == 0 {
			errs = append(errs, fmt.Errorf("%s is %d, it must be 1, 3, 5 or 7", name, replicas))
		}
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("--data is empty; set it to a folder"))
	}
	for name, missing := range map[string]bool{"FS": c.FS == nil, "NewRand": c.NewRand == nil, "NewUUID": c.NewUUID == nil, "Logger": c.Logger == nil} {
		if missing {
			errs = append(errs, fmt.Errorf("metadata: %s is not set", name))
		}
	}
	if c.Limits.NumPartitions < 1 || c.Limits.NumPartitions > c.Limits.MaxTopicPartitions {
		errs = append(errs, fmt.Errorf("num.partitions is %d, it must be from 1 to %d", c.Limits.NumPartitions, c.Limits.MaxTopicPartitions))
	}
	work := c.Work
	work.SetDefaults()
	errs = append(errs, work.Validate()) // here, or the first cluster that this node leads would say it
	return errors.Join(errs...)
}

// dialListener dials other nodes' Listeners.
func (c *Config) dialListener() func(ctx context.Context, network, address string) (net.Conn, error) {
	if c.DialTLS == nil {
		return c.Dial
	}
	return tlsfiles.Dial(c.Dial, c.DialTLS)
}

// dialRaft dials other nodes' Raft listeners.
func (c *Config) dialRaft() func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) { return c.Dial(ctx, "tcp", address) }
}
