package raftlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"github.com/inkwell-project/inkwell/kafka"
)

// ChangeKind is what a MemberChange does.
type ChangeKind int

const (
	// AddLearner adds a replica that is sent everything and does not vote. Its node starts it with no Voters.
	AddLearner ChangeKind = iota + 1
	// Promote makes a learner that has caught up a voter.
	Promote
	// Remove removes a replica. Its node then sees the condition Removed and may call RemoveGroup. A leader that removes itself costs the
	// group an election: transfer the leadership first.
	Remove
)

func (k ChangeKind) String() string {
	return [...]string{"?", "add learner", "promote", "remove"}[max(0, min(int(k), 3))]
}

// MemberChange changes one replica of a group.
type MemberChange struct {
	Kind ChangeKind
	Node int32
}

// promoteLag is how many entries a learner may be behind when it becomes a voter.
const promoteLag = 256

// memberWait is a change that was proposed and is not applied.
type memberWait struct {
	change MemberChange
	done   chan error // holds one
}

// ChangeMembers changes a group's replicas through this node, which must lead it, and returns when the change is applied. One that is there
// already succeeds. kerr.NotCoordinator: this node does not lead; ErrChangePending, ErrNotCaughtUp: try again. kafka.ErrUnknownOutcome: it may
// or may not happen; ask Status, or just ask again.
func (n *Node) ChangeMembers(ctx context.Context, id uint64, change MemberChange) error {
	wait := &memberWait{change: change, done: make(chan error, 1)}
	var err error
	var g *group
	if doErr := n.do(func() {
		if g = n.groups[id]; g == nil || g.over.Load() {
			err = fmt.Errorf("group %d does not run here: %w", id, kerr.NotCoordinator)
			return
		}
		if !g.guard(func() { err = g.proposeChange(wait) }) {
			err = g.endError()
		}
		n.markDirty(g)
	}); doErr != nil {
		return doErr
	}
	if err != nil {
		return err
	}
	select {
	case err := <-wait.done:
		return err
	case <-g.endedCh:
		return fmt.Errorf("%w: %w", kafka.ErrUnknownOutcome, g.endError())
	case <-n.loopDone:
		return fmt.Errorf("%w: %w", kafka.ErrUnknownOutcome, kafka.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("%s: %s node %d: %w: %w", g.name, change.Kind, change.Node, kafka.ErrUnknownOutcome, context.Cause(ctx))
	}
}

// proposeChange runs in the event loop.
func (g *group) proposeChange(w *memberWait) error {
	c := w.change
	if g.raw.BasicStatus().RaftState != raft.StateLeader {
		return fmt.Errorf("%s: %w", g.name, kerr.NotCoordinator)
	}
	if inEffect(g.conf, c) {
		w.done <- nil
		return nil
	}
	if g.changing != nil {
		return fmt.Errorf("%s: %s node %d: %w", g.name, g.changing.change.Kind, g.changing.change.Node, ErrChangePending)
	}
	id, kind := raftID(c.Node), pb.ConfChangeAddLearnerNode
	switch c.Kind {
	case AddLearner:
	case Promote:
		kind = pb.ConfChangeAddNode
		if err := g.caughtUp(c.Node); err != nil {
			return err
		}
	case Remove:
		kind = pb.ConfChangeRemoveNode
		if voters := g.conf.GetVoters(); len(voters) == 1 && voters[0] == id {
			return fmt.Errorf("%s: node %d is the only voter, it cannot be removed: %w", g.name, c.Node, kerr.InvalidRequest)
		}
	default:
		return fmt.Errorf("%s: there is no change of kind %d: %w", g.name, c.Kind, kerr.InvalidRequest)
	}
	g.wakeUp()
	if !g.confSettled() {
		return fmt.Errorf("%s: %w", g.name, ErrChangePending)
	}
	before := g.raw.BasicStatus().GetTerm()
	change := &pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{{Type: kind.Enum(), NodeId: &id}}}
	if err := g.raw.ProposeConfChange(change); err != nil {
		return fmt.Errorf("%s: %w: %w", g.name, kerr.NotCoordinator, err) // a transfer is under way, or too much is uncommitted
	}
	g.changing, g.changingTerm = w, before
	return nil
}

// confSettled: everything that this leader's log holds of earlier changes is applied. Raft would turn a change that comes too early into an
// empty entry, without a word.
func (g *group) confSettled() bool {
	applied := g.raw.BasicStatus().Applied
	return g.changing == nil && applied >= g.leadFrom
}

func (g *group) caughtUp(node int32) error {
	err := fmt.Errorf("%s: node %d is not a replica: %w", g.name, node, kerr.InvalidRequest)
	last := lastIndex(g.storage.Group)
	g.raw.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if id != raftID(node) {
			return
		}
		err = nil
		if !current(pr, last) {
			err = fmt.Errorf("%s: node %d is at index %d of %d: %w", g.name, node, pr.Match, last, ErrNotCaughtUp)
		}
	})
	return err
}

// current says whether a replica is sent entries as they come, and lacks few. One that is probed may turn out to need a snapshot.
func current(pr tracker.Progress, last uint64) bool {
	return pr.RecentActive && pr.State == tracker.StateReplicate && pr.Match+promoteLag >= last
}

// inEffect says whether the members are as the change wants them.
func inEffect(conf *pb.ConfState, c MemberChange) bool {
	id := raftID(c.Node)
	voter, learner := slices.Contains(conf.GetVoters(), id), slices.Contains(conf.GetLearners(), id)
	switch c.Kind {
	case AddLearner:
		return voter || learner
	case Promote:
		return voter
	case Remove:
		return !voter && !learner
	}
	return false
}

// checkChange ends the wait for a change when it is applied, or when this replica does not lead any more. It runs in the event loop.
func (g *group) checkChange() {
	w := g.changing
	if w == nil {
		return
	}
	status := g.raw.BasicStatus()
	switch {
	case inEffect(g.conf, w.change):
		w.done <- nil
	case status.RaftState != raft.StateLeader || status.GetTerm() != g.changingTerm:
		w.done <- fmt.Errorf("%s: leadership was lost: %w", g.name, kafka.ErrUnknownOutcome)
	default:
		return
	}
	g.changing = nil
}

// seal has a leader write an empty entry behind a change of members that it has applied. A change counts on a node once it is known to be committed there, and how far a log is
// committed is not made durable by itself: nodes that all restart remember the change, but not that it counts. They elect as before it, and if one of the old members is gone
// meanwhile, which the new ones could do without, nobody ever leads again. What is sent behind the applied change says that it is committed, and is durable together with that. So once a
// majority of the new members has the seal, whichever of them has the longest log knows the new members. A seal that Raft refuses is offered again with the next tick.
func (g *group) seal() {
	if g.leads && lastIndex(g.storage.Group) < g.sealAt {
		_ = g.raw.Propose(nil)
	}
}

// sealed says whether the last change of members that this leader applied has its seal. It runs in the event loop.
func (g *group) sealed() bool { return g.raw.BasicStatus().Applied >= g.sealAt }
