package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
)

// results has, for each system, each figure's values in the order of the rounds.
type results map[string]map[string][]float64

func (r results) add(system string, values map[string]float64) {
	if r[system] == nil {
		r[system] = map[string][]float64{}
	}
	for name, v := range values {
		r[system][name] = append(r[system][name], v)
	}
}

func median(vs []float64) float64 {
	if len(vs) == 0 {
		return 0
	}
	s := append([]float64(nil), vs...)
	sort.Float64s(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ratios are taken round by round, so that they hold when the machine's speed drifts.
func ratios(a, b []float64) (out []float64) {
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

// table is the Markdown table of medians and of the median ratio Inkwell / Kafka.
func (r results) table() string {
	var b strings.Builder
	fmt.Fprintln(&b, "| Figure | Inkwell | Apache Kafka | ratio | better |")
	fmt.Fprintln(&b, "|---|---:|---:|---:|---|")
	for _, f := range figures {
		better := "higher"
		if f.lowerBetter {
			better = "lower"
		}
		ink, kaf := r["inkwell"][f.name], r["kafka"][f.name]
		fmt.Fprintf(&b, "| %s, %s | %s | %s | %s | %s |\n", f.name, f.unit, show(median(ink), len(ink)), show(median(kaf), len(kaf)), show(median(ratios(ink, kaf)), min(len(ink), len(kaf))), better)
	}
	return b.String()
}

func show(v float64, n int) string {
	switch {
	case n == 0:
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// updateReadme replaces the README's table.
func updateReadme(path, saved string, rounds int, n sizes, r results) error {
	return load.UpdateReadme(path, "bench", fmt.Sprintf("%s, medians of %d alternating rounds, records of %d bytes, acks=all ([results](%s)):\n\n%s", load.Machine(), rounds, recordBytes, saved, r.table()))
}

func save(folder string, rounds int, n sizes, r results) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(folder, time.Now().UTC().Format("2006-01-02T150405Z")+".md")
	text := fmt.Sprintf("# inkwell dev and Apache Kafka 4.3.1, %s\n\n%s. Medians of %d alternating rounds; %d records of %d bytes for throughput, acks=all.\n\n%s",
		time.Now().UTC().Format("2006-01-02"), load.Machine(), rounds, n.throughput, recordBytes, r.table())
	return path, os.WriteFile(path, []byte(text), 0o644)
}
