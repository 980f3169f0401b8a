package metadata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/rpc"
)

// identityFile says whose data folder this is, with Kafka's name and keys for that.
const identityFile = "meta.properties"

// identity of a data folder. It is written before the folder has anything that another node could miss.
type identity struct {
	NodeID      int32
	DirectoryID string // random, for ever
	ClusterID   string // of the Metadata cluster; empty: not known yet
	Joining     bool   // it was to join a cluster, so it never makes one
	// Lost is the DirectoryID of before, of a log that was lost: what the folder holds of it must not be used. It is set before anything of that is touched, and empty again when the other
	// nodes count on nothing of it any more. See lost_log.go.
	Lost string
	// Peers are the nodes that let this one in, as they were then: until its replica of __cluster_metadata has the first entries, nothing else says whom it belongs to.
	Peers []rpc.PeerNode
}

// readIdentity returns found false for a folder that has none.
func readIdentity(disk vfs.FS, dir string) (id identity, found bool, err error) {
	path := disk.PathJoin(dir, identityFile)
	f, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return id, false, nil
	}
	if err != nil {
		return id, false, fmt.Errorf("reading %s: %w; choose another folder with --data", path, err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return id, false, fmt.Errorf("reading %s: %w; choose another folder with --data", path, err)
	}
	if id, err = parseIdentity(string(content)); err != nil {
		return id, false, fmt.Errorf("%s is damaged (%w): restore it from a copy, or let this node join under a new --node.id with an empty --data folder", path, err)
	}
	return id, true, nil
}

func parseIdentity(text string) (id identity, err error) {
	values := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			values[key] = value
		}
	}
	if v := values["version"]; v != "1" {
		return id, fmt.Errorf("version is %q, this release knows 1", v)
	}
	node, err := strconv.ParseInt(values["node.id"], 10, 32)
	if err != nil {
		return id, fmt.Errorf("node.id is %q", values["node.id"])
	}
	id = identity{NodeID: int32(node), DirectoryID: values["directory.id"], ClusterID: values["cluster.id"], Joining: values["joining"] == "true"}
	if id.DirectoryID == "" {
		return id, errors.New("directory.id is missing")
	}
	id.Lost = values["lost.directory.id"]
	id.Peers, err = parsePeers(values["peers"])
	return id, err
}

// parsePeers reads ID@ADDRESS@RAFTADDRESS, separated by commas.
func parsePeers(text string) (peers []rpc.PeerNode, err error) {
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		parts := strings.Split(one, "@")
		if len(parts) != 3 {
			return nil, fmt.Errorf("peers has %q, want ID@ADDRESS@RAFTADDRESS", one)
		}
		id, err := strconv.ParseInt(parts[0], 10, 32)
		if err != nil || id < 1 {
			return nil, fmt.Errorf("peers has %q, whose id is none", one)
		}
		peers = append(peers, rpc.PeerNode{ID: int32(id), Address: parts[1], RaftAddress: parts[2]})
	}
	return peers, nil
}

func formatPeers(peers []rpc.PeerNode) string {
	var all []string
	for _, p := range peers {
		if !strings.ContainsAny(p.Address+p.RaftAddress, ",@\r\n") {
			all = append(all, fmt.Sprintf("%d@%s@%s", p.ID, p.Address, p.RaftAddress))
		}
	}
	return strings.Join(all, ",")
}

// write replaces the file; it is whole after a crash, old or new.
func (id identity) write(disk vfs.FS, dir string) error {
	if err := wal.MakeDir(disk, dir); err != nil {
		return fmt.Errorf("making the data folder: %w; choose another folder with --data", err)
	}
	content := fmt.Sprintf("version=1\nnode.id=%d\ndirectory.id=%s\ncluster.id=%s\njoining=%t\n", id.NodeID, id.DirectoryID, id.ClusterID, id.Joining)
	if id.Lost != "" {
		content += "lost.directory.id=" + id.Lost + "\n"
	}
	if len(id.Peers) > 0 {
		content += "peers=" + formatPeers(id.Peers) + "\n"
	}
	path := disk.PathJoin(dir, identityFile)
	if err := writeSynced(disk, path+".new", content); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := disk.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	folder, err := disk.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func writeSynced(disk vfs.FS, path, content string) error {
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(content)); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkIdentity finds out whether this node may use the folder, and how it starts.
func (n *Node) checkIdentity() error {
	id, found, err := readIdentity(n.cfg.FS, n.cfg.Dir)
	if err != nil {
		return err
	}
	if found {
		if id.NodeID != n.cfg.ID {
			return fmt.Errorf("the data folder %s is node %d's: start it with --node.id %d, or choose another folder with --data", n.cfg.Dir, id.NodeID, id.NodeID)
		}
		if id.ClusterID == "" && id.Joining && len(n.cfg.Join) == 0 {
			return fmt.Errorf("the data folder %s was made to join a Metadata cluster and has not: give --join, or an empty folder to make a new cluster", n.cfg.Dir)
		}
		n.identity, n.joined = id, id.Peers
		return nil
	}
	n.identity = identity{NodeID: n.cfg.ID, DirectoryID: n.uuidText(), Joining: len(n.cfg.Join) > 0}
	if !n.identity.Joining {
		return nil // written when the cluster has its id
	}
	if names, err := n.cfg.FS.List(n.cfg.FS.PathJoin(n.cfg.Dir, "log")); err == nil && len(names) > 0 {
		return fmt.Errorf("the data folder %s holds a Metadata cluster of its own, which cannot join another: choose an empty folder with --data, or start it without --join", n.cfg.Dir)
	}
	// Before the id is asked for: who crashes in between asks again with the same folder.
	return n.identity.write(n.cfg.FS, n.cfg.Dir)
}
