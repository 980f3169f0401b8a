// Command metadata measures a Metadata Kafka Cluster of three processes on this machine, as its brokers see it: commits, failover, what idle clusters cost, the start of a node,
// and what one cluster feels of another. It prints one table; nothing passes or fails, for a loaded machine has other figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

var (
	only        = flag.String("only", "", "measure these only, separated by commas: commits, steady, large, neighbour, failover, idle, start; nothing is saved")
	duration    = flag.Duration("duration", 10*time.Second, "length of each measurement")
	kills       = flag.Int("kills", 12, "leaders to kill")
	clusters    = flag.Int("clusters", 100, "idle clusters")
	coordinates = flag.Int("coordinates", 1_000_000, "coordinates on the disk of the node that starts")
)

// measurements begin each with empty folders. One that ends in an error leaves no table.
var measurements = []struct {
	name  string
	nodes int
	run   func(context.Context, *world) ([]load.Row, error)
}{
	{"commits", 3, commits},
	{"steady", 3, steadyCommits},
	{"large", 3, largeCommits},
	{"neighbour", 3, neighbour},
	{"failover", 3, failover},
	{"idle", 3, idle},
	{"start", 1, start},
}

func main() { load.Main("bench-metadata", measure) }

func measure(ctx context.Context) (table load.Table, err error) {
	table.Title, table.Part = "A Metadata cluster of three nodes", *only != ""
	wanted, err := chosen(*only)
	if err != nil {
		return table, err
	}
	binary, err := servers.Build(ctx)
	if err != nil {
		return table, err
	}
	for _, m := range measurements {
		if !slices.Contains(wanted, m.name) {
			continue
		}
		more, err := inWorld(ctx, binary, m.nodes, m.run)
		if err != nil {
			return table, fmt.Errorf("%s: %w", m.name, err)
		}
		table.Rows = append(table.Rows, more...)
	}
	return table, nil
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
