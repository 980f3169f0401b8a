package processes

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore/pebblestoretest"
	"github.com/inkwell-project/inkwell/test/servers"
)

// loaded is three nodes and a broker of a cluster that is written to.
func loaded(t *testing.T) (nodes []*servers.Server, broker *servers.Server, l *loader) {
	path := binary(t)
	addresses, nodes := three(t, path)
	s := &system{t: t, binary: path, metadata: nodes[0]}
	broker = keep(t)(servers.StartInkwellRole(t.Context(), path, "broker", servers.Options{Dir: t.TempDir(), Env: []string{"INKWELL_ADMIN_PASSWORD=of-the-same-shell", "INKWELL_CLUSTER_PASSWORD=" + s.create("red")},
		Extra: []string{"--metadata", addresses, "--cluster", "red", "--store", "file://" + t.TempDir()}}))
	commitOffsets(t, broker)
	awaitInSync(t, nodes[0].Listen)
	createDrained(t, broker)
	l = load(t, broker.Listen, 2)
	l.awaitAcked(t, 200)
	return nodes, broker, l
}

// TestDamagedStateIsRebuilt: a bit of a file of a node's state is flipped while it is down. The node starts, the replica whose state it was is made anew from the others, and the
// cluster has three replicas of everything again; what was acknowledged before, meanwhile and after is there.
func TestDamagedStateIsRebuilt(t *testing.T) {
	nodes, b, l := loaded(t)
	bad := nodes[2]
	if err := bad.Stop(); err != nil {
		t.Fatal(err)
	}
	group, err := pebblestoretest.Damage(vfs.Default, filepath.Join(filepath.Dir(bad.LogPath()), "data", "metadata", "state"), rand.New(rand.NewPCG(1, 1)), pebblestoretest.FlippedBit,
		func(group uint64) bool { return group > state.ClusterMetadataGroup && group < state.OwnOffsetsGroup })
	if err != nil || group == 0 {
		t.Fatalf("group %d was damaged: %v", group, err)
	}
	if err := bad.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitMetric(t, bad, "inkwell_raftlog_rebuilt_total 1")
	acked, _ := l.counts()
	l.awaitAcked(t, acked+200)
	l.stop()
	awaitInSync(t, nodes[0].Listen)
	l.verify(t, b.Listen)
	wantWords(t, bad.LogTail(1<<20), "is rebuilt from the other nodes", "a replica was rebuilt", fmt.Sprintf("group=%d", group), "damaged")

	// Only the rebuilt replica and one other are left of what a majority needs.
	if err := nodes[1].Kill(); err != nil {
		t.Fatal(err)
	}
	after := load(t, b.Listen, 2)
	after.awaitAcked(t, 200)
	after.stop()
}

// awaitMetric waits until a node's metrics have a line.
func awaitMetric(t *testing.T, server *servers.Server, line string) {
	t.Helper()
	said := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) { // what another process does has no other sign
		resp, err := http.Get("http://" + server.HTTP() + "/metrics")
		if err != nil {
			said = err.Error()
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && strings.Contains("\n"+string(text), "\n"+line+"\n") {
			return
		}
		said = fmt.Sprint(err, string(text))
	}
	t.Fatalf("%s does not say %q:\n%s", server.Name, line, said)
}

// TestALostLogComesBack: a bit of a node's Raft log is flipped while it is down. The node starts, is as good as dead until no partition has it as a replica, and comes back under its id with
// a new log; what was acknowledged before, meanwhile and after is there.
func TestALostLogComesBack(t *testing.T) {
	nodes, b, l := loaded(t)
	bad := nodes[2]
	if err := bad.Kill(); err != nil { // an orderly stop leaves little of a log
		t.Fatal(err)
	}
	data := filepath.Join(filepath.Dir(bad.LogPath()), "data", "metadata")
	damaged := flipLog(t, filepath.Join(data, "log"))
	if err := bad.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitInSync(t, nodes[0].Listen)
	acked, _ := l.counts()
	l.awaitAcked(t, acked+200)
	l.stop()
	l.verify(t, b.Listen)
	kept := filepath.Join(data, "damaged")
	wantWords(t, bad.LogTail(1<<20), "this node's Raft log is lost", damaged, "is damaged at offset", "kept aside", "path="+kept, "waits until it may come back", "is back with an empty one")
	if _, err := os.Stat(filepath.Join(kept, "log", filepath.Base(damaged))); err != nil {
		t.Error(err)
	}

	// Only the node that is back and one other are left of what a majority needs.
	if err := nodes[1].Kill(); err != nil {
		t.Fatal(err)
	}
	after := load(t, b.Listen, 2)
	after.awaitAcked(t, 200)
	after.stop()
}

// flipLog changes a bit in the middle of what a Raft log's newest file holds, and returns the file.
func flipLog(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.raftlog"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has %v: %v", dir, files, err)
	}
	file := files[len(files)-1]
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(bytes.TrimRight(content, "\x00"))/2] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
