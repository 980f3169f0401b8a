package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const featuresIntro = `Shows and raises the feature level of a Metadata Kafka Cluster: what its nodes may write into their logs.

  inkwell metadata features list             the level in force, and the highest that every node knows
  inkwell metadata features upgrade [LEVEL]  raise it, to the highest unless a level is given

Raise it when all nodes run the newer release and are to stay on it: an older release cannot read what is written from then on, and the level cannot be lowered.`

// featuresCommand is one call of `inkwell metadata features`.
type featuresCommand struct {
	alterer rpc.ClusterAlterer
	out     io.Writer
}

// runMetadataFeatures shows and raises the feature level of a Metadata cluster.
func runMetadataFeatures(ctx context.Context, args []string) (err error) {
	var metadata, user, password string
	var timeout time.Duration
	var nodes metadataTLS
	s := settings.New("metadata features", featuresIntro)
	s.String(&metadata, "metadata", "127.0.0.1:9192", "addresses of metadata nodes, HOST:PORT[,HOST:PORT...]", addresses)
	s.String(&user, "admin.user", "admin", "the administrator to log in as", nil)
	s.String(&password, "admin.password", "", "the administrator's password; better given as INKWELL_ADMIN_PASSWORD, for others can see flags. Empty means no login", nil)
	nodes.define(s, adminCertificate)
	s.Duration(&timeout, "timeout", 30*time.Second, time.Second, 10*time.Minute, "time for the whole command")
	err = s.Load(args, os.Environ(), os.Stdout)
	dial, dialErr := nodes.open(slog.New(slog.DiscardHandler))
	if err := errors.Join(err, dialErr); err != nil {
		return err
	}
	admin := client.NewAdmin(client.AdminConfig{
		Addresses: strings.Split(metadata, ","), User: user, Password: password, Dial: dial, Timeout: timeout, ClientID: "inkwell-metadata-features",
	})
	defer closeInto(&err, admin.Close)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := featuresCommand{alterer: admin, out: os.Stdout}
	return (&nodesCommand{metadata: metadata, nodes: nodes}).explain(c.run(ctx, s.Args()))
}

func (c *featuresCommand) run(ctx context.Context, args []string) error {
	const want = "want list or upgrade [LEVEL]; `inkwell metadata features --help` says more"
	switch {
	case len(args) == 1 && args[0] == "list":
		resp, err := c.alterer.ListFeatures(ctx, &rpc.ListFeaturesRequest{})
		if err != nil {
			return err
		}
		return c.show(resp)
	case (len(args) == 1 || len(args) == 2) && args[0] == "upgrade":
		var level int64
		if len(args) == 2 {
			var err error
			if level, err = strconv.ParseInt(args[1], 10, 32); err != nil || level < 1 {
				return fmt.Errorf("upgrade: %q is no level, which is a number from 1", args[1])
			}
		}
		resp, err := c.alterer.UpgradeFeatures(ctx, &rpc.UpgradeFeaturesRequest{Level: int32(level)})
		if errors.Is(err, kerr.UnsupportedVersion) {
			return fmt.Errorf("the node that leads __cluster_metadata knows no feature levels: start it with a newer release: %w", err)
		}
		if err != nil {
			return err
		}
		return c.show(resp)
	}
	return errors.New(want)
}

func (c *featuresCommand) show(resp *rpc.ListFeaturesResponse) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FEATURE\tLEVEL\tNEWEST THAT ALL NODES KNOW")
	for _, f := range resp.Features {
		fmt.Fprintf(w, "%s\t%d\t%d\n", f.Name, f.Level, f.Most)
	}
	return w.Flush()
}
