package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectverify"
	"github.com/inkwell-project/inkwell/rpc"
)

// The last word of a report is CLEAN only if everything was looked at and nothing found.
func TestReportsLastWord(t *testing.T) {
	finding := objectverify.Finding{Kind: objectverify.Missing, Coordinator: -1, Text: "gone"}
	for name, test := range map[string]struct {
		report objectverify.Report
		repair bool
		ended  bool
		want   string
		also   string
	}{
		"clean":              {objectverify.Report{Coordinates: 3}, false, true, "CLEAN", "coordinates: 3 of"},
		"did not end":        {objectverify.Report{}, false, false, "INCOMPLETE: it did not come to its end", ""},
		"unchecked":          {objectverify.Report{Unchecked: 2, FirstUnchecked: []string{"this: away"}}, false, true, "INCOMPLETE: 2 things could not be looked at", "could not look at this: away"},
		"found, did not end": {objectverify.Report{Findings: 1}, false, false, "NOT CLEAN: 1 findings", "1 more findings are not listed"},
		"found": {objectverify.Report{Findings: 2, ByKind: map[objectverify.Kind]int64{finding.Kind: 2}, First: []objectverify.Finding{finding, finding}, Unchecked: 1}, false, true,
			"NOT CLEAN: 2 findings", "found: 2 × missing object"},
		"would repair": {objectverify.Report{Findings: 1, Repairable: 1, RepairableBytes: 5}, false, true, "NOT CLEAN: 1 findings", "--repair would delete 1 unreferenced objects, 5 bytes"},
		"repaired":     {objectverify.Report{Findings: 1, Repairable: 1, Repaired: 1, RepairedBytes: 5}, true, true, "NOT CLEAN: 1 findings", "deleted 1 of 1 unreferenced objects, 5 bytes"},
	} {
		var out bytes.Buffer
		printReport(&out, &test.report, test.repair, test.ended)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if lines[len(lines)-1] != test.want || !strings.Contains(out.String(), test.also) {
			t.Errorf("%s:\n%s", name, &out)
		}
	}
}

func TestObjectCommandsRefuseWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		run  command
		args string
		want string
	}{
		{runObjectVerify, "--cluster a", "--store is not set"},
		{runObjectVerify, "--store memory:", "--cluster is \"\""},
		{runObjectVerify, "--store memory: --cluster a/b", "--cluster is \"a/b\""},
		{runObjectVerify, "--data /nowhere/at/all", "no folder of an `inkwell dev`"},
		{runObjectVerify, "--data . --cluster other", "the cluster in --data is dev"},
		{runObjectVerify, "--store memory: --cluster a now", "unexpected"},
		{runObjectInspect, "--store memory:", "give one KEY"},
		{runObjectInspect, "a b --store memory:", "there are 2"},
		{runObjectInspect, "a", "--store is not set"},
		{runObjectJobs, "--cluster a --retry delete", "want merge, compact or sweep"},
		{runObjectJobs, "", "--cluster is \"\""},
	} {
		if err := test.run(context.Background(), strings.Fields(test.args)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.args, err, test.want)
		}
	}
}

// worker is a cluster with work of all states, in pages of two.
type worker struct {
	rpc.MetadataCluster
	items   []rpc.WorkItem
	retried []rpc.WorkKind
}

func (w *worker) DescribeCluster(context.Context, *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return &rpc.DescribeClusterResponse{BatchCoordinators: 1}, nil
}

func (w *worker) DescribeWork(_ context.Context, req *rpc.DescribeWorkRequest) (*rpc.DescribeWorkResponse, error) {
	resp := &rpc.DescribeWorkResponse{Kinds: []rpc.WorkSummary{{Kind: rpc.WorkMerge, Waiting: 1, Running: 1, Failed: 1, Parked: 1, Attempts: 9, OldestMillis: 40_000}}}
	from := 0
	if len(req.From) > 0 {
		from = int(req.From[0])
	}
	to := min(from+int(min(req.MaxItems, 2)), len(w.items))
	resp.Items = w.items[from:to]
	if to < len(w.items) {
		resp.Next = []byte{byte(to)}
	}
	return resp, nil
}

func (w *worker) RetryWork(_ context.Context, req *rpc.RetryWorkRequest) (*rpc.RetryWorkResponse, error) {
	w.retried = append(w.retried, req.Kind)
	return &rpc.RetryWorkResponse{Items: 3}, nil
}

func TestJobs(t *testing.T) {
	w := &worker{items: []rpc.WorkItem{
		{Kind: rpc.WorkMerge, State: rpc.WorkRunning, Subject: "group 7 of commits", Attempts: 2, SinceMillis: 90_000, Lease: 12, Broker: 3, BrokerEpoch: 44, DeadlineMillis: 130_000},
		{Kind: rpc.WorkSweep, Subject: "epoch 40 of broker 2, round 1", SinceMillis: 100_000, NextMillis: 160_000},
		{Kind: rpc.WorkMerge, State: rpc.WorkParked, Subject: "group 6 of commits", Attempts: 9, SinceMillis: 40_000, Cause: "object 1-2: it is cut", Damaged: []kafka.ObjectID{{Epoch: 1, Sequence: 2}}},
		{Kind: rpc.WorkMerge, State: rpc.WorkFailed, Subject: "group 8 of commits", Attempts: 1, SinceMillis: 99_000, NextMillis: 99_500, Cause: "throttled"},
	}}
	var out bytes.Buffer
	j := jobs{cluster: w, name: "orders", items: 100, now: time.UnixMilli(100_000), out: &out}
	if err := j.run(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`coordinator 0
  KIND   WAITING  RUNNING  FAILED  PARKED  ATTEMPTS  OLDEST
  merge  1        1        1       1       9         1m0s
  merge running: group 7 of commits, for 10s, attempt 2, lease 12 at broker 3 (epoch 44) runs out in 30s
  sweep waiting: epoch 40 of broker 2, round 1, for 0s, again in 1m0s
  merge parked: group 6 of commits, for 1m0s, attempt 9
    failed: object 1-2: it is cut
    object: %s
  merge failed: group 8 of commits, for 1s, attempt 1
    failed: throttled
`, kafka.ObjectID{Epoch: 1, Sequence: 2}.Key("orders"))
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	out.Reset()
	j.items = 2
	if err := j.run(t.Context(), rpc.WorkMerge); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "coordinator 0: 3 parked jobs of kind merge are tried again\n") || strings.Contains(got, "group 6") || !strings.Contains(got, "more are not listed") {
		t.Error(got)
	}
	if len(w.retried) != 1 || w.retried[0] != rpc.WorkMerge {
		t.Error(w.retried)
	}
}

func TestExitCodes(t *testing.T) {
	commands["test"] = func(_ context.Context, args []string) error {
		if args[0] == "findings" {
			return fmt.Errorf("2 of them: %w", exitFindings)
		}
		return errors.New("no way")
	}
	defer delete(commands, "test")
	if got := run([]string{"test", "findings"}); got != 3 {
		t.Errorf("findings: exit code %d", got)
	}
	if got := run([]string{"test", "other"}); got != 1 {
		t.Errorf("another error: exit code %d", got)
	}
}
