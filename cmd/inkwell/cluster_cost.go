package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

const costIntro = `Shows what a cluster's brokers asked of object storage since the cluster was made, and what that costs for each GiB that producers wrote.

  inkwell cluster cost --prices FILE --metadata HOST:PORT --cluster NAME    with INKWELL_CLUSTER_PASSWORD, as a broker has it
  inkwell cluster cost --prices FILE --data DIR                             the folder of an inkwell dev that is stopped

docs/prices.yaml is an example of FILE. Brokers report each minute and when they end. Topics share the cost of fetches by the bytes that were read for them from the
store, that of merges and key compactions by their bytes in those, and everything else by the bytes that producers wrote. What is stored now is not in the sum:
it is billed by the month. It is what the cluster's coordinates refer to; objects that wait for their deletion are not in it.`

// accountedCluster is what is asked of a cluster.
type accountedCluster interface {
	rpc.CostReporter
	rpc.ClusterDescriber
	rpc.ObjectDescriber
}

// cost prints a cluster's account.
type cost struct {
	cluster accountedCluster
	prices  *prices
	topics  int64 // at most that are listed
	out     io.Writer
}

func runClusterCost(ctx context.Context, args []string) (err error) {
	var access clusterAccess
	var file string
	c := cost{out: os.Stdout}
	s := settings.New("cluster cost", costIntro)
	access.define(s)
	s.String(&file, "prices", "", "a YAML file with the prices of the store", nil)
	s.Int(&c.topics, "topics", 50, 0, topics.MaxAccountTopics, "topics that are listed, those that cost most first")
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
	described, err := c.cluster.DescribeCluster(ctx, &rpc.DescribeClusterRequest{}) // first: it is refused where a certificate is another cluster's
	if err != nil {
		return fmt.Errorf("asking the Metadata cluster about the cluster: %w", err)
	}
	d, err := c.cluster.DescribeCost(ctx, &rpc.DescribeCostRequest{})
	if err != nil {
		return fmt.Errorf("asking the controller for the account: %w", err)
	}
	stored, err := c.stored(ctx, described.BatchCoordinators)
	if err != nil {
		return err
	}
	a := &d.Account
	sum := a.Total()
	shared := spending{}
	total := 0.0
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "PURPOSE\tKIND\tREQUESTS\tGIB\t%s\n", c.prices.currency)
	for i := range a.Uses {
		u := &a.Uses[i]
		costs := c.prices.of(u)
		total += costs
		shared[shareOf(u.Purpose, &sum)] += costs
		fmt.Fprintf(w, "%s\t%s\t%d\t%.3f\t%.6f\n", u.Purpose, u.Kind, u.Requests, gib(u.Bytes), costs)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\n%d brokers have reported; producers wrote %.3f GiB.\nStored now: %.3f GiB, %.6f %s a month.\nTogether, without that, %.6f %s",
		d.Brokers, gib(sum.Bytes), gib(stored), gib(stored)*c.prices.storedPerGiBMonth, c.prices.currency, total, c.prices.currency)
	if sum.Bytes == 0 {
		fmt.Fprintln(c.out, "; nothing was written that it could be shared out to.")
		return nil
	}
	fmt.Fprintf(c.out, ", %.6f for each GiB written.\n", total/gib(sum.Bytes))
	return c.byTopic(a, shared)
}

// stored is how many bytes the coordinates refer to. A coordinator partition keeps their sum for each partition, so that no coordinate but the first ones of a page are asked for.
func (c *cost) stored(ctx context.Context, coordinators int32) (bytes int64, err error) {
	for coordinator := range coordinators {
		req := &rpc.DescribeCoordinatesRequest{Coordinator: coordinator, MaxCoordinates: 1000}
		counted := false // the partition that req begins with
		for {
			page, err := c.cluster.DescribeCoordinates(ctx, req)
			if err != nil {
				return 0, fmt.Errorf("asking coordinator partition %d what is stored: %w", coordinator, err)
			}
			for i := range page.Partitions {
				if p := &page.Partitions[i]; !counted || p.Partition != req.From {
					bytes += p.Bytes
				}
			}
			if len(page.Partitions) == 0 || !page.More && page.Partitions[len(page.Partitions)-1].Complete {
				break
			}
			last := page.Partitions[len(page.Partitions)-1].Partition
			if counted && last == req.From {
				return 0, fmt.Errorf("coordinator partition %d tells nothing behind partition %v", coordinator, last)
			}
			req.From, req.Offset, counted = last, math.MaxInt64, true
		}
	}
	return bytes, nil
}

// share is by which bytes a purpose's cost is shared out to topics.
type share int

const (
	byWritten share = iota
	byRead
	byMerged
	byCompacted
)

// spending is what is shared out in each way.
type spending map[share]float64

func (s share) bytes(t *topics.TopicBytes) int64 {
	switch s {
	case byRead:
		return t.Read
	case byMerged:
		return t.Merged
	case byCompacted:
		return t.Compacted
	}
	return t.Bytes
}

// shareOf knows whom a purpose was for. Of deletes and sweeps nobody knows, nor of anything that was not counted by topic.
func shareOf(purpose string, sum *topics.TopicBytes) share {
	by := byWritten
	switch {
	case strings.HasPrefix(purpose, "fetch"):
		by = byRead
	case purpose == rpc.WorkMerge.String():
		by = byMerged
	case purpose == rpc.WorkCompactKeys.String():
		by = byCompacted
	}
	if by.bytes(sum) == 0 {
		return byWritten
	}
	return by
}

// of is t's part.
func (s spending) of(t, sum *topics.TopicBytes) (costs float64) {
	for _, by := range []share{byWritten, byRead, byMerged, byCompacted} {
		if all := by.bytes(sum); all > 0 {
			costs += s[by] * float64(by.bytes(t)) / float64(all)
		}
	}
	return costs
}

func (c *cost) byTopic(a *topics.StorageAccount, shared spending) error {
	if c.topics == 0 {
		return nil
	}
	sum := a.Total()
	all := slices.Clone(a.Topics)
	slices.SortStableFunc(all, func(x, y topics.TopicBytes) int { return cmp.Compare(shared.of(&y, &sum), shared.of(&x, &sum)) })
	others := a.OtherTopics
	if int64(len(all)) > c.topics {
		for _, t := range all[c.topics:] {
			others.Add(t)
		}
		all = all[:c.topics]
	}
	if others != (topics.TopicBytes{}) {
		others.Name = "(others)"
		all = append(all, others)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nTOPIC\tGIB WRITTEN\tREAD\tMERGED\tCOMPACTED\tSHARE OF %s\n", c.prices.currency)
	for i := range all {
		t := &all[i]
		fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.6f\n", t.Name, gib(t.Bytes), gib(t.Read), gib(t.Merged), gib(t.Compacted), shared.of(t, &sum))
	}
	return w.Flush()
}

func gib(bytes int64) float64 { return float64(bytes) / (1 << 30) }
