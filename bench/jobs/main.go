// Command jobs measures Compaction Jobs: how fast one broker merges with one core and in how much memory, what producers feel of it,
// and how fast merged history is read from a distant store. It prints one table; nothing passes or fails, for a loaded machine has other figures.
package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/test/servers"
)

var megabytes = flag.Int64("megabytes", 4000, "bytes of history, in 10^6")

func main() { load.Main("bench-jobs", measure) }

func measure(ctx context.Context) (load.Table, error) {
	rows, err := history(ctx)
	return load.Table{Title: "Compaction Jobs", Rows: rows}, err
}

// history is one data folder through all measurements that need a server: filled without merging, then merged under the eyes of a producer, then merged with one core,
// then read.
func history(ctx context.Context) (rows []load.Row, err error) {
	binary, err := servers.Build(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "inkwell-jobs-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := world{binary: binary, dir: dir, store: "file://" + filepath.Join(dir, "objects")}
	for _, measure := range []func(context.Context) ([]load.Row, error){w.whileMerging, w.merge, w.read} {
		more, err := measure(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
