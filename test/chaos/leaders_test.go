package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/test/servers"
)

// TestLeaderKills: INKWELL_TEST_LEADER_KILLS times the node that leads commits, groups or the controller of a cluster is killed, under a Java producer with its defaults
// (delivery.timeout.ms is 120 s) and a Java consumer group, neither of which may see an error. It prints the longest time that they waited, and the time from a kill of
// who leads commits to the next record acknowledged in all partitions.
func TestLeaderKills(t *testing.T) {
	kills := intFromEnv(t, "INKWELL_TEST_LEADER_KILLS", 0)
	if kills == 0 {
		t.Skip("INKWELL_TEST_LEADER_KILLS is not set")
	}
	s := startSystem(t)
	bootstrap := s.bootstrap(0)
	createTopic(t, bootstrap)
	classes, jars := compileJava(t)
	writes, reads := startJava(t, classes, jars, bootstrap), startJava(t, classes, jars, bootstrap)
	reads.call(t, map[string]any{"op": "join", "name": "m", "group": "java", "topics": []string{topic}, "session_timeout_ms": 30000})

	stop := make(chan struct{})
	var java sync.WaitGroup
	written, longestWrite, longestCommit := 0, time.Duration(0), time.Duration(0)
	java.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			began := time.Now()
			if !writes.call(t, map[string]any{"op": "produce_sequence", "topic": topic, "partition": written / 50 % partitions, "first": written, "count": 50, "config": map[string]any{"idempotent": true}}) {
				return
			}
			written, longestWrite = written+50, max(longestWrite, time.Since(began))
		}
	})
	java.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			began := time.Now()
			if !reads.call(t, map[string]any{"op": "commit", "name": "m"}) {
				return
			}
			longestCommit = max(longestCommit, time.Since(began))
		}
	})

	probe := newClient(t, bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	defer probe.Close()
	var gaps []time.Duration
	led := []string{"__batch_coordinates", "__consumer_offsets", "__metadata"}
	for i := range kills {
		name := led[i%len(led)] + "." + clusterNames[0]
		at, err := -1, error(nil)
		for asked := time.Now(); at < 0; sleep(t.Context(), 50*time.Millisecond) {
			if at, err = s.leader(t.Context(), name, 0); at < 0 && time.Since(asked) > 30*time.Second {
				t.Fatalf("nobody leads %s: %v", name, err)
			}
		}
		p := s.node(at)
		began := time.Now()
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		var records []*kgo.Record
		for partition := range int32(partitions) {
			records = append(records, &kgo.Record{Partition: partition, Value: []byte("probe")})
		}
		if err := probe.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Errorf("kill %d: %v", i+1, err)
		}
		gap := time.Since(began)
		if i%len(led) == 0 { // the others do not stand in the way of a commit
			gaps = append(gaps, gap)
		}
		s.say("kill %d: %s, which led %s: all partitions took records %s later", i+1, p.name, name, gap.Round(time.Millisecond))
		if err := s.launch(p); err != nil {
			t.Fatal(err)
		}
		if err := s.awaitCalmFor(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	java.Wait()
	if t.Failed() {
		return
	}
	slices.Sort(gaps)
	s.say("%d kills, %d of them of the leader of commits: next commit after median %s, longest %s; Java: %d records written, longest wait %s; longest commit of the group %s", kills, len(gaps),
		gaps[len(gaps)/2].Round(time.Millisecond), gaps[len(gaps)-1].Round(time.Millisecond), written, longestWrite.Round(time.Millisecond), longestCommit.Round(time.Millisecond))
	if gaps[len(gaps)-1] > 10*time.Second { // the bound of the figure is 3 s on an idle machine
		t.Errorf("the longest time from a kill to the next commit: %s", gaps[len(gaps)-1])
	}
}

func compileJava(t *testing.T) (classes, jars string) {
	jars, err := servers.Tool(t.Context(), "kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	classes = t.TempDir()
	source := filepath.Join(servers.Root(), "test", "compat", "drivers", "Driver.java")
	if out, err := exec.CommandContext(t.Context(), "javac", "-nowarn", "-cp", jars, "-d", classes, source).CombinedOutput(); err != nil {
		t.Fatalf("compiling the Java driver: %v\n%s", err, out)
	}
	return classes, jars
}

// javaDriver is test/compat's driver, asked one thing at a time.
type javaDriver struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startJava(t *testing.T, classes, jars, bootstrap string) *javaDriver {
	cmd := exec.CommandContext(context.Background(), "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes+string(os.PathListSeparator)+jars, "Driver", bootstrap)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &javaDriver{in, bufio.NewReaderSize(out, 1<<20)}
}

// call fails the test for any error that the Java client saw.
func (d *javaDriver) call(t *testing.T, request map[string]any) bool {
	request["id"] = 1
	line, err := json.Marshal(request)
	if err == nil {
		_, err = fmt.Fprintf(d.in, "%s\n", line)
	}
	if err == nil {
		line, err = d.out.ReadBytes('\n')
	}
	var answer struct {
		Code  int
		Error string
	}
	if err == nil {
		err = json.Unmarshal(line, &answer)
	}
	if err != nil || answer.Error != "" {
		t.Errorf("the Java client: %v: %v %s", request["op"], err, answer.Error)
		return false
	}
	return true
}
