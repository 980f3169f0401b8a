// Command latency measures `inkwell dev` against a store whose PUTs take 100 ms, as a cloud's do, and at rest: the figures that a fast local folder hides. It
// prints one table; nothing passes or fails, for a loaded machine has other figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

var (
	putLatency = flag.Duration("put-latency", 100*time.Millisecond, "what each PUT takes longer")
	duration   = flag.Duration("duration", 10*time.Second, "length of each measurement")
)

func main() { load.Main("bench-latency", measure) }

func measure(ctx context.Context) (table load.Table, err error) {
	table.Title = fmt.Sprintf("store with %s PUTs", *putLatency)
	binary, err := servers.Build(ctx)
	if err != nil {
		return table, err
	}
	dir, err := os.MkdirTemp("", "inkwell-latency-")
	if err != nil {
		return table, err
	}
	defer os.RemoveAll(dir)
	server, err := servers.StartInkwell(ctx, binary, servers.Options{
		Dir: dir, Store: fmt.Sprintf("file://%s?faulty_put_latency=%s", filepath.Join(dir, "objects"), *putLatency),
	})
	if err != nil {
		return table, err
	}
	defer func() {
		if stopErr := server.Stop(); err == nil {
			err = stopErr
		}
	}()
	for _, part := range []func(context.Context, *servers.Server) ([]load.Row, error){steady, pipelined, idle} {
		more, err := part(ctx, server)
		if err != nil {
			return table, err
		}
		table.Rows = append(table.Rows, more...)
	}
	return table, nil
}
