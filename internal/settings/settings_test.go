package settings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type sample struct {
	listen   string
	parts    int64
	size     int64
	interval time.Duration
	on       bool
}

func sampleSet(c *sample) *Set {
	s := New("broker", "A broker.")
	s.String(&c.listen, "listen", "127.0.0.1:9092", "address", nil)
	s.Int(&c.parts, "num.partitions", 1, 1, 10000, "partitions of a new topic")
	s.Bytes(&c.size, "object.bytes", "8MiB", 1<<16, 1<<30, "size of an object")
	s.Duration(&c.interval, "commit.interval", 250*time.Millisecond, time.Millisecond, 10*time.Second, "interval")
	s.Bool(&c.on, "pprof", false, "profiles")
	return s
}

func TestLaterSourcesOverrideEarlierOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("listen: file:1\nnum:\n  partitions: 3\nobject.bytes: 16MiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c sample
	env := []string{"INKWELL_NUM_PARTITIONS=4", "HOME=/x", "INKWELL_CONFIG=" + path}
	if err := sampleSet(&c).Load([]string{"--object.bytes=1GiB", "--pprof", "--commit.interval", "5ms"}, env, nil); err != nil {
		t.Fatal(err)
	}
	if want := (sample{"file:1", 4, 1 << 30, 5 * time.Millisecond, true}); c != want {
		t.Fatalf("got %+v, want %+v", c, want)
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("num:\n  partitons: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c sample
	err := sampleSet(&c).Load([]string{"--config", path, "--num.partitions", "0", "--what=1", "--object.bytes", "9x", "--commit.interval"},
		[]string{"INKWELL_PPROF=maybe", "INKWELL_NO_SUCH=1"}, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`no setting "num.partitons"`, `--num.partitions: num.partitions is "0": want a whole number from 1 to 10000`,
		`no setting "what"`, `object.bytes is "9x"`, "--commit.interval: a value is missing", `INKWELL_PPROF: pprof is "maybe"`, `no setting "INKWELL_NO_SUCH"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}

// TestAShellIsSharedByCommands: who exports a password for one command may start another from the same shell.
func TestAShellIsSharedByCommands(t *testing.T) {
	var c sample
	env := []string{"INKWELL_ADMIN_PASSWORD=x", "INKWELL_CLUSTER_PASSWORD=y", "INKWELL_METADATA=a:1", "INKWELL_NUM_PARTITIONS=4"}
	if err := sampleSet(&c).Load(nil, env, nil); err != nil || c.parts != 4 {
		t.Fatalf("%+v %v", c, err)
	}
	if err := sampleSet(&c).Load([]string{"--admin.password=x"}, nil, nil); err == nil {
		t.Fatal("a flag that the command does not have is accepted")
	}
}

func TestHelpNamesEverySettingAndDefault(t *testing.T) {
	var c sample
	var out bytes.Buffer
	if err := sampleSet(&c).Load([]string{"--help"}, nil, &out); !errors.Is(err, ErrHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{"--config FILE", "--object.bytes SIZE", "(default 8MiB)", "--commit.interval TIME"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}
