package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

const jobsIntro = `Lists what the Compaction Jobs of a cluster have to do: what waits, what runs and where, what failed and why, and what is parked because it failed too often.

  inkwell object jobs --metadata HOST:PORT --cluster NAME                   with INKWELL_CLUSTER_PASSWORD, as a broker has it
  inkwell object jobs --metadata HOST:PORT --cluster NAME --retry merge     has parked merges tried again at once
  inkwell object jobs --data DIR                                            the folder of an inkwell dev that is stopped`

// workKinds are the kinds of jobs by name.
func workKinds() map[string]rpc.WorkKind {
	kinds := map[string]rpc.WorkKind{}
	for k := rpc.WorkDelete; k <= rpc.WorkSweep; k++ {
		kinds[k.String()] = k
	}
	return kinds
}

// jobs prints the work of a cluster.
type jobs struct {
	cluster rpc.MetadataCluster
	name    kafka.ClusterID
	items   int64 // at most, of each coordinator
	now     time.Time
	out     io.Writer
}

// runObjectJobs lists work, and takes up what is parked.
func runObjectJobs(ctx context.Context, args []string) (err error) {
	var access clusterAccess
	var retry string
	j := jobs{out: os.Stdout, now: time.Now()}
	s := settings.New("object jobs", jobsIntro)
	access.define(s)
	s.Int(&j.items, "items", 100, 0, 1_000_000, "jobs that are listed of each coordinator; all are counted")
	s.String(&retry, "retry", "", "a kind of jobs whose parked ones are tried again: merge, compact or sweep", func(v string) error {
		if k := workKinds()[v]; v != "" && (k == 0 || k == rpc.WorkDelete) { // deletions are never parked
			return errors.New("want merge, compact or sweep")
		}
		return nil
	})
	if err := errors.Join(s.Load(args, os.Environ(), os.Stdout), noArguments(s)); err != nil {
		return err
	}
	cluster, closeCluster, err := access.open(ctx)
	if err != nil {
		return err
	}
	defer closeInto(&err, closeCluster)
	j.cluster, j.name = cluster, kafka.ClusterID(access.cluster)
	return j.run(ctx, workKinds()[retry])
}

func (j *jobs) run(ctx context.Context, retry rpc.WorkKind) error {
	d, err := j.cluster.DescribeCluster(ctx, &rpc.DescribeClusterRequest{})
	if err != nil {
		return fmt.Errorf("asking which coordinators cluster %s has: %w", j.name, err)
	}
	for c := range d.BatchCoordinators {
		if retry != 0 {
			r, err := j.cluster.RetryWork(ctx, &rpc.RetryWorkRequest{Coordinator: c, Kind: retry})
			if err != nil {
				return fmt.Errorf("taking up parked jobs of coordinator %d: %w", c, err)
			}
			fmt.Fprintf(j.out, "coordinator %d: %d parked jobs of kind %s are tried again\n", c, r.Items, retry)
		}
		if err := j.coordinator(ctx, c); err != nil {
			return fmt.Errorf("asking coordinator %d for its jobs: %w", c, err)
		}
	}
	return nil
}

// describedItems is how many are asked for at once.
const describedItems = 500

// coordinator prints one coordinator's jobs, page by page.
func (j *jobs) coordinator(ctx context.Context, coordinator int32) error {
	req := &rpc.DescribeWorkRequest{Coordinator: coordinator, MaxItems: int32(min(j.items, describedItems))}
	left := j.items
	for first := true; ; first = false {
		d, err := j.cluster.DescribeWork(ctx, req)
		if err != nil {
			return err
		}
		if first {
			fmt.Fprintf(j.out, "coordinator %d\n", coordinator)
			j.summary(d.Kinds)
		}
		for i := range d.Items {
			j.item(&d.Items[i])
		}
		left -= int64(len(d.Items))
		req.From, req.MaxItems = d.Next, int32(min(left, describedItems))
		if len(d.Next) == 0 || left <= 0 {
			if len(d.Next) > 0 && j.items > 0 {
				fmt.Fprintln(j.out, "  more are not listed: --items")
			}
			return nil
		}
	}
}

func (j *jobs) summary(kinds []rpc.WorkSummary) {
	w := tabwriter.NewWriter(j.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  KIND\tWAITING\tRUNNING\tFAILED\tPARKED\tATTEMPTS\tOLDEST")
	for _, k := range kinds {
		oldest := "-"
		if k.OldestMillis > 0 {
			oldest = j.since(k.OldestMillis)
		}
		fmt.Fprintf(w, "  %s\t%d\t%d\t%d\t%d\t%d\t%s\n", k.Kind, k.Waiting, k.Running, k.Failed, k.Parked, k.Attempts, oldest)
	}
	w.Flush()
}

// item prints a line, and one for the cause of a failure.
func (j *jobs) item(i *rpc.WorkItem) {
	fmt.Fprintf(j.out, "  %s %s: %s, for %s", i.Kind, i.State, i.Subject, j.since(i.SinceMillis))
	if i.Attempts > 0 {
		fmt.Fprintf(j.out, ", attempt %d", i.Attempts)
	}
	switch {
	case i.State == rpc.WorkRunning:
		fmt.Fprintf(j.out, ", lease %d at broker %d (epoch %d) %s", i.Lease, i.Broker, i.BrokerEpoch, j.until("runs out", i.DeadlineMillis))
	case i.NextMillis > j.now.UnixMilli():
		fmt.Fprintf(j.out, ", %s", j.until("again", i.NextMillis))
	}
	fmt.Fprintln(j.out)
	if i.Cause != "" {
		fmt.Fprintf(j.out, "    failed: %s\n", i.Cause)
	}
	for _, id := range i.Damaged {
		fmt.Fprintf(j.out, "    object: %s\n", id.Key(j.name))
	}
}

func (j *jobs) since(millis int64) string {
	return max(j.now.Sub(time.UnixMilli(millis)), 0).Round(time.Second).String()
}

func (j *jobs) until(what string, millis int64) string {
	d := time.UnixMilli(millis).Sub(j.now).Round(time.Second)
	if d < 0 {
		return fmt.Sprintf("%s %s ago", what, -d)
	}
	return fmt.Sprintf("%s in %s", what, d)
}
