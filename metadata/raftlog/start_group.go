package raftlog

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// firstIndex is where the log of a new group begins, with its first members as the state before. It is not 0, so that a replica that
// joins later must be sent a snapshot, which has the members.
const firstIndex = 1

// StartGroup starts this node's replica of a group: a new one, or the one that the data folder holds. The log is a *group,
// which has Hash, too. A sole voter leads within a few milliseconds: wait for Leadership.
func (n *Node) StartGroup(cfg GroupConfig) (Log, error) {
	if cfg.ID == 0 || cfg.Name == "" || cfg.Machine == nil {
		return nil, errors.New("raftlog: a group needs an id above 0, a name and a state machine")
	}
	var g *group
	var startErr error
	if err := n.do(func() { g, startErr = n.start(cfg) }); err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	if startErr != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Name, startErr)
	}
	return g, nil
}

// start runs in the event loop.
func (n *Node) start(cfg GroupConfig) (_ *group, err error) {
	if n.groups[cfg.ID] != nil {
		return nil, fmt.Errorf("group %d runs already", cfg.ID)
	}
	defer func() {
		if p := recover(); p != nil { // Raft refuses a state that contradicts itself
			err = panicError(p)
		}
	}()
	g := &group{
		ledAt: n.cfg.Clock.Now(), timeouts: rand.New(rand.NewPCG(n.timeouts, cfg.ID)),
		node: n, id: cfg.ID, name: cfg.Name, machine: cfg.Machine, topic: cfg.Topic, log: n.cfg.Logger.With("group", cfg.ID, "name", cfg.Name),
		endedCh: make(chan struct{}), changed: make(chan struct{}), waiters: map[uint64]*proposal{}, leadership: Leadership{Leader: -1},
	}
	g.place.Store(cfg.ID)
	n.view(func(v *pebblestore.View) { g.place.Store(placeOf(v.Reader(placedSpace), cfg.ID)) })
	found, err := g.loadState()
	if err != nil {
		return nil, err
	}
	entries, err := n.openEntries(g, cfg, found)
	if err != nil {
		return nil, err
	}
	g.conf = g.applied.conf
	g.tail = newTail(n.cfg, g.topicState)
	g.appliedIndex, g.appliedTerm = g.applied.index, g.applied.term
	g.storage = &groupStorage{Group: entries, g: g, confIndex: g.applied.index}
	g.raw, err = raft.NewRawNode(&raft.Config{
		ID: raftID(n.cfg.NodeID), ElectionTick: n.cfg.ElectionTicks, HeartbeatTick: n.cfg.HeartbeatTicks,
		Storage: g.storage, Applied: g.applied.index, MaxSizePerMsg: 1 << 20, MaxCommittedSizePerReady: 8 << 20,
		MaxUncommittedEntriesSize: uint64(n.cfg.MaxInFlightBytes), MaxInflightMsgs: 256, MaxInflightBytes: 16 << 20,
		CheckQuorum: true, PreVote: true, ReadOnlyOption: raft.ReadOnlySafe, DisableProposalForwarding: true,
		StepDownOnRemoval: true, Logger: raftLogger{g.log},
	})
	if err != nil {
		return nil, err
	}
	g.seenTerm = g.raw.BasicStatus().GetTerm()
	g.drawTimeout()
	if g.sole() {
		if err := g.raw.Campaign(); err != nil { // nobody else can lead: do not wait for an election timeout
			return nil, err
		}
	}
	n.groups[g.id] = g
	n.awaken(g)
	n.order = append(n.order, g)
	n.metrics.groups.Set(float64(len(n.order)))
	n.markDirty(g)
	return g, nil
}

