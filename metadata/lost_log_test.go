package metadata

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/topics"
)

func lone(t *testing.T, fs vfs.FS) (*Node, error) {
	r := rand.New(rand.NewPCG(1, 1))
	return Open(t.Context(), Config{
		ID: 1, FS: fs, Dir: "data", NewRand: func() *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), 1)) },
		NewUUID: func() (id [16]byte) { id[0] = byte(r.Uint64()); return id }, Logger: slog.New(slog.DiscardHandler),
	})
}

// TestAFormerLifeIsNotServed: a view of __cluster_metadata that is from before this node lost its log gives it replicas that it had then. It must not take itself for one of their first voters.
func TestAFormerLifeIsNotServed(t *testing.T) {
	for name, c := range map[string]struct {
		change       func(own *topics.Node)
		joined       bool
		serves, ends bool
	}{
		"its own life":        {change: func(*topics.Node) {}, serves: true},
		"no life is told":     {change: func(own *topics.Node) { own.DirectoryID = "" }, serves: true},
		"before it joined":    {change: func(own *topics.Node) { own.ID = 2 }, joined: true},
		"before it was told":  {change: func(own *topics.Node) { own.ID = 2 }, serves: true},
		"a former life":       {change: func(own *topics.Node) { own.DirectoryID = "former" }},
		"before its own life": {change: func(own *topics.Node) { own.DirectoryID, own.NextDirectoryID = "former", own.DirectoryID }},
		"its life is over":    {change: func(own *topics.Node) { own.NextDirectoryID = "next" }, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := lone(t, vfs.NewMem())
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			n.cancel()
			n.following.Wait() // nobody else adopts anything
			own := topics.Node{ID: 1, DirectoryID: n.identity.DirectoryID}
			c.change(&own)
			l := emptyView().layout()
			n.identity.Joining = c.joined
			l.clusterID, l.nodes[own.ID] = n.identity.ClusterID, &own
			l.clusters["c"] = &topics.InklessCluster{Name: "c", State: topics.ClusterActive, BatchCoordinatorPartitions: 1, GroupCoordinatorPartitions: 1}
			for i, topic := range []string{topics.Metadata("c"), topics.BatchCoordinates("c"), topics.ConsumerOffsets("c")} {
				l.placements[topic] = map[int32]*topics.PartitionPlacement{0: {Topic: topic, RaftGroup: uint64(10 + i), Voters: []int32{1}}}
			}
			if err := n.adopt(l); (err != nil) != c.ends {
				t.Fatalf("%v", err)
			}
			if serves := n.tenant("c") != nil; serves != c.serves {
				t.Errorf("it serves: %v", serves)
			}
			groups, err := n.logs.Groups()
			if has := len(groups) > 1; err != nil || has != c.serves {
				t.Errorf("it has groups %v: %v", groups, err)
			}
		})
	}
}

// TestALoneNodeKeepsItsDamagedLog: nobody else has what a lone node's log held. It does not start, says what is damaged and where, and changes nothing.
func TestALoneNodeKeepsItsDamagedLog(t *testing.T) {
	fs := vfs.NewMem()
	n, err := lone(t, fs)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("data/log")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	path := "data/log/" + names[0]
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 60); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n, err = lone(t, fs)
		var damage *wal.Damage
		if !errors.As(err, &damage) || damage.Path != path || !strings.Contains(err.Error(), "restore this node's data folder (--data) from a copy") {
			t.Fatalf("%v %v", n, err)
		}
		if _, err := fs.Stat("data/" + damagedDir); err == nil {
			t.Fatal("something was set aside")
		}
	}
}
