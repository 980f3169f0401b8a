// Command metadata measures a Metadata Kafka Cluster of three processes on this machine, as its brokers see it: commits, failover, what idle clusters cost, the start of a node,
// and what one cluster feels of another. It prints one table; nothing passes or fails, for a loaded machine has other figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

var (
	only        = flag.String("only", "", "measure these only, separated by commas: commits, neighbour, failover, idle, start; nothing is saved")
	duration    = flag.Duration("duration", 10*time.Second, "length of each measurement")
	kills       = flag.Int("kills", 12, "leaders to kill")
	clusters    = flag.Int("clusters", 100, "idle clusters")
	coordinates = flag.Int("coordinates", 1_000_000, "coordinates on the disk of the node that starts")
	results     = flag.String("results", "", "folder that the table is saved in; empty for none")
	readme      = flag.String("readme", "", "README whose table is replaced; empty for none")
)

// measurements begin each with empty folders. One that ends in an error leaves no table.
var measurements = []struct {
	name  string
	nodes int
	run   func(context.Context, *world) ([]load.Row, error)
}{
	{"commits", 3, commits},
	{"neighbour", 3, neighbour},
	{"failover", 3, failover},
	{"idle", 3, idle},
	{"start", 1, start},
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "metadata:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	wanted, err := chosen(*only)
	if err != nil {
		return err
	}
	binary, err := servers.Build(ctx)
	if err != nil {
		return err
	}
	var rows []load.Row
	for _, m := range measurements {
		if !slices.Contains(wanted, m.name) {
			continue
		}
		more, err := inWorld(ctx, binary, m.nodes, m.run)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, more...)
	}
	if *only != "" { // a part does not replace the whole
		*results = ""
	}
	return load.Publish(load.Table("A Metadata cluster of three nodes", rows), "bench-metadata", *results, *readme)
}

// chosen are the names in only, or all.
func chosen(only string) ([]string, error) {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	if only == "" {
		return all, nil
	}
	names := strings.Split(only, ",")
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("-only %s: nothing measured is called %q; want some of %s, separated by commas", only, name, strings.Join(all, ","))
		}
	}
	return names, nil
}
