package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const kafkaClusterID = "AAAAAAAAAAAAAAAAAAAAAQ"

// smallJVM keeps a JVM that runs for a minute cheap: quick start, one compiler tier, little memory.
var smallJVM = []string{"-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}

// StartKafka starts one KRaft node of Apache Kafka from the jars of classPath. Fewer partitions of the internal topics than Kafka's 50 make its start shorter.
func StartKafka(ctx context.Context, classPath string, opts Options) (*Server, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	quorum, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(opts.Dir, "server.properties")
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=%[3]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[3]s
advertised.listeners=PLAINTEXT://%[2]s,CONTROLLER://%[3]s
controller.listener.names=CONTROLLER
log.dirs=%[4]s
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
%[5]s
`, opts.Listen, opts.Advertised, quorum, filepath.Join(opts.Dir, "data"), strings.Join(opts.Extra, "\n"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	format := exec.CommandContext(ctx, "java", append(append([]string{}, smallJVM...), "-cp", classPath, "kafka.tools.StorageTool", "format", "-t", kafkaClusterID, "-c", config, "--standalone", "--ignore-formatted")...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("formatting Kafka's storage: %w\n%s", err, out)
	}
	s := &Server{Name: "kafka", Listen: opts.Listen, opts: opts, run: func() *exec.Cmd {
		return exec.Command("java", append(append([]string{}, smallJVM...), "-cp", classPath, "kafka.Kafka", config)...)
	}}
	return s, s.Start(ctx)
}
