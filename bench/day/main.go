// Command day counts what merging makes of a day of small objects, in the state machine of the Batch Coordinator: the same figures on any machine, in a quarter of an hour of one core.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/inkwell-project/inkwell/bench/load"
)

func main() { load.Main("bench-day", day) }

var dayReport = regexp.MustCompile(`(\d+) batches, .* live coordinates (\d+) .* state (\d+) B per coordinate; rewritten ([\d.]+)`)

// day runs the state machine's test of a day at its full size: four objects a second with batches of 100 of 1,000 partitions.
func day(ctx context.Context) (load.Table, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout", "60m", "-run", "^TestDayOfMerges$", "./metadata/batchcoordinator/state")
	cmd.Env = append(os.Environ(), "INKWELL_DAY_OF_MERGES=sparse")
	text, err := cmd.CombinedOutput()
	m := dayReport.FindSubmatch(text)
	if err != nil || m == nil {
		return load.Table{}, fmt.Errorf("TestDayOfMerges: %w\n%s", err, text)
	}
	batches, err1 := strconv.ParseFloat(string(m[1]), 64)
	coordinates, err2 := strconv.ParseFloat(string(m[2]), 64)
	if err := errors.Join(err1, err2); err != nil {
		return load.Table{}, err
	}
	return load.Table{Title: "24 h of 4 objects a second, simulated", Rows: []load.Row{
		{Figure: fmt.Sprintf("1,000 partitions, %.1f million batches: live coordinates after merge", batches/1e6), Measured: fmt.Sprintf("1/%.0f of the batches", batches/coordinates), Target: "1/50"},
		{Figure: "state per coordinate", Measured: string(m[3]) + " bytes", Target: "200 bytes"},
		{Figure: "bytes rewritten per byte produced", Measured: string(m[4]), Target: "2.2"},
	}}, nil
}
