package processes

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/test/servers"
)

var pasted = regexp.MustCompile(`(?m)^  (kafka-[a-z-]+)\.sh (.*)$`)

// TestDevSaysWhatToPaste: within a second of its start in an empty folder dev says where it is and where the data are, and its three lines create a topic, produce and consume.
func TestDevSaysWhatToPaste(t *testing.T) {
	path := binary(t)
	var server *servers.Server
	dir := ""
	best := time.Hour
	for range 3 { // of which other tests may have disturbed two
		dir = t.TempDir()
		began := time.Now()
		server = keep(t)(servers.StartInkwell(t.Context(), path, servers.Options{Dir: dir}))
		best = min(best, time.Since(began))
		if best < time.Second {
			break
		}
	}
	t.Logf("clients were answered %s after the start", best.Round(time.Millisecond))
	if best >= time.Second {
		t.Errorf("the start took %s, more than a second", best)
	}
	var said string
	var lines [][]string
	for deadline := time.Now().Add(patience); len(lines) < 3 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) { // it answers before it has printed all
		said = server.LogTail(5000)
		lines = pasted.FindAllStringSubmatch(said, -1)
	}
	wantWords(t, said, "serves Kafka clients at "+server.Listen, "data in "+filepath.Join(dir, "data"), "objects in file://"+filepath.Join(dir, "objects"))
	if len(lines) != 3 {
		t.Fatalf("%d lines to paste:\n%s", len(lines), said)
	}
	classPath, err := servers.Tool(t.Context(), "kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]string{"kafka-topics": "TopicCommand", "kafka-console-producer": "ConsoleProducer", "kafka-console-consumer": "consumer.ConsoleConsumer"}
	var out string
	for _, line := range lines {
		args := strings.Fields(line[2])
		if line[1] == "kafka-console-consumer" {
			args = append(args, "--max-messages", "1", "--timeout-ms", "30000") // a user ends it
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, "java", append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classPath, "org.apache.kafka.tools." + classes[line[1]]}, args...)...)
		cmd.Stdin = strings.NewReader("hello, ink\n")
		text, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line[0], err, text)
		}
		out = string(text)
	}
	wantWords(t, out, "hello, ink")
}

// TestEachRoleIsObserved: metrics, health and readiness of each role, those of a broker before its Metadata cluster can be reached, too; SIGTERM ends it well even then.
func TestEachRoleIsObserved(t *testing.T) {
	s := startSystem(t)
	secret := s.create("seen")
	dev := keep(t)(servers.StartInkwell(t.Context(), s.binary, servers.Options{Dir: t.TempDir()}))
	broker := s.broker("seen", secret, 1)
	for _, role := range []struct {
		server *servers.Server
		metric string
	}{
		{dev, "inkwell_batchprocessor_"}, {dev, "inkwell_raftlog_"}, {s.metadata, "inkwell_raftlog_"}, {broker, "inkwell_batchprocessor_"},
	} {
		wantAnswer(t, role.server, "/metrics", http.StatusOK, role.metric)
		wantAnswer(t, role.server, "/healthz", http.StatusOK, "ok")
		wantAnswer(t, role.server, "/readyz", http.StatusOK, "ready")
		wantAnswer(t, role.server, "/debug/pprof/", http.StatusNotFound, "")
	}
	waiting := s.broker("seen", secret, 2)
	for _, step := range []func() error{waiting.Stop, s.metadata.Stop, waiting.Launch} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); !strings.Contains(waiting.LogTail(5000), "cannot be reached"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say what it waits for:\n%s", waiting.LogTail(5000))
		}
	}
	wantAnswer(t, waiting, "/healthz", http.StatusOK, "ok")
	wantAnswer(t, waiting, "/readyz", http.StatusServiceUnavailable, "starting")
	if err := waiting.Stop(); err != nil {
		t.Errorf("SIGTERM while it starts: %v\n%s", err, waiting.LogTail(5000))
	}
}

func wantAnswer(t *testing.T, server *servers.Server, path string, status int, words string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.HTTP()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s%s: %v", server.Name, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(body), words) {
		t.Errorf("%s%s: %v, status %d, want %d and %q in\n%.2000s", server.Name, path, err, resp.StatusCode, status, words, body)
	}
}
