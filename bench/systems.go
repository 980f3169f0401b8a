package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/bench/load"
)

// system is one of the two contestants.
type system struct {
	name      string
	bootstrap string
	// start starts it with an empty folder.
	start func(dir string) (*process, error)
	// afterwards counts what the server did for itself with what was produced, and what it knows that is left to do; nil if that is nothing.
	afterwards func() (done, left float64, err error)
}

const (
	inkwellAddr    = "127.0.0.1:29092"
	inkwellHTTP    = "127.0.0.1:28080"
	kafkaAddr      = "127.0.0.1:29192"
	kafkaQuorum    = "127.0.0.1:29193"
	startDeadline  = 60 * time.Second
	kafkaClusterID = "AAAAAAAAAAAAAAAAAAAAAQ"
)

func inkwellSystem(binary string, extra []string) system {
	return system{name: "inkwell", bootstrap: inkwellAddr, start: func(dir string) (*process, error) {
		args := append([]string{"dev", "--listen", inkwellAddr, "--data", filepath.Join(dir, "data"), "--store", "file://" + filepath.Join(dir, "objects"), "--http", inkwellHTTP}, extra...)
		return startProcess(filepath.Join(dir, "server.log"), binary, args...)
	}, afterwards: func() (done, left float64, err error) {
		samples, err := load.Metrics(context.Background(), inkwellHTTP)
		done = samples[`inkwell_compaction_bytes_total{direction="read",job="merge"}`]
		for name, value := range samples {
			switch metric, _, _ := strings.Cut(name, "{"); metric {
			case "inkwell_batchcoordinator_objects_released_total":
				left += value
			case "inkwell_batchcoordinator_objects_deleted_total":
				left -= value
			}
		}
		return done, left, err
	}}
}

// kafkaSystem is one KRaft node with default settings and the heap options of Kafka's own start script.
func kafkaSystem(classPath string) system {
	return system{name: "kafka", bootstrap: kafkaAddr, start: func(dir string) (*process, error) {
		config := filepath.Join(dir, "server.properties")
		text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
`, kafkaAddr, kafkaQuorum, filepath.Join(dir, "data"))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		if out, err := exec.Command("java", "-cp", classPath, "kafka.tools.StorageTool", "format", "-t", kafkaClusterID, "-c", config, "--standalone").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("formatting Kafka's storage: %w\n%s", err, out)
		}
		return startProcess(filepath.Join(dir, "server.log"), "java", "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
			"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-cp", classPath, "kafka.Kafka", config)
	}}
}

// firstRecord produces one record to a topic that does not exist yet, trying until the server takes it.
func firstRecord(bootstrap string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	for {
		err := func() error {
			client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.AllowAutoTopicCreation(), kgo.MetadataMinAge(10*time.Millisecond),
				kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }))
			if err != nil {
				return err
			}
			defer client.Close()
			once, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return client.ProduceSync(once, &kgo.Record{Topic: "first", Value: []byte("first")}).FirstErr()
		}()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
