package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// dataDir is the folder of every node.
const dataDir = "metadata"

// damageLogs damages the Raft log of a node, again and again, until ctx ends: only while all partitions are on all nodes. A group that grows, or has shrunk, to two voters has no majority
// without one of them, and nothing can bring that back.
func (w *World) damageLogs(ctx context.Context) {
	r := w.source.Rand("damage")
	admin := w.newAdmin()
	defer admin.Close()
	for sleep(ctx, time.Duration(r.Int64N(int64(4*time.Second)))) == nil {
		if w.untilSpread(ctx, admin) != nil {
			return // the end shows it
		}
		n := w.nodes[r.IntN(len(w.nodes))]
		n.kill(true, 0) // what an orderly stop leaves of a log is little
		var err error
		n.whileDown(func() { _, err = n.damageLog(r) })
		if err != nil {
			w.violation("a log could not be damaged: %v", err)
			return
		}
	}
}

// untilSpread waits until every node serves and has a replica of every partition, and nothing moves. A node that has just lost its log is for a moment listed as it was.
func (w *World) untilSpread(ctx context.Context, admin *client.AdminClient) error {
	all := int32(2) // of the Metadata cluster itself
	for range w.clusters {
		all += 1 + w.plan.BatchCoordinator + w.plan.GroupCoordinator
	}
	for {
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		if slices.ContainsFunc(w.nodes, func(n *metadataNode) bool {
			node := n.node.Load()
			return node == nil || node.Ready() != nil
		}) {
			continue
		}
		list, err := admin.ListNodes(ctx, &rpc.ListNodesRequest{})
		if err == nil && len(list.Moves) == 0 && !slices.ContainsFunc(list.Nodes, func(d rpc.NodeDescription) bool { return d.State != "active" || int32(d.Replicas) != all }) {
			return nil
		}
	}
}

// untilBack waits until a node has replicas again and nothing moves.
func (w *World) untilBack(ctx context.Context, admin *client.AdminClient, n *metadataNode) error {
	err := w.untilNode(ctx, admin, n.id, "is back", func(d *rpc.NodeDescription) bool {
		node := n.node.Load()
		return d.State == "active" && d.Alive && d.Replicas > 0 && d.Arriving == 0 && d.Leaving == 0 && node != nil && node.Ready() == nil
	})
	if node := n.node.Load(); err != nil && node != nil {
		err = errors.Join(err, node.Ready())
	}
	return err
}

// damageLog damages what a node that is stopped has of a log, or of the state store where that tells of all groups. False: nothing was found of which a start could tell that it is missing: what a
// crash may leave, too, or the newest entries with the state of none.
func (n *metadataNode) damageLog(r *rand.Rand) (bool, error) {
	disk := n.disk.bare()
	for range 20 {
		what, damaged, err := drawDamage(disk, r)
		if err != nil {
			return false, err
		}
		whole := map[string][]byte{}
		for path := range damaged {
			if whole[path], err = readFile(disk, path); err != nil {
				return false, err
			}
		}
		if err := writeFiles(disk, damaged); err != nil {
			return false, err
		}
		if err := n.tryOpen(); raftlog.Lost(err) {
			n.w.trace.Add("DAMAGE", n.host, what, err.Error())
			n.w.damaged.Add(1)
			return true, nil
		}
		if err := writeFiles(disk, whole); err != nil {
			return false, err
		}
	}
	return false, nil
}

// tryOpen opens a copy.
func (n *metadataNode) tryOpen() error {
	r := rand.New(rand.NewPCG(1, 1))
	copied := n.disk.bare().CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: r})
	logs, err := raftlog.Open(raftlog.Config{NodeID: n.id, FS: copied, Dir: dataDir, Rand: r, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return logs.Close()
}

// drawDamage returns files as they are to be, nil for those that are to be gone.
func drawDamage(disk vfs.FS, r *rand.Rand) (what string, damaged map[string][]byte, err error) {
	list := func(dir, ending string) (paths []string) {
		names, listErr := disk.List(dir)
		err = errors.Join(err, listErr)
		for _, name := range names {
			if strings.HasSuffix(name, ending) {
				paths = append(paths, dir+"/"+name)
			}
		}
		slices.Sort(paths)
		return paths
	}
	logs, tables := list(dataDir+"/log", ".raftlog"), list(dataDir+"/state", ".sst")
	if err != nil || len(logs) == 0 {
		return "", nil, errors.Join(err, fmt.Errorf("the log's files are %v", logs))
	}
	at := r.IntN(len(logs))
	damaged = map[string][]byte{}
	switch kind := r.IntN(6); {
	case kind == 0 && len(logs) > 1:
		damaged[logs[at]] = nil
		return "without " + logs[at], damaged, nil
	case kind == 1:
		for _, path := range logs[at:] {
			damaged[path] = nil
		}
		return "without all from " + logs[at], damaged, nil
	case kind == 2 && len(tables) > 0:
		path := tables[r.IntN(len(tables))]
		damaged[path] = nil
		return "without " + path, damaged, nil
	}
	content, err := readFile(disk, logs[at])
	used := len(bytes.TrimRight(content, "\x00"))
	if err != nil || used == 0 {
		return "nothing", damaged, err
	}
	bit := r.IntN(used)
	content[bit] ^= 1 << r.IntN(8)
	damaged[logs[at]] = content
	return fmt.Sprintf("a bit of %s at %d", logs[at], bit), damaged, nil
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(f)
	return content, errors.Join(err, f.Close())
}

// writeFiles makes files what they are to be, and lasting.
func writeFiles(disk vfs.FS, files map[string][]byte) error {
	var errs []error
	for path, content := range files {
		if content == nil {
			errs = append(errs, disk.Remove(path))
		} else if f, err := disk.Create(path, vfs.WriteCategoryUnspecified); err != nil {
			errs = append(errs, err)
		} else {
			_, err = f.Write(content)
			errs = append(errs, err, f.Sync(), f.Close())
		}
		if dir, err := disk.OpenDir(disk.PathDir(path)); err != nil {
			errs = append(errs, err)
		} else {
			errs = append(errs, dir.Sync(), dir.Close())
		}
	}
	return errors.Join(errs...)
}
