package processes

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/test/servers"
)

// patience is how long a process may take to say what is wrong; an unreachable store has half a minute.
const patience = 60 * time.Second

func binary(t *testing.T) string {
	path, err := servers.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// refused runs inkwell, which must end by itself with a code other than 0, and returns what it said.
func refused(t *testing.T, env []string, args ...string) string {
	t.Helper()
	return refusedBy(t, binary(t), env, args...)
}

func refusedBy(t *testing.T, binary string, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(cmd.Environ(), env...)
	cmd.Dir = t.TempDir() // where a default ./data would go
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
		t.Fatalf("inkwell %v: %v, want an exit code above 0\n%s", args, err, said.String())
	}
	if strings.Contains(said.String(), "panic") || strings.Contains(said.String(), "goroutine ") {
		t.Errorf("inkwell %v panics:\n%s", args, said.String())
	}
	return said.String()
}

func wantWords(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("it does not say %q:\n%s", w, said)
		}
	}
}

// devArgs are a dev of a test's own, with what the test adds.
func devArgs(t *testing.T, more ...string) []string {
	t.Helper()
	listen, err := servers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"dev", "--listen", listen, "--http", "", "--data", filepath.Join(t.TempDir(), "data")}, more...)
}

func TestMistakesAreRefusedAllAtOnce(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "inkwell.yaml")
	if err := os.WriteFile(yaml, []byte("num.partitions: many\nno.such.key: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := refused(t, []string{"INKWELL_CACHE_BYTES=huge", "INKWELL_UNHEARD_OF=1"}, "dev", "--object.bytes", "9x", "--no.such.flag", "1", "--config", yaml, "--log.level", "loud", "stray",
		"--store", "s3://key:hunter2@bucket/p", "--data", "", "--advertise", "host:0")
	if strings.Contains(said, "hunter2") {
		t.Errorf("it shows a secret:\n%s", said)
	}
	wantWords(t, said, "--store: s3: credentials do not belong into a URL", "--data", "--advertise", "object.bytes", `"9x"`, "no.such.flag", "num.partitions", `"many"`, "no.such.key", "INKWELL_CACHE_BYTES", "INKWELL_UNHEARD_OF", "log.level", "stray")

	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("a: [1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantWords(t, refused(t, nil, "dev", "--config", broken), "broken.yaml")
	wantWords(t, refused(t, nil, "dev", "--config", "/no/such/file"), "--config", "/no/such/file")
	wantWords(t, refused(t, nil, "frobnicate"), "frobnicate", "inkwell dev")
	wantWords(t, refused(t, nil), "inkwell dev")
	wantWords(t, refused(t, nil, "broker"), "--cluster")
}

func TestHelpEndsWell(t *testing.T) {
	for _, command := range []string{"dev", "metadata", "broker", "cluster", "object"} {
		out, err := exec.CommandContext(t.Context(), binary(t), command, "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "inkwell "+command) {
			t.Errorf("inkwell %s --help: %v\n%s", command, err, out)
		}
		if command == "dev" { // what the README and `make run` rely on
			wantWords(t, string(out), "(default ./data)", "(default 127.0.0.1:9092)", "(default 127.0.0.1:8080)")
		}
	}
	for _, command := range []string{"cluster cost", "metadata nodes", "metadata features", "object inspect", "object jobs", "object purge", "object verify"} {
		out, err := exec.CommandContext(t.Context(), binary(t), append(strings.Fields(command), "--help")...).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "inkwell "+command+"\n") {
			t.Errorf("inkwell %s --help: %v\n%.200s", command, err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), binary(t), "--version").CombinedOutput()
	if err != nil || len(out) == 0 {
		t.Errorf("inkwell --version: %v\n%s", err, out)
	}
}

func TestStoresThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantWords(t, refused(t, nil, devArgs(t, "--store", "gopher://x")...), "--store", "gopher")
	wantWords(t, refused(t, nil, devArgs(t, "--store", "file://"+file+"/objects")...), "--store", file)
	wantWords(t, refused(t, nil, "dev", "--http", "", "--listen", "127.0.0.1:0", "--data", file+"/data"), "--data", file)

	s3 := objectstoragetest.StartVersityGW(t)
	wantWords(t, refused(t, append(slices.Clone(s3.Env), "AWS_SECRET_ACCESS_KEY=wrong"), devArgs(t, "--store", s3.URL)...), "--store", "AWS_SECRET_ACCESS_KEY")
	wantWords(t, refused(t, s3.Env, devArgs(t, "--store", strings.Replace(s3.URL, "inkwell-test", "other-bucket", 1))...), "--store", "bucket")
	nowhere, err := servers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	wantWords(t, refused(t, s3.Env, devArgs(t, "--store", strings.Replace(s3.URL, s3.Endpoint, nowhere, 1))...), "--store", "endpoint")
	// Nothing half made stays behind that a corrected start would stumble over.
	args := devArgs(t, "--store", strings.Replace(s3.URL, s3.Endpoint, nowhere, 1))
	refused(t, s3.Env, args...)
	server, err := servers.StartInkwell(t.Context(), binary(t), servers.Options{Dir: filepath.Dir(args[len(args)-3]), Store: s3.URL, Env: s3.Env})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

func TestWhatAnotherProcessHas(t *testing.T) {
	dir := t.TempDir()
	server, err := servers.StartInkwell(t.Context(), binary(t), servers.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	wantWords(t, refused(t, nil, "dev", "--http", "", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data")), "--data", filepath.Join(dir, "data"))
	wantWords(t, refused(t, nil, devArgs(t, "--listen", server.Listen)...), "--listen", server.Listen)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	args := devArgs(t, "--http", l.Addr().String())
	wantWords(t, refused(t, nil, args...), "--http", l.Addr().String())
	if _, err := os.Stat(args[6]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that was refused left its data folder behind: %v", err)
	}
	if err := server.AwaitReady(t.Context()); err != nil {
		t.Errorf("the first process suffered: %v", err)
	}
}
