package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// runBroker is a stateless broker of one Inkless cluster.
func runBroker(ctx context.Context, args []string) (err error) {
	s := settings.New("broker", "A stateless broker of one Inkless cluster. It keeps nothing on disk.")
	var common common
	var node metadataSettings
	var b brokerSettings
	var metadataNodes, cluster, password string
	var nodes metadataTLS
	s.String(&metadataNodes, "metadata", "127.0.0.1:9192", "addresses of metadata nodes, HOST:PORT[,HOST:PORT...]", addresses)
	s.String(&cluster, "cluster", "", "the Inkless cluster that this broker belongs to", func(v string) error {
		if v == "" {
			return errors.New("give --cluster the name of a cluster that `inkwell cluster create` made")
		}
		return nil
	})
	s.String(&password, "cluster.password", "", "the password that `inkwell cluster create` printed; better given as INKWELL_CLUSTER_PASSWORD or in the --config file", nil)
	nodes.define(s, clusterCertificate)
	b.define(s, "")
	common.define(s)
	err = loadServer(s, args)
	logger, registry := common.logger(), prometheus.NewRegistry()
	tlsConfig, tlsErr := b.tls.open(tls.RequireAndVerifyClientCert, logger)
	dial, dialErr := nodes.open(logger)
	err = errors.Join(err, tlsErr, dialErr, b.checkStore())
	if b.store == "" {
		err = errors.Join(err, errors.New("--store is not set; give the cluster's object storage, such as s3://BUCKET/PREFIX?region=REGION"))
	}
	if err != nil {
		return err
	}
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
	remote := client.New(client.Config{
		Addresses: strings.Split(metadataNodes, ","), Cluster: kafka.ClusterID(cluster), Password: password, Dial: dial,
		ClientID: "inkwell-broker-" + strconv.FormatInt(b.id, 10), Logger: logger,
	})
	defer closeInto(&err, remote.Close)
	br, closeStore, err := startBroker(ctx, &b, &node, l, tlsConfig, remote, logger, registry)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer closeInto(&err, closeStore)
	defer closeInto(&err, br.Close)
	ready.is(br.Ready)
	fmt.Printf("Inkwell %s: broker %d of cluster %s serves Kafka clients at %s, objects in %s\n", version, b.id, cluster, l.Addr(), b.store)
	return waitForEnd(ctx, nil)
}

func addresses(v string) error {
	for _, a := range strings.Split(v, ",") {
		if address(a) != nil {
			return errors.New("want HOST:PORT[,HOST:PORT...]")
		}
	}
	return nil
}

// startBroker opens the store and starts a broker on it; the returned function closes the store, after the broker.
func startBroker(ctx context.Context, b *brokerSettings, node *metadataSettings, l net.Listener, tlsConfig *tls.Config, cluster rpc.MetadataCluster, logger *slog.Logger, registry *prometheus.Registry) (*broker.Broker, func() error, error) {
	cfg, err := b.config()
	if err != nil {
		return nil, nil, err
	}
	cfg.Spent = new(objectstorage.Account)
	cfg.Bucket, err = storageurl.Open(cfg.Spent.Context(ctx, "probe"), b.store, storageurl.Options{
		ProbeName: incarnation(),
		Retry:     objectstorage.RetryConfig{Clock: clock.System, Rand: rand.Float64, Registerer: registry, Logger: logger},
	})
	if err != nil {
		return nil, nil, err
	}
	cfg.LocalStore = !strings.HasPrefix(b.store, "s3:") && !strings.Contains(b.store, "faulty_")
	cfg.Listener, cfg.TLS, cfg.Metadata, cfg.Static = l, tlsConfig, cluster, b.static(node.static())
	cfg.Clock, cfg.NewRand, cfg.NewUUID, cfg.Logger, cfg.Registerer = clock.System, newRand, newUUID, logger, registry
	br, err := broker.New(ctx, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, cfg.Bucket.Close())
	}
	return br, cfg.Bucket.Close, nil
}
