package processes

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/test/servers"
)

// three is a Metadata cluster of three nodes, each a process.
func three(t *testing.T, path string) (addresses string, nodes []*servers.Server) {
	for id := 1; id <= 3; id++ {
		at, err := servers.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		extra := []string{"--node.id", strconv.Itoa(id), "--rack", "zone-" + strconv.Itoa(id), "--data", dir + "/data", "--raft.listen", at, "--group.initial.rebalance.delay", "0s"}
		if id > 1 {
			extra = append(extra, "--join", nodes[0].Listen)
		}
		s := keep(t)(servers.StartInkwellRole(t.Context(), path, "metadata", servers.Options{Dir: dir, Extra: extra}))
		addresses += "," + s.Listen
		nodes = append(nodes, s)
	}
	return addresses[1:], nodes
}

var internalTopics = []string{"__batch_coordinates.red", "__cluster_metadata", "__consumer_offsets.red", "__metadata.red"}

// awaitInSync waits until each partition of the internal topics is on all three nodes.
func awaitInSync(t *testing.T, address string) {
	t.Helper()
	admin := kadm.NewClient(client(t, address))
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // what other processes do has no other sign
		topics, err := admin.ListTopics(t.Context(), internalTopics...)
		good := err == nil
		for _, name := range internalTopics {
			good = good && len(topics[name].Partitions) > 0
			for _, p := range topics[name].Partitions {
				good = good && p.Leader > 0 && len(p.ISR) == 3
			}
		}
		if good {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the internal topics are not in sync on three nodes: %v, %v", topics, err)
		}
	}
}

// TestKafkaToolsOnThreeNodes: what Kafka's own tools show an administrator of the internal topics and of the quorum.
func TestKafkaToolsOnThreeNodes(t *testing.T) {
	classPath, err := servers.Tool(t.Context(), "kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := binary(t)
	addresses, nodes := three(t, path)
	first := nodes[0]
	s := &system{t: t, binary: path, metadata: first}
	secret := s.create("red", "--group.coordinators", "4")
	b := keep(t)(servers.StartInkwellRole(t.Context(), path, "broker", servers.Options{Dir: t.TempDir(), Env: []string{"INKWELL_CLUSTER_PASSWORD=" + secret},
		Extra: []string{"--metadata", addresses, "--cluster", "red", "--store", "file://" + t.TempDir()}}))
	commitOffsets(t, b)
	awaitInSync(t, first.Listen)

	tool := func(class string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		java := []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", classPath, class, "--bootstrap-server", addresses}
		out, err := exec.CommandContext(ctx, "java", append(java, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s %v: %v\n%s", class, args, err, out)
		}
		return string(out)
	}
	const consumer = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	// Not that of the brokers' membership group, whose records the formatter reads and does not show.
	readersPartition := strconv.Itoa(int(kafka.PartitionFor("readers", 4)))
	for _, tc := range []struct {
		class string
		args  string
		want  []string // patterns
	}{
		{"org.apache.kafka.tools.TopicCommand", "--list", internalTopics},
		{"org.apache.kafka.tools.TopicCommand", "--describe --topic __metadata.red", []string{
			`Topic: __metadata\.red\s.*PartitionCount: 1\s+ReplicationFactor: 3`, `Partition: 0\s+Leader: [123]\s+Replicas: [123],[123],[123]\s+Isr: [123],[123],[123]`}},
		{consumer, "--topic __metadata.red --from-beginning --max-messages 1 --timeout-ms 30000 --formatter-property print.key=true", []string{`(?m)^(broker/|topic/|producer-ids|feature/|config/)`, `Processed a total of 1 messages`}},
		{consumer, "--topic __consumer_offsets.red --partition " + readersPartition + " --offset earliest --max-messages 1 --timeout-ms 30000 --formatter org.apache.kafka.tools.consumer.OffsetsMessageFormatter", []string{
			`"group":"readers"`, `"topic":"t"`, `"offset":7`}},
		{"org.apache.kafka.tools.MetadataQuorumCommand", "describe --status", []string{
			`LeaderId:\s+[123]`, `HighWatermark:\s+[1-9]`, `MaxFollowerLag:\s+\d`, `CurrentVoters:.*1.*2.*3`, `CurrentObservers:\s+\[\]`}},
		{"org.apache.kafka.tools.MetadataQuorumCommand", "describe --replication", []string{`(?m)^1\s.*(Leader|Follower)`, `(?m)^2\s.*(Leader|Follower)`, `(?m)^3\s.*(Leader|Follower)`, `\sLeader\s`}},
	} {
		out := tool(tc.class, strings.Fields(tc.args)...)
		for _, pattern := range tc.want {
			if !regexp.MustCompile(pattern).MatchString(out) {
				t.Errorf("%s %s does not show %q:\n%s", tc.class, tc.args, pattern, out)
			}
		}
	}
}

// commitOffsets has the group readers commit an offset of t-0.
func commitOffsets(t *testing.T, b *servers.Server) {
	t.Helper()
	c := only(t, b, kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation())
	if err := c.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "t", At: 7, LeaderEpoch: -1})
	if err := kadm.NewClient(c).CommitAllOffsets(t.Context(), "readers", offsets); err != nil {
		t.Fatal(err)
	}
}
