package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/topics"
)

// LoseNode says that a node lost the Raft log of its data folder, and has forgotten what it voted and acknowledged. It may be heard in no group until the group's members, agreed on without it,
// do not have it any more: it gets no replicas, and those that it had move away. RegisterNode with the folder Next then brings it back. Saying it twice changes nothing.
type LoseNode struct {
	Node            int32
	Directory, Next string // ids of the folder that is lost and of the one that follows
}

func (*LoseNode) field() int   { return 12 }
func (*LoseNode) level() int32 { return topics.FeatureLevel3 }

func (c *LoseNode) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Node))
	return wire.AppendString(wire.AppendString(b, 2, c.Directory), 3, c.Next)
}

func (c *LoseNode) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Node = int32(d.Sint())
		case 2:
			c.Directory = d.String()
		case 3:
			c.Next = d.String()
		}
	}
	return d.Err()
}

func (a *apply) loseNode(c *LoseNode) error {
	node, ok := Node(a.tx, c.Node)
	switch {
	case !ok:
		return fmt.Errorf("there is no node %d: %w", c.Node, kerr.DuplicateBrokerRegistration)
	case node.State == topics.NodeRemoved:
		return fmt.Errorf("node %d was removed from the Metadata cluster, and an id is used once: start it with an empty --data folder and another --node.id: %w", c.Node, kerr.DuplicateBrokerRegistration)
	case c.Directory == "" || c.Next == "" || c.Next == c.Directory:
		return fmt.Errorf("node %d lost the data folder %q and has %q: %w", c.Node, c.Directory, c.Next, kerr.InvalidRegistration)
	case node.NextDirectoryID == c.Next || node.DirectoryID == c.Next:
		return nil // it is known, or the node is back
	case node.Lost():
		return fmt.Errorf("node %d lost its Raft log before, and is to come back with the data folder %s, this one is %s: choose another --node.id: %w", c.Node, node.NextDirectoryID, c.Next, kerr.DuplicateBrokerRegistration)
	case node.DirectoryID != "" && node.DirectoryID != c.Directory:
		return fmt.Errorf("node %d is known with another data folder (%s) than the one that lost its Raft log (%s): choose another --node.id: %w", c.Node, node.DirectoryID, c.Directory, kerr.DuplicateBrokerRegistration)
	case a.activeNodesBut(c.Node) == 0:
		return fmt.Errorf("node %d is the last one that may hold replicas, and no other has what its Raft log held: restore its data folder (--data) from a copy, or add another node: %w", c.Node, kerr.InvalidRequest)
	}
	node.NextDirectoryID = c.Next
	a.put(nodeKey(node.ID), node)
	return nil
}

// mayReturn says whether a lost node may come back. A partition whose move is under way may have members that no placement names any more: those of a target that was given up.
func (a *apply) mayReturn(lost *topics.Node, directory string) error {
	if directory != lost.NextDirectoryID {
		return fmt.Errorf("node %d lost its Raft log and is to come back with the data folder %s, this one is %s: choose another --node.id: %w", lost.ID, lost.NextDirectoryID, directory, kerr.DuplicateBrokerRegistration)
	}
	holds, moving, such := 0, 0, ""
	for _, p := range Placements(a.tx) {
		switch {
		case p.Holds(lost.ID):
			holds++
		case len(p.Target) > 0:
			moving++
		default:
			continue
		}
		if such == "" {
			such = fmt.Sprintf("%s-%d", p.Topic, p.Partition)
		}
	}
	if such != "" {
		return fmt.Errorf("node %d lost its Raft log and comes back when nobody counts on that any more: %d partitions have not left it and %d others move, such as %s: %w", lost.ID, holds, moving, such, kerr.ReassignmentInProgress)
	}
	return nil
}
