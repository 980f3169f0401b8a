package compat

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write testdata from what Apache Kafka answers")

const (
	topicCommand   = "org.apache.kafka.tools.TopicCommand"
	producerTool   = "org.apache.kafka.tools.ConsoleProducer"
	consumerTool   = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	groupCommand   = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	configCommand  = "kafka.admin.ConfigCommand"
	offsetShell    = "org.apache.kafka.tools.GetOffsetShell"
	versionCommand = "org.apache.kafka.tools.BrokerApiVersionsCommand"
	perfTool       = "org.apache.kafka.tools.ProducerPerformance"
)

// toolSteps is one session at a terminal. What each prints is in testdata/tools.txt, as Apache Kafka had it.
var toolSteps = []struct {
	class  string
	args   string
	stdin  string
	sorted bool                   // lines come in any order
	keep   func(line string) bool // lines that matter; nil keeps all
	fails  bool
}{
	{class: topicCommand, args: "--create --topic console --partitions 3 --config max.message.bytes=500000"},
	{class: topicCommand, args: "--create --topic console", fails: true},
	{class: topicCommand, args: "--list", keep: func(l string) bool { return l == "console" }},
	{class: producerTool, args: "--topic console --reader-property parse.key=true --reader-property key.separator=:", stdin: consoleLines(40)},
	{class: consumerTool, args: "--topic console --from-beginning --max-messages 40 --timeout-ms 20000 --group console-group --formatter-property print.key=true --formatter-property print.partition=true --formatter-property print.offset=true", sorted: true},
	{class: groupCommand, args: "--describe --group console-group", sorted: true},
	{class: groupCommand, args: "--describe --group console-group --state"},
	{class: groupCommand, args: "--list", keep: func(l string) bool { return l == "console-group" }},
	{class: groupCommand, args: "--group console-group --topic console --reset-offsets --to-offset 2 --execute", sorted: true},
	{class: groupCommand, args: "--delete --group console-group"},
	{class: offsetShell, args: "--topic console"},
	{class: offsetShell, args: "--topic console --time earliest"},
	{class: configCommand, args: "--entity-type topics --entity-name console --alter --add-config retention.ms=7200000,cleanup.policy=compact"},
	{class: configCommand, args: "--entity-type topics --entity-name console --describe"},
	{class: configCommand, args: "--entity-type topics --entity-name console --describe --all", sorted: true},
	{class: configCommand, args: "--entity-type topics --entity-name console --alter --delete-config cleanup.policy"},
	{class: topicCommand, args: "--alter --topic console --partitions 4"},
	{class: topicCommand, args: "--describe --topic console"},
	{class: perfTool, args: "--topic console --num-records 1000 --record-size 100 --throughput -1 --command-property acks=all", keep: func(l string) bool { return strings.HasPrefix(l, "1000 records sent") }},
	{class: versionCommand, args: "", keep: requiredAPI},
	{class: topicCommand, args: "--delete --topic console"},
	{class: topicCommand, args: "--describe --topic console", fails: true, keep: func(l string) bool { return strings.HasPrefix(l, "Error while executing") }},
}

func consoleLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key-%d:value %d\n", i, i)
	}
	return b.String()
}

var apiLine = regexp.MustCompile(`^(\w+)\(\d+\): `)

// requiredAPI keeps the APIs that Inkwell promises.
func requiredAPI(line string) bool {
	m := apiLine.FindStringSubmatch(line)
	return m != nil && slices.Contains([]string{"ApiVersions", "Metadata", "CreateTopics", "DeleteTopics", "CreatePartitions", "Produce", "Fetch", "ListOffsets", "OffsetForLeaderEpoch",
		"FindCoordinator", "JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "OffsetFetch", "DescribeGroups", "ListGroups", "DeleteGroups", "OffsetDelete", "InitProducerId",
		"DescribeCluster", "DescribeConfigs", "IncrementalAlterConfigs", "AlterConfigs", "DescribeTopicPartitions", "DescribeLogDirs", "DeleteRecords", "DescribeProducers"}, m[1])
}

// What differs from run to run.
var normal = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST:PORT"},
	{regexp.MustCompile(`TopicId: \S{22}`), "TopicId: ID"},
	{regexp.MustCompile(`^\[\d{4}-\d\d-\d\d [\d:,]+\] `), "[TIME] "},
	{regexp.MustCompile(`1000 records sent.*`), "1000 records sent"},
	{regexp.MustCompile(`^The consumer rebalance protocol \(KIP-848\).*`), ""}, // advertised where the server has it
	// Eligible leader replicas make Kafka write a cluster-wide setting of its own; Inkwell has no replicas to elect.
	{regexp.MustCompile(`DYNAMIC_DEFAULT_BROKER_CONFIG:min\.insync\.replicas=1, `), ""},
	{regexp.MustCompile(`Configs: min\.insync\.replicas=1,`), "Configs: "},
	{regexp.MustCompile(`[ \t]+`), " "}, // columns are as wide as their contents
}

func TestTools(t *testing.T) {
	golden := filepath.Join("testdata", "tools.txt")
	for _, sys := range systems {
		t.Run(sys.name, func(t *testing.T) {
			got := make([]string, len(toolSteps))
			for i, step := range toolSteps {
				got[i] = runTool(t, sys, i)
				if *rewrite && sys.name == "kafka" {
					t.Logf("$ %s %s\n%s", step.class, step.args, got[i])
				}
			}
			if *rewrite && sys.name == "kafka" {
				if err := os.WriteFile(golden, []byte(strings.Join(got, "")), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			text, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			want := splitSteps(string(text))
			if len(want) != len(got) {
				t.Fatalf("testdata/tools.txt has %d steps, the test %d: run with -rewrite", len(want), len(got))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s", lineDiff(want[i], got[i]))
				}
			}
		})
	}
}

func splitSteps(text string) []string {
	var steps []string
	for _, line := range strings.SplitAfter(text, "\n") {
		if strings.HasPrefix(line, "$ ") {
			steps = append(steps, "")
		}
		if len(steps) > 0 {
			steps[len(steps)-1] += line
		}
	}
	return steps
}

// lineDiff shows the step and the lines that only one of the two has.
func lineDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	b.WriteString(g[0])
	for _, line := range w {
		if !slices.Contains(g, line) {
			b.WriteString("\n\tKafka: " + line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			b.WriteString("\n\there:  " + line)
		}
	}
	return b.String()
}

// runTool is the step's command and what it printed, normalised.
func runTool(t *testing.T, sys *system, i int) string {
	t.Helper()
	step := toolSteps[i]
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	args := append(append([]string{}, javaFlags...), "-cp", sys.tools.classPath, step.class, "--bootstrap-server", sys.bootstrap())
	cmd := exec.CommandContext(ctx, "java", append(args, strings.Fields(step.args)...)...)
	cmd.Stdin = strings.NewReader(step.stdin)
	out, err := cmd.CombinedOutput()
	if (err != nil) != step.fails {
		t.Errorf("%s %s: %v\n%s", step.class, step.args, err, out)
	}
	var lines []string
	for _, line := range strings.Split(string(out), "\n") {
		for _, n := range normal {
			line = n.pattern.ReplaceAllString(line, n.with)
		}
		line = strings.TrimSpace(line)
		if line != "" && (step.keep == nil || step.keep(line)) {
			lines = append(lines, line)
		}
	}
	if step.sorted {
		slices.Sort(lines)
	}
	name := step.class[strings.LastIndexByte(step.class, '.')+1:]
	return strings.TrimSpace("$ "+name+" "+step.args) + "\n" + strings.Join(append(lines, ""), "\n")
}
