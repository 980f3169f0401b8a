package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// devCluster is the one Inkless cluster of `inkwell dev`.
const devCluster = "dev"

// One cluster's metadata is small: half of what a node of a Metadata cluster keeps in memory is enough.
const (
	devStateCache    = 16 << 20
	devStateMemTable = 8 << 20
)

// runDev is everything in one process: a one-node Metadata cluster, one Inkless cluster, one broker. The halves call each other in process.
func runDev(ctx context.Context, args []string) (err error) {
	s := settings.New("dev", "One process with everything: a one-node Metadata cluster, one Inkless cluster named dev, one broker, records in a local folder or a bucket.")
	var common common
	var node metadataSettings
	var b brokerSettings
	s.String(&node.data, "data", "./data", "folder of the Metadata cluster's logs and, without --store, of the objects", notEmpty)
	b.define(s, "")
	node.defineCoordinators(s, 0)
	common.define(s)
	err = loadServer(s, args)
	logger, registry := common.logger(), prometheus.NewRegistry()
	tlsConfig, tlsErr := b.tls.open(tls.RequireAndVerifyClientCert, logger)
	if err = errors.Join(err, tlsErr, b.checkStore()); err != nil {
		return err
	}
	data, err := filepath.Abs(node.data)
	if err != nil {
		return fmt.Errorf("--data %s: %w", node.data, err)
	}
	if b.store == "" {
		b.store = "file://" + filepath.Join(data, "objects")
	}

	// The sockets come first, so that an address in use is said before anything is opened, and clients that come early wait instead of being refused.
	l, err := listen("--listen", b.listen)
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
	nodeConfig := node.config(logger, registry)
	nodeConfig.ID, nodeConfig.FS, nodeConfig.Dir = 1, vfs.Default, filepath.Join(data, "metadata")
	nodeConfig.TuneLogs = func(c *raftlog.Config) { c.StateCacheBytes, c.StateMemTableBytes = devStateCache, devStateMemTable }
	n, err := metadata.Open(ctx, nodeConfig)
	if err != nil {
		return err
	}
	defer closeInto(&err, n.Close)
	if err := n.EnsureCluster(ctx, clustercontroller.Spec{Name: devCluster, BatchCoordinators: 1, GroupCoordinators: 1}); err != nil {
		return unlessEnded(ctx, err)
	}
	tenant, err := n.Cluster(devCluster)
	if err != nil {
		return err
	}
	br, closeStore, err := startBroker(ctx, &b, &node, l, tlsConfig, tenant, logger, registry)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer closeInto(&err, closeStore)
	defer closeInto(&err, br.Close)
	ready.is(func() error { return errors.Join(n.Ready(), br.Ready()) })
	printBanner(br.Address(), data, b.store)
	if err := waitForEnd(ctx, n.Failed()); err != nil {
		br.Abandon() // what waits for the node would wait in vain
		return err
	}
	return nil
}

// printBanner says where everything is and what to paste.
func printBanner(address broker.HostPort, data, store string) {
	bootstrap := net.JoinHostPort(address.Host, strconv.Itoa(int(address.Port)))
	fmt.Printf(`Inkwell %s serves Kafka clients at %s
data in %s, objects in %s

  kafka-topics.sh --bootstrap-server %[2]s --create --topic hello --partitions 3
  kafka-console-producer.sh --bootstrap-server %[2]s --topic hello
  kafka-console-consumer.sh --bootstrap-server %[2]s --topic hello --from-beginning
`, version, bootstrap, data, store)
}

// waitForEnd returns nil when ctx ends, or why the node failed.
func waitForEnd(ctx context.Context, failed <-chan error) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// closeInto runs a Close at the end and keeps its error unless there is one already.
func closeInto(err *error, closer func() error) {
	*err = errors.Join(*err, closer())
}
