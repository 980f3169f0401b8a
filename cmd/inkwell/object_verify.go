package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
	"github.com/inkwell-project/inkwell/objectverify"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const verifyIntro = `Compares what the Batch Coordinators of a cluster believe with what is in its bucket, both ways. The cluster may run meanwhile.

  inkwell object verify --metadata HOST:PORT --cluster NAME --store URL     with INKWELL_CLUSTER_PASSWORD, as a broker has it
  inkwell object verify --data DIR                                          the folder of an inkwell dev that is stopped

Every coordinate's object is there, its bytes are those that were committed, and a partition's coordinates leave nothing out; every object below NAME/ is referred to, or waits
for its deletion or sweep, or is an upload of a live broker; uploads in parts that are not finished go on, or wait for a sweep. Exit code 0: all of that is so. 3: something is not, and is listed. 1: not everything could be looked at.`

// clusterAccess is how a command asks the coordinators of one cluster: over a socket as its brokers do, or in the folder of an `inkwell dev` that is stopped.
type clusterAccess struct {
	metadata, cluster, password, data string
	timeout                           time.Duration
	nodes                             metadataTLS
}

func (a *clusterAccess) define(s *settings.Set) {
	s.String(&a.metadata, "metadata", "127.0.0.1:9192", "addresses of metadata nodes, HOST:PORT[,HOST:PORT...]", addresses)
	s.String(&a.cluster, "cluster", "", "the Inkless cluster; with --data it is dev", nil)
	s.String(&a.password, "cluster.password", "", "the password that `inkwell cluster create` printed; better given as INKWELL_CLUSTER_PASSWORD or in the --config file", nil)
	a.nodes.define(s, clusterCertificate)
	s.String(&a.data, "data", "", "instead of --metadata: the folder of an `inkwell dev` that does not run now", nil)
	s.Duration(&a.timeout, "timeout", 30*time.Second, time.Second, 10*time.Minute, "time for one question to the Metadata cluster")
}

// open returns the cluster, and what ends the access.
func (a *clusterAccess) open(ctx context.Context) (rpc.MetadataCluster, func() error, error) {
	if a.data == "" {
		if a.cluster == "" || strings.ContainsAny(a.cluster, "/ \t\n") {
			return nil, nil, fmt.Errorf("--cluster is %q; give it the name of a cluster that `inkwell cluster create` made, or --data the folder of an `inkwell dev`", a.cluster)
		}
		dial, err := a.nodes.open(slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, nil, err
		}
		c := client.New(client.Config{Addresses: strings.Split(a.metadata, ","), Cluster: kafka.ClusterID(a.cluster), Password: a.password,
			Dial: dial, Timeout: a.timeout, ClientID: "inkwell-object"})
		return c, c.Close, nil
	}
	if a.cluster != "" && a.cluster != devCluster {
		return nil, nil, fmt.Errorf("--cluster is %q, the cluster in --data is %s", a.cluster, devCluster)
	}
	a.cluster = devCluster
	data, err := filepath.Abs(a.data)
	if err != nil {
		return nil, nil, fmt.Errorf("--data %s: %w", a.data, err)
	}
	a.data = data
	dir := filepath.Join(data, "metadata")
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("--data %s is no folder of an `inkwell dev`: %w", a.data, err)
	}
	n, err := metadata.Open(ctx, metadata.Config{Version: version, Clock: clock.System, NewRand: newRand, NewUUID: newUUID, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		ID: 1, FS: vfs.Default, Dir: dir})
	if err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w; an `inkwell dev` that runs has to be stopped first", dir, err)
	}
	err = n.EnsureCluster(ctx, clustercontroller.Spec{Name: devCluster, BatchCoordinators: 1, GroupCoordinators: 1}) // it exists: this waits until it is led
	var c rpc.MetadataCluster
	if err == nil {
		c, err = n.Cluster(devCluster)
	}
	if err != nil {
		return nil, nil, errors.Join(err, n.Close())
	}
	return c, n.Close, nil
}

