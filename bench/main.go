package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/inkwell-project/inkwell/bench/load"
)

func main() {
	rounds := flag.Int("rounds", 3, "rounds; each measures both systems once, in turn")
	records := flag.Int("records", 1_000_000, "records of 1 KiB in each throughput step")
	only := flag.String("only", "", "measure one system only: inkwell or kafka")
	binary := flag.String("inkwell", "bin/inkwell", "the binary under test")
	extra := flag.String("inkwell-flags", "", "more flags for inkwell dev, separated by spaces")
	work := flag.String("work", "bench/work", "folder for the servers' data, emptied")
	out := flag.String("results", "bench/results", "folder that the table is saved in; empty for none")
	readme := flag.String("readme", "", "README whose table is replaced; empty for none")
	flag.Parse()
	if err := bench(*rounds, *records, *only, *binary, strings.Fields(*extra), *work, *out, *readme); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(rounds, records int, only, binary string, extra []string, work, out, readme string) error {
	classPath, err := exec.Command("test/tools/kafka.sh").Output()
	if err != nil {
		return fmt.Errorf("test/tools/kafka.sh: %w", err)
	}
	if work, err = filepath.Abs(work); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	t := tools{classPath: strings.TrimSpace(string(classPath))}
	n := sizes{throughput: records, latency: min(records, 100_000), single: min(records/100, 5_000)}
	contestants := []system{inkwellSystem(binary, extra), kafkaSystem(t.classPath)}
	all := results{}
	for round := range rounds {
		for i := range contestants {
			s := contestants[(i+round)%len(contestants)] // who goes first alternates, too
			if only != "" && s.name != only {
				continue
			}
			values, err := measure(s, t, n, work)
			if err != nil {
				return err
			}
			all.add(s.name, values)
			fmt.Printf("round %d of %d: %s done\n", round+1, rounds, s.name)
		}
	}
	fmt.Printf("\n%s\n\n%s", load.Machine(), all.table())
	if out == "" || only != "" {
		return nil
	}
	path, err := save(out, rounds, n, all)
	if err != nil {
		return err
	}
	fmt.Println("\nsaved in", path)
	if readme == "" {
		return nil
	}
	return updateReadme(readme, path, rounds, n, all)
}
