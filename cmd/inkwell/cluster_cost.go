package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

const costIntro = `Shows what a cluster's brokers asked of object storage since the cluster was made, and what that costs for each GiB that producers wrote.

  inkwell cluster cost --prices FILE --metadata HOST:PORT --cluster NAME    with INKWELL_CLUSTER_PASSWORD, as a broker has it
  inkwell cluster cost --prices FILE --data DIR                             the folder of an inkwell dev that is stopped

docs/prices.yaml is an example of FILE. Brokers report each minute and when they end. What is stored is not in the sum: it is billed by the month.`

// cost prints a cluster's account.
type cost struct {
	cluster rpc.CostReporter
	prices  *prices
	topics  int64 // at most that are listed
	out     io.Writer
}

func runClusterCost(ctx context.Context, args []string) (err error) {
	var access clusterAccess
	var file string
	c := cost{out: os.Stdout}
	s := settings.New("cluster.cost", costIntro)
	access.define(s)
	s.String(&file, "prices", "", "a YAML file with the prices of the store", nil)
	s.Int(&c.topics, "topics", 50, 0, topics.MaxAccountTopics, "topics that are listed, those that wrote most first")
	if err := errors.Join(s.Load(args, os.Environ(), os.Stdout), noArguments(s)); err != nil {
		return err
	}
	if file == "" {
		return errors.New("--prices is not set; give a file such as docs/prices.yaml")
	}
	if c.prices, err = readPrices(file); err != nil {
		return err
	}
	cluster, closeCluster, err := access.open(ctx)
	if err != nil {
		return err
	}
	defer closeInto(&err, closeCluster)
	c.cluster = cluster
	return c.run(ctx)
}

func (c *cost) run(ctx context.Context) error {
	d, err := c.cluster.DescribeCost(ctx, &rpc.DescribeCostRequest{})
	if err != nil {
		return fmt.Errorf("asking the controller for the account: %w", err)
	}
	a := &d.Account
	total := 0.0
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "PURPOSE\tKIND\tREQUESTS\tGIB\t%s\n", c.prices.currency)
	for i := range a.Uses {
		u := &a.Uses[i]
		costs := c.prices.of(u)
		total += costs
		fmt.Fprintf(w, "%s\t%s\t%d\t%.3f\t%.6f\n", u.Purpose, u.Kind, u.Requests, gib(u.Bytes), costs)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	written := a.Written()
	fmt.Fprintf(c.out, "\n%d brokers have reported; producers wrote %.3f GiB.\nTogether %.6f %s", d.Brokers, gib(written), total, c.prices.currency)
	if written == 0 {
		fmt.Fprintln(c.out, "; nothing was written that it could be shared out to.")
		return nil
	}
	fmt.Fprintf(c.out, ", %.6f for each GiB written.\n", total/gib(written))
	return c.byTopic(a, total)
}

// byTopic shares the sum out by the bytes that were written. Fetches and jobs are not counted by topic, so a topic that is read more than others pays too little.
func (c *cost) byTopic(a *topics.StorageAccount, total float64) error {
	if c.topics == 0 {
		return nil
	}
	all := slices.Clone(a.Topics)
	slices.SortStableFunc(all, func(x, y topics.TopicBytes) int { return int(min(max(y.Bytes-x.Bytes, -1), 1)) })
	others := a.OtherTopics
	if int64(len(all)) > c.topics {
		for _, t := range all[c.topics:] {
			others += t.Bytes
		}
		all = all[:c.topics]
	}
	if others > 0 {
		all = append(all, topics.TopicBytes{Name: "(others)", Bytes: others})
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nTOPIC\tGIB WRITTEN\tSHARE OF %s, BY BYTES WRITTEN\n", c.prices.currency)
	for _, t := range all {
		fmt.Fprintf(w, "%s\t%.3f\t%.6f\n", t.Name, gib(t.Bytes), total*float64(t.Bytes)/float64(a.Written()))
	}
	return w.Flush()
}

func gib(bytes int64) float64 { return float64(bytes) / (1 << 30) }
