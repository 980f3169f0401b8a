package processes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/test/servers"
)

// objects is a cluster whose store is a folder, so that a test can damage what is in it.
type objects struct {
	*system
	secret, store string
}

func (o *objects) broker(id string) *servers.Server {
	o.t.Helper()
	return o.keep(servers.StartInkwellRole(o.t.Context(), o.binary, "broker", servers.Options{Dir: o.t.TempDir(), Env: []string{"INKWELL_CLUSTER_PASSWORD=" + o.secret},
		Extra: []string{"--metadata", o.metadata.Listen, "--cluster", "orders", "--broker.id", id, "--store", "file://" + o.store}}))
}

// run is one `inkwell object` command with the cluster's access; it wants the exit code, any if it is negative, and words of what was printed.
func (o *objects) run(t *testing.T, code int, args []string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.binary, append([]string{"object"}, args...)...)
	if args[0] != "inspect" { // which asks no coordinator
		cmd.Env = append(os.Environ(), "INKWELL_CLUSTER_PASSWORD="+o.secret)
	}
	out, err := cmd.CombinedOutput()
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if code >= 0 && got != code {
		t.Errorf("object %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	for _, word := range words {
		if !strings.Contains(string(out), word) {
			t.Errorf("object %s has no %q:\n%s", strings.Join(args, " "), word, out)
		}
	}
	return string(out)
}

// verify is its arguments.
func (o *objects) verify(more ...string) []string {
	return append([]string{"verify", "--metadata", o.metadata.Listen, "--cluster", "orders", "--store", "file://" + o.store}, more...)
}

// key is what the store calls a file.
func (o *objects) key(t *testing.T, path string) string {
	t.Helper()
	key, err := filepath.Rel(o.store, path)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(key)
}

// change edits a file and returns how to make it good again.
func change(t *testing.T, path string, edit func([]byte) []byte) (undo func()) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(edit(bytes.Clone(b)))
	return func() { write(b) }
}

// TestObjectCommands: a bucket is compared with a running cluster while it is written to, and each damage that is done to it is found, and nothing else.
func TestObjectCommands(t *testing.T) {
	s := &system{t: t, binary: binary(t)}
	dir := t.TempDir()
	s.metadata = s.keep(servers.StartInkwellRole(t.Context(), s.binary, "metadata", servers.Options{Dir: dir, Extra: []string{"--data", dir + "/data"}}))
	o := &objects{system: s, secret: s.create("orders"), store: t.TempDir()}
	broker := o.broker("1")
	if _, err := kadm.NewClient(only(t, broker)).CreateTopic(t.Context(), 4, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	writer := only(t, broker, kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	writes := make(chan error, 1)
	go func() {
		for i := range 30 {
			if err := writer.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i)), kgo.StringRecord(fmt.Sprint("and ", i))).FirstErr(); err != nil {
				writes <- err
				return
			}
		}
		writes <- nil
	}()
	o.run(t, 0, o.verify(), "CLEAN") // while it is written to
	if err := <-writes; err != nil {
		t.Fatal(err)
	}
	o.run(t, 0, o.verify(), "coordinates: ", "of 4 partitions", "at 2 coordinators", "0 uploads of live brokers", "CLEAN")
	paths, err := filepath.Glob(filepath.Join(o.store, "orders", "*", "*", "*.ink"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("%d objects, %v", len(paths), err)
	}
	victim := paths[1]
	inspect := []string{"inspect", "--store", "file://" + o.store, o.key(t, victim)}

	t.Run("inspect", func(t *testing.T) {
		o.run(t, 0, inspect, "format 1", "of cluster orders", "batch at 8:", "codec ", "producer ")
	})
	t.Run("jobs", func(t *testing.T) {
		o.run(t, 0, []string{"jobs", "--metadata", s.metadata.Listen, "--cluster", "orders"}, "coordinator 0", "coordinator 1", "PARKED", "merge")
	})
	t.Run("a wrong password", func(t *testing.T) {
		wrong := *o
		wrong.secret = "wrong"
		wrong.run(t, 1, o.verify(), "INCOMPLETE")
	})
	t.Run("a flipped byte", func(t *testing.T) {
		defer change(t, victim, func(b []byte) []byte { b[70] ^= 1; return b })()
		o.run(t, 3, o.verify(), "damaged object "+o.key(t, victim), "the CRC of the batch at byte 8", "NOT CLEAN: 1 findings")
		o.run(t, 3, inspect, "DAMAGED: the CRC of the batch at byte 8")
	})
	t.Run("truncated", func(t *testing.T) {
		defer change(t, victim, func(b []byte) []byte { return b[:len(b)-1] })()
		o.run(t, 3, o.verify(), "damaged object "+o.key(t, victim), "no trailer", "bytes, ", "were committed")
		o.run(t, 3, inspect, "DAMAGED: at its end")
	})
	t.Run("removed", func(t *testing.T) {
		if err := os.Rename(victim, o.store+"/aside"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.Rename(o.store+"/aside", victim); err != nil {
				t.Error(err)
			}
		}()
		o.run(t, 3, o.verify(), "missing object "+o.key(t, victim))
		o.run(t, 1, inspect, "no such object")
	})
	t.Run("uploads in flight and strays", func(t *testing.T) { strays(t, o, victim) })
	o.run(t, 0, o.verify(), "CLEAN")
}

// strays: what a live broker has uploaded is not reported; what nobody can have uploaded is, and only what is safe is repaired.
func strays(t *testing.T, o *objects, victim string) {
	id, ok := kafka.ParseObjectKey("orders", o.key(t, victim))
	if !ok {
		t.Fatalf("key %s", o.key(t, victim))
	}
	put := func(key string) string {
		path := filepath.Join(o.store, key)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("an upload"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flying := put(kafka.ObjectID{Epoch: id.Epoch, Sequence: 1 << 40}.Key("orders"))
	o.run(t, 0, o.verify(), "1 uploads of live brokers", "CLEAN")

	// The first broker's epoch is the offset of its registration, the next offset is the topic's: an epoch that no broker had. Once another broker has registered, it is fenced.
	fenced := put(kafka.ObjectID{Epoch: id.Epoch + 1, Sequence: 1}.Key("orders"))
	o.broker("2")
	words := []string{"unreferenced object " + o.key(t, fenced), "--repair would delete 1 unreferenced objects, 9 bytes, and no other object"}
	for range 50 { // until both coordinators have followed the registration
		if strings.Contains(o.run(t, -1, o.verify()), words[0]) {
			break
		}
	}
	never, foreign := put(kafka.ObjectID{Epoch: 1 << 40, Sequence: 1}.Key("orders")), put("orders/notes.txt")
	o.run(t, 3, o.verify(), append(words, "object of an unissued epoch "+o.key(t, never), "foreign key orders/notes.txt", "NOT CLEAN: 3 findings")...)
	if _, err := os.Stat(fenced); err != nil {
		t.Errorf("without --repair something was deleted: %v", err)
	}
	o.run(t, 3, o.verify("--repair"), words[0], "deleted 1 of 1 unreferenced objects, 9 bytes")
	if _, err := os.Stat(fenced); !os.IsNotExist(err) {
		t.Errorf("--repair left %s: %v", fenced, err)
	}
	for _, kept := range []string{flying, never, foreign, victim} {
		if _, err := os.Stat(kept); err != nil {
			t.Errorf("repair deleted %s", kept)
		}
	}
	for _, path := range []string{flying, never, foreign} {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