// runObjectVerify prints a report; its exit code says whether it is clean.
func runObjectVerify(ctx context.Context, args []string) (err error) {
	var access clusterAccess
	var store string
	var readers, findings int64
	var quick bool
	cfg := objectverify.Config{}
	s := settings.New("object verify", verifyIntro)
	access.define(s)
	s.String(&store, "store", "", "the object storage that the brokers use, such as s3://BUCKET/PREFIX?region=REGION; with --data its folder of objects unless it is set", nil)
	s.Int(&readers, "readers", 4, 1, 64, "objects that are read at once")
	s.Int(&findings, "findings", 100, 1, 100_000, "findings that are listed; all are counted")
	s.Bool(&quick, "quick", false, "read header and footer of each object only, not its batches")
	s.Duration(&cfg.OldUpload, "old.upload", 24*time.Hour, time.Hour, 365*24*time.Hour, "age from which an upload in parts that is not finished is listed as left over, and an object of a live broker that is not committed as old")
	s.Bool(&cfg.Repair, "repair", false, "delete what is listed as unreferenced object, and abort old unfinished uploads; without it nothing is changed and the report says what would go")
	if err := errors.Join(s.Load(args, os.Environ(), os.Stdout), noArguments(s)); err != nil {
		return err
	}
	if store == "" && access.data == "" {
		return errors.New("--store is not set; give the cluster's object storage, such as s3://BUCKET/PREFIX?region=REGION")
	}
	cluster, closeCluster, err := access.open(ctx)
	if err != nil {
		return err
	}
	defer closeInto(&err, closeCluster)
	if store == "" {
		store = "file://" + filepath.Join(access.data, "objects")
	}
	bucket, err := storageurl.Open(ctx, store, storageurl.Options{Retry: objectstorage.RetryConfig{Clock: clock.System, Rand: rand.Float64}})
	if err != nil {
		return err
	}
	defer closeInto(&err, bucket.Close)
	cfg.Cluster, cfg.Metadata, cfg.Bucket = kafka.ClusterID(access.cluster), cluster, bucket
	cfg.Readers, cfg.MaxFindings, cfg.SkipBytes = int(readers), int(findings), quick
	cfg.Found = func(f objectverify.Finding) { fmt.Println(f) }
	r, err := objectverify.New(cfg).Run(ctx)
	printReport(os.Stdout, r, cfg.Repair, err == nil)
	switch {
	case err != nil && r.Findings > 0:
		return fmt.Errorf("%d findings in cluster %s, and not everything could be looked at: %w: %w", r.Findings, access.cluster, err, exitFindings)
	case err != nil:
		return fmt.Errorf("not everything could be looked at: %w", err)
	case r.Findings > 0:
		return fmt.Errorf("%d findings in cluster %s: %w", r.Findings, access.cluster, exitFindings)
	case r.Unchecked > 0:
		return fmt.Errorf("%d things in cluster %s could not be looked at; run it again", r.Unchecked, access.cluster)
	}
	return nil
}

// printReport ends with one word: CLEAN only of a run that came to its end.
func printReport(w io.Writer, r *objectverify.Report, repair, ended bool) {
	fmt.Fprintf(w, "coordinates: %d of %d partitions, %d bytes, at %d coordinators", r.Coordinates, r.Partitions, r.Bytes, r.Coordinators)
	if r.Replaced > 0 {
		fmt.Fprintf(w, "; %d went meanwhile", r.Replaced)
	}
	if r.Unsettled > 0 {
		fmt.Fprintf(w, "; the sums of %d partitions changed all the time and were not compared", r.Unsettled)
	}
	if r.UncountedReferences > 0 {
		fmt.Fprintf(w, "; counts of references of %d coordinators were not compared, for they went on meanwhile", r.UncountedReferences)
	}
	fmt.Fprintf(w, "\nobjects: %d, %d bytes: %d referred to, %d wait for their deletion, %d uploads of live brokers, %d wait for a sweep", r.Objects, r.ObjectBytes, r.Referenced,
		r.Released, r.InFlight, r.Sweeping)
	if r.SweepParked > 0 {
		fmt.Fprintf(w, " (%d of them for one that failed too often: see `inkwell object jobs`)", r.SweepParked)
	}
	fmt.Fprintln(w)
	if r.InFlight > 0 {
		fmt.Fprintf(w, "uploads of live brokers that are not committed: %d, %d of them old, the oldest %s from %s ago; what is never committed goes with the sweep when its broker's epoch is over\n",
			r.InFlight, r.OldInFlight, r.OldestInFlight, r.OldestInFlightAge.Round(time.Second))
	}
	if r.Uploads > 0 {
		fmt.Fprintf(w, "unfinished uploads: %d, %d of them wait for a sweep, the oldest %s begun %s ago\n", r.Uploads, r.SweepingUploads, r.OldestUpload, r.OldestUploadAge.Round(time.Second))
	}
	for _, u := range r.FirstUnchecked {
		fmt.Fprintf(w, "could not look at %s\n", u)
	}
	if r.Findings > int64(len(r.First)) {
		fmt.Fprintf(w, "%d more findings are not listed: --findings\n", r.Findings-int64(len(r.First)))
	}
	for _, kind := range slices.Sorted(maps.Keys(r.ByKind)) {
		fmt.Fprintf(w, "found: %d × %s\n", r.ByKind[kind], kind)
	}
	switch {
	case r.Repairable > 0 && !repair:
		fmt.Fprintf(w, "--repair would delete %d unreferenced objects, %d bytes, and no other object\n", r.Repairable, r.RepairableBytes)
	case r.Repairable > 0:
		fmt.Fprintf(w, "deleted %d of %d unreferenced objects, %d bytes\n", r.Repaired, r.Repairable, r.RepairedBytes)
	}
	switch {
	case r.RepairableUploads > 0 && !repair:
		fmt.Fprintf(w, "--repair would abort %d unfinished uploads\n", r.RepairableUploads)
	case r.RepairableUploads > 0:
		fmt.Fprintf(w, "aborted %d of %d unfinished uploads\n", r.RepairedUploads, r.RepairableUploads)
	}
	switch {
	case r.Findings > 0:
		fmt.Fprintf(w, "NOT CLEAN: %d findings\n", r.Findings)
	case !ended:
		fmt.Fprintln(w, "INCOMPLETE: it did not come to its end")
	case r.Unchecked > 0:
		fmt.Fprintf(w, "INCOMPLETE: %d things could not be looked at\n", r.Unchecked)
	default:
		fmt.Fprintln(w, "CLEAN")
	}
}
