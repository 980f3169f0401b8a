package acceptance

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	topic      = "log"
	partitions = 6
	group      = "readers"
	consumers  = 3
)

func TestLinesSurviveAKill(t *testing.T) {
	lines := 50_000
	if v := os.Getenv("INKWELL_TEST_LINES"); v != "" {
		var err error
		if lines, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	binary, err := servers.Build(ctx)
	if err != nil {
		t.Fatal(err)
	}
	classPath, err := servers.Tool(ctx, "kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	input := filepath.Join(t.TempDir(), "input.log")
	want, err := writeInput(input, lines)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("input: %d lines, sorted sha256 %s", lines, want)
	check := func(t *testing.T, store string, env []string) {
		w := walk{t: t, ctx: ctx, binary: binary, classPath: classPath, input: input, lines: lines, dir: t.TempDir(), store: store, env: env}
		began := time.Now()
		got, err := w.run()
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("read back sha256 %s, want %s", got, want)
		}
		t.Logf("%d lines read back by %d consumers of one group, sorted sha256 %s, %.0f s", lines, consumers, got, time.Since(began).Seconds())
	}
	t.Run("folder", func(t *testing.T) { check(t, "", nil) })
	t.Run("s3", func(t *testing.T) {
		s3 := objectstoragetest.StartVersityGW(t)
		check(t, s3.URL, s3.Env)
	})
}

// writeInput writes a web server's log from a fixed seed and returns the checksum of its sorted lines.
func writeInput(path string, lines int) (string, error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	random := rand.New(rand.NewPCG(1, 2))
	out := bufio.NewWriterSize(f, 1<<20)
	all := make([]string, 0, lines)
	words := strings.Fields("orders carts items users search login images static api v1 v2 health export import")
	for i := range lines {
		line := fmt.Sprintf("%08d 10.%d.%d.%d GET /%s/%s/%d HTTP/1.1 %d %d", i, random.IntN(256), random.IntN(256), random.IntN(256),
			words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(1_000_000), 200+100*random.IntN(4), random.IntN(100_000))
		all = append(all, line)
		if _, err := out.WriteString(line + "\n"); err != nil {
			return "", err
		}
	}
	return checksum(all), errors.Join(out.Flush(), f.Close())
}

func checksum(lines []string) string {
	sort.Strings(lines)
	h := sha256.New()
	for _, l := range lines {
		_, _ = io.WriteString(h, l+"\n") // a hash does not fail
	}
	return hex.EncodeToString(h.Sum(nil))
}

type walk struct {
	t                        *testing.T
	ctx                      context.Context
	binary, classPath, input string
	lines                    int
	dir, store               string
	env                      []string
}

func (w *walk) java(class string, args ...string) *exec.Cmd {
	return exec.CommandContext(w.ctx, "java", append([]string{"-Xmx512M", "-cp", w.classPath, class}, args...)...)
}

func (w *walk) run() (string, error) {
	server, err := servers.StartInkwell(w.ctx, w.binary, servers.Options{Dir: w.dir, Store: w.store, Env: w.env})
	if err != nil {
		return "", err
	}
	defer func() {
		if err := server.Stop(); err != nil {
			w.t.Errorf("SIGTERM: %v", err)
		}
	}()
	if out, err := w.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", server.Listen, "--create", "--topic", topic, "--partitions", fmt.Sprint(partitions)).CombinedOutput(); err != nil {
		return "", fmt.Errorf("kafka-topics: %w\n%s", err, out)
	}
	if err := w.produce(server); err != nil {
		return "", err
	}
	return w.consume(server)
}

// produce pipes the file through kafka-console-producer and kills the server in the middle.
func (w *walk) produce(server *servers.Server) error {
	in, err := os.Open(w.input)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	half := make(chan struct{})
	producer := w.java("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", server.Listen, "--topic", topic,
		"--command-property", "acks=all", "--command-property", "delivery.timeout.ms=300000", "--command-property", "max.block.ms=300000", "--command-property", "enable.idempotence=true")
	producer.Stdin = &signalReader{Reader: in, at: info.Size() / 2, half: half}
	var output strings.Builder
	producer.Stdout, producer.Stderr = &output, &output
	if err := producer.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- producer.Wait() }()
	select {
	case <-half:
	case err := <-ended:
		return fmt.Errorf("kafka-console-producer ended early: %v\n%s", err, output.String())
	}
	w.t.Log("half of the file is read by the producer: kill -9, start again")
	if err := server.Kill(); err != nil {
		return err
	}
	if err := server.Start(w.ctx); err != nil {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("kafka-console-producer: %w\n%s", err, output.String())
	}
	if strings.Contains(output.String(), "ERROR") {
		return fmt.Errorf("kafka-console-producer reported:\n%s", output.String())
	}
	return nil
}

// consume reads with a group of console consumers at once and returns the checksum of all lines.
func (w *walk) consume(server *servers.Server) (string, error) {
	var all sync.WaitGroup
	outputs, errs := make([][]byte, consumers), make([]error, consumers)
	for i := range consumers {
		all.Go(func() {
			c := w.java("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", server.Listen, "--topic", topic, "--group", group, "--from-beginning", "--timeout-ms", "20000",
				"--formatter-property", "print.partition=true")
			outputs[i], errs[i] = c.Output()
		})
	}
	all.Wait()
	var lines []string
	for i, out := range outputs {
		// The greatest line number of each partition: one producer wrote them in order. A rebalance may hand a partition on, so each consumer has its own.
		last := map[string]string{}
		if len(out) == 0 && errs[i] != nil {
			return "", fmt.Errorf("kafka-console-consumer: %w", errs[i])
		}
		for _, l := range strings.Split(strings.TrimRight(string(out), "\n"), "\n") {
			partition, value, ok := strings.Cut(l, "\t")
			if !ok {
				continue
			}
			if value[:8] <= last[partition] && last[partition] != "" {
				return "", fmt.Errorf("%s: line %s came after %s", partition, value[:8], last[partition])
			}
			last[partition] = value[:8]
			lines = append(lines, value)
		}
	}
	if len(lines) != w.lines {
		return "", fmt.Errorf("%d lines were read back, not %d", len(lines), w.lines)
	}
	return checksum(lines), nil
}

// signalReader closes half when at bytes were read.
type signalReader struct {
	io.Reader
	read, at int64
	half     chan struct{}
}

func (s *signalReader) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	before := s.read
	s.read += int64(n)
	if before < s.at && s.read >= s.at {
		close(s.half)
	}
	return n, err
}
