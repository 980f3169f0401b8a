package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const purgeIntro = `Deletes the objects of an Inkless cluster that was deleted.

  inkwell object purge --cluster NAME --store URL             counts them
  inkwell object purge --cluster NAME --store URL --delete    deletes them

It asks the Metadata cluster whether the cluster was deleted and refuses otherwise. --force NAME, with the cluster's exact name, does without that: for a Metadata cluster that is
gone. Objects of a cluster that is in use are its data: they cannot be brought back.`

// purgePage is how many objects are listed and deleted at once.
const purgePage = 1000

// purge deletes the objects of one cluster.
type purge struct {
	cluster kafka.ClusterID
	delete  bool
	bucket  objectstorage.Bucket
	out     io.Writer
}

// runObjectPurge frees what a deleted cluster left.
func runObjectPurge(ctx context.Context, args []string) (err error) {
	var cluster, store, metadata, user, password, force string
	var timeout time.Duration
	p := purge{out: os.Stdout}
	var nodes metadataTLS
	s := settings.New("object purge", purgeIntro)
	s.String(&cluster, "cluster", "", "the cluster whose objects go", nil)
	s.String(&store, "store", "", "the object storage that its brokers used, such as s3://BUCKET/PREFIX?region=REGION", nil)
	s.Bool(&p.delete, "delete", false, "delete the objects; without it they are only counted")
	s.String(&force, "force", "", "the cluster's name once more: do not ask the Metadata cluster whether it was deleted", nil)
	s.String(&metadata, "metadata", "127.0.0.1:9192", "addresses of metadata nodes, HOST:PORT[,HOST:PORT...]", addresses)
	s.String(&user, "admin.user", "admin", "the administrator to log in as", nil)
	s.String(&password, "admin.password", "", "the administrator's password; better given as INKWELL_ADMIN_PASSWORD, for others can see flags. Empty means no login", nil)
	nodes.define(s, adminCertificate)
	s.Duration(&timeout, "timeout", 30*time.Second, time.Second, 10*time.Minute, "time for asking the Metadata cluster")
	err = errors.Join(s.Load(args, os.Environ(), os.Stdout), noArguments(s))
	dial, dialErr := nodes.open(slog.New(slog.DiscardHandler))
	if err := errors.Join(err, dialErr); err != nil {
		return err
	}
	p.cluster = kafka.ClusterID(cluster)
	switch {
	case cluster == "" || store == "":
		return errors.New("--cluster and --store must be set")
	case strings.ContainsAny(cluster, "/ \t\n"):
		return fmt.Errorf("--cluster is %q, that is no cluster's name", cluster)
	case force != "" && force != cluster:
		return fmt.Errorf("--force is %q, it must be the name of the cluster, %q", force, cluster)
	}
	if force == "" {
		admin := client.NewAdmin(client.AdminConfig{
			Addresses: strings.Split(metadata, ","), User: user, Password: password, Dial: dial, Timeout: timeout, ClientID: "inkwell-object",
		})
		asking, cancel := context.WithTimeout(ctx, timeout)
		err := mayPurge(asking, admin, p.cluster)
		cancel()
		if err := errors.Join(err, admin.Close()); err != nil {
			return err
		}
	}
	if p.bucket, err = storageurl.Open(ctx, store, storageurl.Options{Retry: objectstorage.RetryConfig{Clock: clock.System, Rand: rand.Float64}}); err != nil {
		return err
	}
	defer closeInto(&err, p.bucket.Close)
	return p.run(ctx)
}

// mayPurge says whether the cluster was deleted.
func mayPurge(ctx context.Context, admin rpc.ClusterAdmin, name kafka.ClusterID) error {
	const hint = "--force with the cluster's exact name deletes them all the same"
	d, err := admin.DescribeInklessCluster(ctx, &rpc.DescribeInklessClusterRequest{Name: name})
	switch {
	case errors.Is(err, kerr.ResourceNotFound):
		return fmt.Errorf("this Metadata cluster never had a cluster %s, so these objects may belong to one elsewhere; check --metadata; %s", name, hint)
	case err != nil:
		return fmt.Errorf("asking whether cluster %s was deleted: %w; check --metadata and INKWELL_ADMIN_PASSWORD; %s", name, err, hint)
	case d.Cluster.State != "deleted":
		return fmt.Errorf("cluster %[1]s is %[2]s: its objects are its data; end it first with `inkwell cluster delete %[1]s`", name, d.Cluster.State)
	}
	return nil
}

// run goes through all keys of the cluster. What cannot be deleted is counted and left: running it again takes it up.
func (p *purge) run(ctx context.Context) error {
	prefix, after := string(p.cluster)+"/", ""
	var objects, failed int
	var bytes int64
	var first error
	for {
		page, err := p.bucket.List(ctx, prefix, after, purgePage)
		if err != nil {
			return fmt.Errorf("listing %s in %s after %d objects: %w", prefix, p.bucket, objects, err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Key
		var errs []error
		if p.delete {
			errs = p.bucket.DeleteMany(ctx, keysOf(page))
		}
		for i, info := range page {
			if errs != nil && errs[i] != nil {
				if failed++; first == nil {
					first = fmt.Errorf("%s: %w", info.Key, errs[i])
				}
				continue
			}
			objects++
			bytes += info.Bytes
		}
		if ctx.Err() != nil {
			first = context.Cause(ctx)
			break
		}
	}
	switch {
	case first != nil:
		fmt.Fprintf(p.out, "%d objects, %d bytes were deleted below %s in %s.\n", objects, bytes, prefix, p.bucket)
		return fmt.Errorf("%d objects could not be deleted; run it again: %w", failed, first)
	case p.delete:
		fmt.Fprintf(p.out, "%d objects, %d bytes were deleted below %s in %s.\n", objects, bytes, prefix, p.bucket)
	case objects == 0:
		fmt.Fprintf(p.out, "There are no objects below %s in %s.\n", prefix, p.bucket)
	default:
		fmt.Fprintf(p.out, "%d objects, %d bytes are below %s in %s. Nothing was deleted: --delete does it.\n", objects, bytes, prefix, p.bucket)
	}
	return nil
}

func keysOf(page []objectstorage.Info) []string {
	keys := make([]string, len(page))
	for i, info := range page {
		keys[i] = info.Key
	}
	return keys
}
