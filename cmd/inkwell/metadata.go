package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/metadata"
)

// metadataSettings are the settings of a metadata node, in `inkwell metadata` and `inkwell dev`. Those that Kafka has, have Kafka's names.
type metadataSettings struct {
	data           string
	numPartitions  int64
	maxPartitions  int64
	rebalanceDelay time.Duration
	minSession     time.Duration
	maxSession     time.Duration
	retentionCheck time.Duration
	deleteDelay    time.Duration
	offsetsRetain  time.Duration
	work           workSettings
}

func (m *metadataSettings) defineCoordinators(s *settings.Set, rebalanceDelay time.Duration) {
	s.Int(&m.numPartitions, "num.partitions", 1, 1, 10_000, "partitions of a topic that is created without saying how many")
	s.Int(&m.maxPartitions, "topic.partitions.max", 10_000, 1, 1_000_000, "most partitions of one topic")
	s.Duration(&m.rebalanceDelay, "group.initial.rebalance.delay", rebalanceDelay, 0, time.Minute, "time that a new group waits for more members")
	s.Duration(&m.minSession, "group.min.session.timeout", 6*time.Second, time.Millisecond, time.Hour, "least session timeout of a group member")
	s.Duration(&m.maxSession, "group.max.session.timeout", 30*time.Minute, time.Millisecond, 24*time.Hour, "greatest session timeout of a group member")
	s.Duration(&m.offsetsRetain, "offsets.retention", 7*24*time.Hour, time.Minute, 100*365*24*time.Hour, "time after which the offsets of a group without members are forgotten")
	s.Duration(&m.retentionCheck, "log.retention.check.interval", 5*time.Minute, time.Millisecond, 24*time.Hour, "time between two looks at what retention.ms and retention.bytes remove")
	s.Duration(&m.deleteDelay, "object.delete.delay", time.Minute, time.Millisecond, 24*time.Hour, "time that an object stays after nothing refers to it, for readers that still know it")
	m.work.define(s)
}

// static is what DescribeConfigs shows of these settings.
func (m *metadataSettings) static() (numPartitions, retentionCheck string) {
	if m.numPartitions == 0 { // a broker apart from its metadata node does not know
		return "", ""
	}
	return strconv.FormatInt(m.numPartitions, 10), strconv.FormatInt(m.retentionCheck.Milliseconds(), 10)
}

func (m *metadataSettings) config(logger *slog.Logger, registry *prometheus.Registry) metadata.Config {
	cfg := metadata.Config{Version: version, Clock: clock.System, NewRand: newRand, NewUUID: newUUID, Logger: logger, Registerer: registry}
	cfg.Limits = metadata.Limits{NumPartitions: int32(m.numPartitions), MaxTopicPartitions: int32(m.maxPartitions), RetentionCheckInterval: m.retentionCheck, ObjectDeleteDelay: m.deleteDelay,
		WorkLease: m.work.lease, WorkRetryDelay: m.work.backoff}
	cfg.Work = m.work.WorkConfig
	cfg.Groups.InitialRebalanceDelay, cfg.Groups.MinSessionTimeout, cfg.Groups.MaxSessionTimeout = m.rebalanceDelay, m.minSession, m.maxSession
	cfg.Groups.OffsetsRetention = m.offsetsRetain
	return cfg
}

// runMetadata is a node of the Metadata Kafka Cluster.
func runMetadata(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && args[0] == "nodes" {
		return runMetadataNodes(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == "features" {
		return runMetadataFeatures(ctx, args[1:])
	}
	s := settings.New("metadata", "A node of the Metadata Kafka Cluster, which serves many Inkless clusters. It touches no object storage. `inkwell metadata nodes` administers the nodes, `inkwell metadata features` what they may write.")
	var common common
	var m metadataSettings
	var id int64
	var listenAddr, advertise, adminPassword string
	s.Int(&id, "node.id", 1, 1, 1<<31-1, "this node's id")
	s.String(&m.data, "data", "./data", "folder of the node's logs", notEmpty)
	s.String(&listenAddr, "listen", "127.0.0.1:9192", "address for brokers and administrators", address)
	s.String(&advertise, "advertise", "", "HOST:PORT that brokers and administrators are told; empty means the --listen address", reachableAddress)
	s.String(&adminPassword, "admin.password", "", "password of the user admin (SCRAM-SHA-512); without one every connection without a login is an administrator's, and --listen must be a loopback address", nil)
	var peers peerSettings
	var listening listenerTLS
	listening.define(s, "with the authorities (CA) of client certificates, by which brokers log in as their cluster; set, who shows none has to log in with a password")
	peers.define(s)
	m.defineCoordinators(s, 3*time.Second)
	common.define(s)
	err = loadServer(s, args)
	logger, registry := common.logger(), prometheus.NewRegistry()
	tlsConfig, tlsErr := listening.open(tls.VerifyClientCertIfGiven, logger)
	tlsErr = errors.Join(tlsErr, peers.openTLS(tlsConfig != nil || listening.files.Any(), logger))
	if err == nil {
		err = guardAdmin(listenAddr, adminPassword)
	}
	if err = errors.Join(err, tlsErr); err != nil {
		return err
	}
	l, err := listen("--listen", listenAddr)
	if err != nil {
		return err
	}
	defer l.Close()
	var ready readiness
	closeWeb, err := common.observe(registry, &ready, logger)
	if err != nil {
		return err
	}
	defer closeInto(&err, closeWeb)
	data, err := filepath.Abs(m.data)
	if err != nil {
		return fmt.Errorf("--data %s: %w", m.data, err)
	}
	cfg := m.config(logger, registry)
	cfg.ID, cfg.FS, cfg.Dir, cfg.Listener, cfg.Advertised, cfg.AdminPassword = int32(id), vfs.Default, filepath.Join(data, "metadata"), l, advertise, adminPassword
	cfg.Waiting = func(why error) { ready.is(func() error { return why }) }
	if cfg.MaxFeatureLevel, err = builtFeatureLevel(); err != nil {
		return err
	}
	cfg.TLS = tlsConfig
	closePeers, err := peers.apply(&cfg)
	if err != nil {
		return err
	}
	defer closePeers()
	if os.Getenv("GOGC") == "" {
		// The heap is some dozens of MB, and most of what is allocated lives for one command: collecting less often saves a tenth of the CPU.
		debug.SetGCPercent(400)
	}
	n, err := metadata.Open(ctx, cfg)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer closeInto(&err, n.Close)
	ready.is(n.Ready)
	fmt.Printf("Inkwell %s: metadata node %d serves brokers and administrators at %s, data in %s\n", version, id, l.Addr(), data)
	return waitForEnd(ctx, n.Failed())
}

// guardAdmin refuses a node that anybody on the network could administer.
func guardAdmin(listenAddr, password string) error {
	if password != "" {
		return nil
	}
	host, _, err := net.SplitHostPort(listenAddr)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", listenAddr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %s is reachable from elsewhere and --admin.password is not set: anybody could administer the node; set INKWELL_ADMIN_PASSWORD", listenAddr)
}
