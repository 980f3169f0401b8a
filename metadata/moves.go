package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// moveInterval is between two steps of the moves that this node leads, idleMoveInterval between two looks while there are none.
	moveInterval     = 200 * time.Millisecond
	idleMoveInterval = 2 * time.Second
	moveStepTimeout  = 10 * time.Second
	// balanceAfter is for how long a node leads a group before it hands it to the node that had better lead it: that one may just be stopping.
	balanceAfter = 15 * time.Second
	// maxHandovers bounds the leaders that one look hands over.
	maxHandovers = 16
	// handoverLag is how many entries the next leader may be behind.
	handoverLag = 64
)

// mover brings the replicas of the groups that this node leads to where __cluster_metadata says they are to be, one change at a time for each group: a learner is
// added, becomes a voter when it has caught up, and what is too many is removed. Each look begins with what Raft says, so it goes on where any other leader stopped.
type mover struct {
	n     *Node
	since map[uint64]led
}

type led struct {
	term uint64
	at   time.Time
}

// run looks until ctx ends.
func (m *mover) run(ctx context.Context) {
	for {
		wait := idleMoveInterval
		if m.look(ctx) {
			wait = moveInterval
		}
		wake := m.n.layoutChanged()
		timer := m.n.cfg.Clock.NewTimer(wait)
		select {
		case <-wake:
			timer.Stop()
			if clock.Sleep(ctx, m.n.cfg.Clock, moveInterval/4) != nil { // several records share a look
				return
			}
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// look takes one step in each group. busy says that there is more to do soon.
func (m *mover) look(ctx context.Context) (busy bool) {
	statuses, err := m.n.logs.Statuses()
	if err != nil {
		return false // closing
	}
	l := m.n.layout.Load()
	placed := map[uint64]*topics.PartitionPlacement{}
	for _, partitions := range l.placements {
		for _, p := range partitions {
			placed[p.RaftGroup] = p
		}
	}
	handovers := 0
	for i := range statuses {
		s := &statuses[i]
		p := placed[s.Group]
		if ctx.Err() != nil || m.n.stopping.Load() {
			return false
		}
		if !s.IsLeader || p == nil {
			delete(m.since, s.Group)
			continue
		}
		if m.since[s.Group].term != s.Term {
			m.since[s.Group] = led{s.Term, m.n.cfg.Clock.Now()}
		}
		change, todo := m.nextChange(l, p, s)
		switch {
		case todo:
			busy = true
			m.carryOut(ctx, p, s, change)
		case len(p.Target) > 0:
			busy = true
			if s.Sealed { // whoever reads that a move is over may switch off a node
				m.complete(ctx, p)
			}
		case handovers < maxHandovers && m.handOver(ctx, p, s):
			handovers++
		}
	}
	return busy
}

// step is one change of a group's replicas, or the handing over of its leadership.
type step struct {
	change raftlog.MemberChange
	to     int32 // hand the leadership to; 0 for a change
}

// nextChange is the next step from what Raft says to what is wanted. todo is false when there is none.
func (m *mover) nextChange(l *layout, p *topics.PartitionPlacement, s *raftlog.Status) (next step, todo bool) {
	want := p.Voters
	if len(p.Target) > 0 {
		want = p.Target
	}
	if len(want) == 0 {
		return step{}, false
	}
	for _, node := range want { // 1. who is to vote is there and votes
		switch {
		case slices.Contains(s.Voters, node):
		case slices.Contains(s.Learners, node):
			return step{change: raftlog.MemberChange{Kind: raftlog.Promote, Node: node}}, true
		default:
			return step{change: raftlog.MemberChange{Kind: raftlog.AddLearner, Node: node}}, true
		}
	}
	for _, node := range s.Voters { // 2. then the others go, this node last
		if !slices.Contains(want, node) && node != m.n.cfg.ID {
			return step{change: raftlog.MemberChange{Kind: raftlog.Remove, Node: node}}, true
		}
	}
	if !slices.Contains(want, m.n.cfg.ID) {
		if to := m.successor(want, s); to != 0 {
			return step{to: to}, true
		}
		return step{}, len(p.Target) > 0
	}
	learners := m.learners(l, p, want) // 3. and who only follows
	for _, node := range s.Learners {
		if !slices.Contains(learners, node) {
			return step{change: raftlog.MemberChange{Kind: raftlog.Remove, Node: node}}, true
		}
	}
	for _, node := range learners {
		if !slices.Contains(s.Learners, node) && m.n.alive(node) {
			return step{change: raftlog.MemberChange{Kind: raftlog.AddLearner, Node: node}}, true
		}
	}
	return step{}, false
}

// learners of a group: every node follows __cluster_metadata, one that was removed until its last replica has left it.
func (m *mover) learners(l *layout, p *topics.PartitionPlacement, voters []int32) (nodes []int32) {
	if p.RaftGroup != state.ClusterMetadataGroup {
		return nil
	}
	for _, node := range l.present() {
		if !slices.Contains(voters, node.ID) && node.RaftAddress != "" {
			nodes = append(nodes, node.ID)
		}
	}
	return nodes
}

// successor is the first of want that can lead at once, 0 for none.
func (m *mover) successor(want []int32, s *raftlog.Status) int32 {
	for _, node := range want {
		if node != m.n.cfg.ID && m.canLead(node, s) {
			return node
		}
	}
	return 0
}

func (m *mover) canLead(node int32, s *raftlog.Status) bool {
	for _, r := range s.Replicas {
		if r.Node == node {
			return !r.Learner && (r.Active || s.Quiesced) && !r.Snapshot && r.Lag <= handoverLag && m.n.alive(node)
		}
	}
	return false
}

func (m *mover) carryOut(ctx context.Context, p *topics.PartitionPlacement, s *raftlog.Status, next step) {
	ctx, cancel := within(ctx, m.n.cfg.Clock, moveStepTimeout)
	defer cancel()
	if next == (step{}) {
		return // nobody can take over now
	}
	var err error
	if next.to != 0 {
		err = m.n.logs.TransferLeadership(ctx, s.Group, next.to)
	} else {
		err = m.n.logs.ChangeMembers(ctx, s.Group, next.change)
	}
	logger := m.n.cfg.Logger.With("topic", p.Topic, "partition", p.Partition)
	switch {
	case err == nil && next.to != 0:
		logger.Info("handed the leadership to a node that stays", "node", next.to)
	case err == nil:
		logger.Info("changed a partition's replicas", "change", next.change.Kind.String(), "node", next.change.Node)
	case errors.Is(err, raftlog.ErrNotCaughtUp), errors.Is(err, raftlog.ErrChangePending), errors.Is(err, kerr.NotCoordinator), ctx.Err() != nil:
		logger.Debug("a step of a move has to wait", "error", err)
	default:
		logger.Warn("a step of a move failed and will be tried again", "change", fmt.Sprint(next), "error", err)
	}
}

// complete tells the controller.
func (m *mover) complete(ctx context.Context, p *topics.PartitionPlacement) {
	ctx, cancel := within(ctx, m.n.cfg.Clock, moveStepTimeout)
	defer cancel()
	req := &rpc.CompleteMoveRequest{Topic: p.Topic, Partition: p.Partition, Move: p.Move, Voters: p.Target}
	err := m.n.onController(
		func() error { _, err := m.n.CompleteMove(ctx, req); return err },
		func(c *client.NodeClient) error { _, err := c.CompleteMove(ctx, req); return err },
	)
	if err != nil {
		m.n.cfg.Logger.Debug("the controller does not know yet that a move is over", "topic", p.Topic, "partition", p.Partition, "error", err)
	}
}

// handOver gives a group to the node that had better lead it.
func (m *mover) handOver(ctx context.Context, p *topics.PartitionPlacement, s *raftlog.Status) bool {
	if len(p.Voters) == 0 || p.Voters[0] == m.n.cfg.ID || !m.canLead(p.Voters[0], s) || m.n.cfg.Clock.Now().Sub(m.since[s.Group].at) < balanceAfter {
		return false
	}
	ctx, cancel := within(ctx, m.n.cfg.Clock, moveStepTimeout)
	defer cancel()
	if err := m.n.logs.TransferLeadership(ctx, s.Group, p.Voters[0]); err != nil {
		m.since[s.Group] = led{s.Term, m.n.cfg.Clock.Now()} // not again at once
		m.n.cfg.Logger.Debug("a leader was not handed over", "topic", p.Topic, "partition", p.Partition, "node", p.Voters[0], "error", err)
		return false
	}
	return true
}
