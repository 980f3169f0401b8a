package processes

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/test/servers"
)

// member is a metadata node that has others beside it, or shall have.
type member struct {
	id                int
	dir, listen, raft string
	secret, join      string // the file; the address
}

func newMember(t *testing.T, id int, secret, join string) *member {
	t.Helper()
	m := &member{id: id, dir: t.TempDir(), secret: secret, join: join}
	for _, a := range []*string{&m.listen, &m.raft} {
		var err error
		if *a, err = servers.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *member) data() string { return filepath.Join(m.dir, "data") }

// flags are all but --listen and --http.
func (m *member) flags() []string {
	flags := []string{"--node.id", strconv.Itoa(m.id), "--data", m.data(), "--raft.listen", m.raft, "--cluster.secret.file", m.secret}
	if m.join != "" {
		flags = append(flags, "--join", m.join)
	}
	return flags
}

func (m *member) start(t *testing.T, binary string) *servers.Server {
	t.Helper()
	server, err := servers.StartInkwellRole(t.Context(), binary, "metadata", servers.Options{Dir: m.dir, Listen: m.listen, Extra: m.flags()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Kill()
		if t.Failed() {
			t.Logf("node %d:\n%s", m.id, server.LogTail(3000))
		}
	})
	return server
}

// refused starts the node, which must end by itself.
func (m *member) refused(t *testing.T, binary string, words ...string) {
	t.Helper()
	wantWords(t, refusedBy(t, binary, nil, append([]string{"metadata", "--listen", m.listen, "--http", ""}, m.flags()...)...), words...)
}

func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(strings.Repeat(secret, 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inkwell runs a command of an administrator.
func inkwell(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput()
	return string(out), err
}

// members is the list of nodes as the cluster behind an address has it, without what moves.
func members(t *testing.T, address string) string {
	t.Helper()
	out, err := inkwell(t, "metadata", "nodes", "list", "--metadata", address)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Join(regexp.MustCompile(`(?m)^\d+ +\S+ +\S+ +\S+`).FindAllString(out, -1), "\n")
}

// awaitMembers waits until so many nodes are listed as alive.
func awaitMembers(t *testing.T, address string, n int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		out, err := inkwell(t, "metadata", "nodes", "list", "--metadata", address)
		if err == nil && len(regexp.MustCompile(`(?m)^\d+ .* yes +active`).FindAllString(out, -1)) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("want %d live nodes: %v\n%s", n, err, out)
		}
		time.Sleep(50 * time.Millisecond) // what another process does has no other sign
	}
}

// files are the names and contents below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestJoinsThatAreRefused: who may not join says why and ends; neither its folder nor the cluster suffers.
func TestJoinsThatAreRefused(t *testing.T) {
	secret, inkwellBinary := secretFile(t, "a"), binary(t)
	one := newMember(t, 1, secret, "")
	node := one.start(t, inkwellBinary)
	otherOne := newMember(t, 2, secret, "")
	other := otherOne.start(t, inkwellBinary)
	if out, err := inkwell(t, "cluster", "--metadata", other.Listen, "create", "kept"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before := members(t, node.Listen)

	t.Run("another secret", func(t *testing.T) {
		m := newMember(t, 3, secretFile(t, "b"), node.Listen)
		m.refused(t, inkwellBinary, "--cluster.secret.file", "--join")
		m.secret = secret // corrected, the same folder would do: it holds nothing but who it is
		if all := files(t, m.data()); len(all) != 1 {
			t.Errorf("the folder of a node that was refused holds %d files", len(all))
		}
	})
	t.Run("an id that is taken", func(t *testing.T) {
		newMember(t, 1, secret, node.Listen).refused(t, inkwellBinary, "node 1 is alive at "+node.Listen, "--node.id")
	})
	t.Run("the folder of another cluster", func(t *testing.T) {
		if err := other.Stop(); err != nil {
			t.Fatal(err)
		}
		otherOne.join = node.Listen
		otherOne.refused(t, inkwellBinary, "--join "+node.Listen, "Metadata cluster", "data folder")
		otherOne.join = ""
		if err := other.Start(t.Context()); err != nil { // it goes on where it belongs
			t.Fatal(err)
		}
		if out, err := inkwell(t, "cluster", "--metadata", other.Listen, "list"); err != nil || !strings.Contains(out, "kept") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("the folder of another node", func(t *testing.T) {
		if err := other.Stop(); err != nil {
			t.Fatal(err)
		}
		kept := files(t, otherOne.data())
		stranger := *otherOne
		stranger.id, stranger.join = 7, node.Listen
		stranger.refused(t, inkwellBinary, otherOne.data(), "--node.id 2", "--data")
		now := files(t, otherOne.data())
		for path, content := range kept {
			if now[path] != content {
				t.Errorf("%s was changed", path)
			}
		}
		if len(now) != len(kept) {
			t.Errorf("%d files became %d", len(kept), len(now))
		}
	})
	if now := members(t, node.Listen); now != before {
		t.Errorf("the cluster's nodes were\n%s\nand are\n%s", before, now)
	}
}
