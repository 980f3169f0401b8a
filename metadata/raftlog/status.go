package raftlog

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Status is what one replica knows about its group.
type Status struct {
	Group      uint64
	Name       string
	Term       uint64
	Leader     int32 // node id, -1 when unknown
	IsLeader   bool
	FirstIndex uint64 // of the log
	LastIndex  uint64
	Commit     uint64
	Applied    uint64 // index of the last entry in the state
	Voters     []int32
	Learners   []int32
	// Replicas are all members in order of their node ids, as the leader sees them; nil elsewhere.
	Replicas []ReplicaProgress
	// Sealed: this replica leads, and a majority of the Voters is sure to lead the group on, however many nodes restart at once. Until then it may take nodes
	// that are voters no more. See seal.
	Sealed bool
	// Transferee is the node that leadership is being transferred to, -1 for none.
	Transferee int32
	// Quiesced: nothing is outstanding and the group costs nothing until something happens.
	Quiesced bool
	// Err says why the replica does not serve, nil while it does.
	Err error
}

// ReplicaProgress is how far one replica is.
type ReplicaProgress struct {
	Node    int32
	Learner bool
	Match   uint64 // the last entry that is known to be in its log
	Lag     uint64 // entries between that and the end of the leader's log
	// Active: it answered lately. Snapshot: it is being sent one.
	Active, Snapshot bool
	// LastContact is when anything arrived from its node, zero for never. The leader's own is now.
	LastContact time.Time
}

// Status of a group that runs here. kerr.UnknownTopicOrPartition: there is none.
func (n *Node) Status(id uint64) (Status, error) {
	var s Status
	err := fmt.Errorf("group %d does not run here: %w", id, kerr.UnknownTopicOrPartition)
	if doErr := n.do(func() {
		if g := n.groups[id]; g != nil {
			s, err = g.status(), nil
		}
	}); doErr != nil {
		return Status{}, doErr
	}
	return s, err
}

// Statuses of all groups that run here, by group.
func (n *Node) Statuses() ([]Status, error) {
	var list []Status
	if err := n.do(func() {
		for _, g := range n.order {
			list = append(list, g.status())
		}
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Status) int { return int(int64(a.Group) - int64(b.Group)) })
	return list, nil
}

// status runs in the event loop.
func (g *group) status() Status {
	g.mu.Lock()
	s := Status{Group: g.id, Name: g.name, Leader: -1, Applied: g.appliedIndex, IsLeader: g.leadership.IsLeader, Err: g.ended}
	g.mu.Unlock()
	basic := g.raw.BasicStatus()
	s.Term, s.Commit = basic.GetTerm(), basic.GetCommit()
	s.FirstIndex, s.LastIndex = g.storage.Start().Index+1, lastIndex(g.storage.Group)
	s.Voters, s.Learners = nodesOf(g.conf.GetVoters()), nodesOf(g.conf.GetLearners())
	s.Transferee = NodeOf(basic.LeadTransferee)
	s.Quiesced = g.quiesced
	if s.Err != nil {
		return s
	}
	s.Leader = NodeOf(basic.Lead)
	if basic.RaftState != raft.StateLeader {
		return s
	}
	s.Sealed = g.sealed()
	g.raw.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		p := ReplicaProgress{Node: NodeOf(id), Learner: kind == raft.ProgressTypeLearner, Match: pr.Match, Active: pr.RecentActive,
			Snapshot: pr.State == tracker.StateSnapshot, LastContact: g.node.heard[NodeOf(id)]}
		if id == basic.ID {
			p.Match, p.LastContact = s.LastIndex, g.node.cfg.Clock.Now()
		}
		p.Lag = s.LastIndex - min(s.LastIndex, p.Match)
		s.Replicas = append(s.Replicas, p)
	})
	slices.SortFunc(s.Replicas, func(a, b ReplicaProgress) int { return int(a.Node - b.Node) })
	return s
}

func nodesOf(ids []uint64) []int32 {
	nodes := make([]int32, len(ids))
	for i, id := range ids {
		nodes[i] = NodeOf(id)
	}
	slices.Sort(nodes)
	return nodes
}

// members are the raft ids of everyone in the group.
func members(c *pb.ConfState) []uint64 {
	ids := slices.Concat(c.GetVoters(), c.GetVotersOutgoing(), c.GetLearners(), c.GetLearnersNext())
	slices.Sort(ids)
	return slices.Compact(ids)
}
