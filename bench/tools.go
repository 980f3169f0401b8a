package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// tools runs Kafka's own command line tools.
type tools struct {
	classPath string
}

func (t tools) run(class string, args ...string) (string, error) {
	out, err := exec.Command("java", append([]string{"-Xmx512M", "-cp", t.classPath, class}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", class, strings.Join(args, " "), err, tail(string(out)))
	}
	return string(out), nil
}

func tail(s string) string {
	if len(s) > 4000 {
		return s[len(s)-4000:]
	}
	return s
}

func (t tools) createTopic(bootstrap, topic string, partitions int, configs ...string) error {
	args := []string{"--bootstrap-server", bootstrap, "--create", "--topic", topic, "--partitions", strconv.Itoa(partitions)}
	for _, c := range configs {
		args = append(args, "--config", c)
	}
	_, err := t.run("org.apache.kafka.tools.TopicCommand", args...)
	return err
}

// produced is what kafka-producer-perf-test reports.
type produced struct {
	mbPerSecond float64 // of 10^6 bytes
	p50, p99    time.Duration
}

var producerReport = regexp.MustCompile(`\(([\d.]+) MB/sec\).*?(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th`)

func (t tools) produce(bootstrap, topic string, records int, throughput int, properties ...string) (produced, error) {
	args := []string{"--bootstrap-server", bootstrap, "--topic", topic, "--num-records", strconv.Itoa(records), "--record-size", strconv.Itoa(recordBytes),
		"--throughput", strconv.Itoa(throughput), "--reporting-interval", "3600000", "--command-property", "acks=all"}
	out, err := t.run("org.apache.kafka.tools.ProducerPerformance", append(args, properties...)...)
	if err != nil {
		return produced{}, err
	}
	reports := producerReport.FindAllStringSubmatch(out, -1)
	if len(reports) == 0 || strings.Contains(out, "Exception") {
		return produced{}, fmt.Errorf("kafka-producer-perf-test reported:\n%s", tail(out))
	}
	m := reports[len(reports)-1]
	return produced{number(m[1]) * 1.048576, millis(m[2]), millis(m[3])}, nil
}

// consume returns MB (10^6 bytes) per second of fetching, as kafka-consumer-perf-test reports it.
func (t tools) consume(bootstrap, topic string, records int) (float64, error) {
	out, err := t.run("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", bootstrap, "--topic", topic, "--num-records", strconv.Itoa(records), "--hide-header", "--timeout", "30000")
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(out, "\n") {
		if f := strings.Split(line, ", "); len(f) == 10 {
			if got := number(f[4]); int(got) < records {
				return 0, fmt.Errorf("kafka-consumer-perf-test read %v of %d records", got, records)
			}
			return number(f[8]) * 1.048576, nil
		}
	}
	return 0, fmt.Errorf("kafka-consumer-perf-test reported:\n%s", tail(out))
}

var latencyReport = regexp.MustCompile(`50th = (\d+), 99th = (\d+)`)

// endToEnd sends one record at a time and consumes it.
func (t tools) endToEnd(bootstrap, topic string, records int) (p50, p99 time.Duration, err error) {
	out, err := t.run("org.apache.kafka.tools.EndToEndLatency", "--bootstrap-server", bootstrap, "--topic", topic, "--num-records", strconv.Itoa(records), "--producer-acks", "all", "--record-size", strconv.Itoa(recordBytes))
	if err != nil {
		return 0, 0, err
	}
	m := latencyReport.FindStringSubmatch(out)
	if m == nil {
		return 0, 0, fmt.Errorf("the end-to-end latency tool reported:\n%s", tail(out))
	}
	return millis(m[1]), millis(m[2]), nil
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("%q is not a number", s)) // the patterns above match digits only
	}
	return f
}

func millis(s string) time.Duration { return time.Duration(number(s)) * time.Millisecond }