// loadState reads what the state store knows of the group.
func (g *group) loadState() (found bool, err error) {
	g.node.view(func(v *pebblestore.View) {
		meta := v.Reader(g.space(kindMeta))
		value, ok := meta.Get(appliedKey)
		if !ok {
			return
		}
		found = true
		if g.applied, err = decodeApplied(value); err != nil {
			err = fmt.Errorf("%w: %w", errDamagedState, err)
			return
		}
		if why, ok := meta.Get(divergedKey); ok {
			err = fmt.Errorf("%w (%s): it must be rebuilt from the others", ErrDiverged, why)
			return
		}
		if why, ok := meta.Get(damagedKey); ok {
			err = fmt.Errorf("%w (%s): it must be rebuilt from the others", errDamagedState, why)
			return
		}
		if value, ok := meta.Get(topicKey); ok {
			if g.topicState, err = decodeTopicState(value); err != nil {
				err = fmt.Errorf("%w: %w", errDamagedState, err)
			}
		}
	})
	return found, err
}

// openEntries brings the log and the state of a group together. A crash may lose the state since the last flush, never an entry: the log
// then replays it. Everything else that does not fit is damage, and starting with it would lose acknowledged commands.
func (n *Node) openEntries(g *group, cfg GroupConfig, found bool) (*wal.Group, error) {
	entries := n.log.Group(g.id)
	if entries == nil {
		if found && g.applied.installed { // the crash came before the log's first write
			term, vote := g.applied.term, uint64(0)
			return n.log.Stage(g.id, g.installedStart(), &pb.HardState{Term: &term, Vote: &vote, Commit: &g.applied.index}), nil
		}
		if err := logBehind(nil, g.applied); found && err != nil {
			return nil, err
		}
		return n.bootstrap(g, cfg), nil
	}
	start, behind := entries.Start(), logBehind(entries, g.applied)
	switch {
	case !found && (start.Index == firstIndex && start.Conf != nil || start.Index == 0):
		conf, err := decodeConf(start.Conf)
		if err != nil {
			return nil, err
		}
		g.applied = appliedState{index: start.Index, term: start.Term, conf: conf}
	case !found || g.applied.index < start.Index:
		return nil, fmt.Errorf("%w: %w: the log begins behind index %d, but the state is only at %d; %s", ErrHalt, errDamagedState, start.Index, g.applied.index, restoreHint)
	case g.applied.installed && !fits(entries, g.applied):
		hs := entries.HardState()
		term, vote := max(hs.GetTerm(), g.applied.term), hs.GetVote()
		if term > hs.GetTerm() {
			vote = 0
		}
		entries = n.log.Stage(g.id, g.installedStart(), &pb.HardState{Term: &term, Vote: &vote, Commit: &g.applied.index})
	case behind != nil:
		return nil, behind
	}
	return entries, nil
}

// fits says whether the state is somewhere in the log. One that was installed need not be: the crash came before the log learned of it.
func fits(entries *wal.Group, a appliedState) bool {
	term, err := entries.Term(a.index)
	return err == nil && term == a.term
}

const restoreHint = "check the disk, then restore this node's data folder (--data) from a copy, or let it join as a new node with an empty folder and another id"

// bootstrap begins a log. Without voters the replica waits for a leader that sends it a snapshot.
func (n *Node) bootstrap(g *group, cfg GroupConfig) *wal.Group {
	if len(cfg.Voters) == 0 {
		g.applied = appliedState{conf: &pb.ConfState{}}
		return n.log.Stage(g.id, wal.Start{}, &pb.HardState{})
	}
	conf := &pb.ConfState{}
	for _, v := range cfg.Voters {
		conf.Voters = append(conf.Voters, raftID(v))
	}
	g.applied = appliedState{index: firstIndex, term: 1, conf: conf}
	if cfg.Voters[0] == n.cfg.NodeID {
		g.eager = eagerTries
	}
	g.topicState = topicState{}
	term, vote, commit := uint64(1), uint64(0), uint64(firstIndex)
	return n.log.Stage(g.id, g.installedStart(), &pb.HardState{Term: &term, Vote: &vote, Commit: &commit})
}

// installedStart is the log behind the applied state.
func (g *group) installedStart() wal.Start {
	conf, err := proto.Marshal(g.applied.conf)
	if err != nil {
		panic(err) // numbers only
	}
	return wal.Start{Index: g.applied.index, Term: g.applied.term, Conf: conf}
}

func lastIndex(entries *wal.Group) uint64 {
	last, _ := entries.LastIndex() // never an error
	return last
}
