// Command latency measures `inkwell dev` against a store whose PUTs take 100 ms, as a cloud's do, and at rest: the figures that a fast local folder hides. It
// prints one table; nothing passes or fails, for a loaded machine has other figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

var (
	putLatency = flag.Duration("put-latency", 100*time.Millisecond, "what each PUT takes longer")
	results    = flag.String("results", "", "folder that the table is saved in; empty for none")
	readme     = flag.String("readme", "", "README whose table is replaced; empty for none")
	duration   = flag.Duration("duration", 10*time.Second, "length of each measurement")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	binary, err := servers.Build(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "inkwell-latency-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := servers.StartInkwell(ctx, binary, servers.Options{
		Dir: dir, Store: fmt.Sprintf("file://%s?faulty_put_latency=%s", filepath.Join(dir, "objects"), *putLatency),
	})
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := server.Stop(); err == nil {
			err = stopErr
		}
	}()
	var rows []load.Row
	for _, measure := range []func(context.Context, *servers.Server) ([]load.Row, error){steady, pipelined, idle} {
		more, err := measure(ctx, server)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	return load.Publish(load.Table(fmt.Sprintf("store with %s PUTs", *putLatency), rows), "bench-latency", *results, *readme)
}
