package raftlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Kinds of a group's data in the state store. What a state machine writes has a space of its own, so it cannot collide with the rest.
const (
	kindState  = 's'
	kindMeta   = 'm' // applied, topic
	kindTopic  = 't' // offset -> record
	kindKeys   = 'k' // of a compacted topic
	kindStones = 'd' // tombstones of a compacted topic
)

var (
	appliedKey = []byte("applied")
	topicKey   = []byte("topic")
)

// group is one replica of a Raft group.
type group struct {
	node    *Node
	id      uint64
	name    string
	machine StateMachine
	topic   TopicConfig
	log     *slog.Logger
	tail    *tail

	// Owned by the event loop.
	raw          *raft.RawNode
	storage      *groupStorage
	conf         *pb.ConfState
	dirty        bool
	leads        bool // Raft says that this replica leads
	reads        []readBatch
	readsInWork  []*read // of the inbox that is being fed
	leadFrom     uint64  // the end of the log when this replica became leader
	sealAt       uint64  // see seal
	changing     *memberWait
	changingTerm uint64
	quiesced     bool
	restsOn      []int32 // the nodes whose heartbeats a quiesced group rests on
	isAwake      bool
	idle         int        // ticks since something happened
	elapsed      int        // ticks since a leader was heard
	timeout      int        // when elapsed is too long
	timeouts     *rand.Rand // of this group alone: what others draw, and in which order, changes nothing here
	eager        int        // campaigns without waiting that are left
	refused      refusal
	seenTerm     uint64
	lastLead     uint64 // the last that was known
	removed      bool
	ledAt        time.Time        // when a leader was last heard, or this replica was started
	sends        map[int32]uint64 // snapshots under way, and the indexes that Raft wants them at
	snapshotFrom int              // the tick from which on one may be sent again
	rebuilding   map[int32]bool
	receiving    bool
	staged       *staged
	hashing      *hashCheck
	hashTick     int
	hashCursor   []byte
	own          ownHash

	// Owned by whoever applies; one at a time.
	applied    appliedState
	topicState topicState

	place     atomic.Uint64 // of the data in the state store
	sinceHash atomic.Int64  // entries that were applied since the last check

	over atomic.Bool // stopped or halted: nothing is done any more

	followedAt atomic.Int64 // when somebody last waited for records, in nanoseconds of the node's clock

	// pending, pendingBytes, scheduled, patient, appliedAt and throttled are guarded by applyQueue.mu.
	pending      []committed
	pendingBytes int
	scheduled    bool
	patient      bool
	appliedAt    time.Time
	throttled    bool

	mu           sync.Mutex // guards everything below
	ended        error      // why the group does not serve
	endedCh      chan struct{}
	leadership   Leadership
	raftLeads    bool // Raft says that this replica leads; IsLeader follows when it has applied
	changed      chan struct{}
	waiters      map[uint64]*proposal
	appliedIndex uint64
	appliedTerm  uint64
	applyWaits   []applyWait // reads that wait for an index to be applied
}

var _ Log = (*group)(nil)

// View implements Log. When the node is closed, fn is not called.
func (g *group) View(fn func(statestore.Reader)) {
	g.view(func(reader func(byte) statestore.Reader) { fn(reader(kindState)) })
}

// Hash covers the state machine's state: replicas that applied the same index agree on it.
func (g *group) Hash() (index uint64, hash string, err error) {
	defer recoverFailure(&err)
	g.view(func(reader func(byte) statestore.Reader) {
		value, _ := reader(kindMeta).Get(appliedKey)
		var a appliedState
		if a, err = decodeApplied(value); err == nil {
			index, hash = a.index, statestore.Hash(reader(kindState))
		}
	})
	return index, hash, err
}

// Leadership implements Log.
func (g *group) Leadership() Leadership {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leadership
}

// LeadershipChanged implements Log.
func (g *group) LeadershipChanged() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// Bounds implements Log.
func (g *group) Bounds() (start, highWatermark int64) { return g.tail.bounds() }

// Wait implements Log.
func (g *group) Wait(ctx context.Context, offset int64) error {
	for {
		g.followedAt.Store(g.node.cfg.Clock.Now().UnixNano())
		above, appended := g.tail.beyond(offset)
		if above {
			return nil
		}
		select {
		case <-appended:
		case <-g.endedCh:
			return g.endError()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Read implements Log.
func (g *group) Read(offset int64, maxBytes int) (records []Record, err error) {
	if err := g.endError(); err != nil {
		return nil, err
	}
	defer func() {
		if errors.As(err, new(*statestore.Failure)) {
			records, err = nil, g.endError()
		}
	}()
	defer recoverFailure(&err)
	records, start, next, ok := g.tail.read(offset, maxBytes)
	if offset < start || offset > next {
		return nil, fmt.Errorf("%s: offset %d is not in %d to %d: %w", g.name, offset, start, next, kerr.OffsetOutOfRange)
	}
	if ok {
		return records, nil
	}
	size := 0
	g.view(func(reader func(byte) statestore.Reader) {
		reader(kindTopic).Scan(offsetKey(offset), offsetKey(next), func(key, value []byte) bool {
			r, decodeErr := decodeRecord(keyOffset(key), value)
			if decodeErr != nil {
				err = fmt.Errorf("%s: %w", g.name, decodeErr)
				return false
			}
			if size += int(recordBytes(r)); size > maxBytes && len(records) > 0 {
				return false
			}
			records = append(records, r)
			return true
		})
	})
	return records, err
}

// endError is why the group does not serve, or nil.
func (g *group) endError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
}

// end stops the group for good. Proposals under way have an unknown outcome: they may be in the log.
func (g *group) end(reason error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended != nil {
		return false
	}
	g.over.Store(true)
	g.ended = reason
	close(g.endedCh)
	g.failWaiters(reason)
	for _, w := range g.applyWaits {
		w.finish(reason)
	}
	g.applyWaits = nil
	g.raftLeads = false
	g.setLeadership(Leadership{Term: g.leadership.Term, Leader: -1})
	return true
}

// halt ends a group whose state machine or disk says that it must not go on. Its neighbours do not notice.
func (g *group) halt(reason error) {
	if g.end(fmt.Errorf("%w: %s is halted: %w", kerr.CoordinatorNotAvailable, g.name, reason)) {
		g.node.metrics.halted.Inc()
		g.node.setCondition(g, conditionOf(reason), reason)
		g.log.Error("this partition is halted; others go on", "error", reason)
		g.node.control(func() { g.node.onEnded(g) })
	}
}

// haltOnFailure is deferred where the state is read. The reader must not go on with half of it: it panics all the same.
func (g *group) haltOnFailure() {
	switch p := recover().(type) {
	case nil:
	case *statestore.Failure:
		g.halt(p)
		panic(p)
	default:
		panic(p)
	}
}

// failWaiters runs under mu.
func (g *group) failWaiters(reason error) {
	for _, counter := range slices.Sorted(maps.Keys(g.waiters)) {
		g.waiters[counter].finish(nil, fmt.Errorf("%w: %w", kafka.ErrUnknownOutcome, reason))
	}
	clear(g.waiters)
}

// setLeadership runs under mu.
func (g *group) setLeadership(l Leadership) {
	if l == g.leadership {
		return
	}
	g.leadership = l
	close(g.changed)
	g.changed = make(chan struct{})
}

// observe takes over what Raft says about the leader.
func (g *group) observe() {
	status := g.raw.BasicStatus()
	term, leads := status.GetTerm(), status.RaftState == raft.StateLeader
	if leads && !g.leads {
		g.leadFrom = lastIndex(g.storage.Group)
		g.sealAt = max(g.leadFrom, min(g.sealAt, g.leadFrom+1)) // its first entry is a seal of what is applied; where a change is applied just now, the next one is
	}
	if g.leads && !leads {
		g.node.vouch++
		g.hashing = nil
	}
	g.leads = leads
	g.timeObserved(status)
	g.checkChange()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended != nil {
		return
	}
	if g.raftLeads && (!leads || term != g.leadership.Term) {
		g.failWaiters(fmt.Errorf("leadership of %s was lost", g.name))
	}
	g.raftLeads = leads
	g.setLeadership(Leadership{Term: term, Leader: NodeOf(status.Lead), IsLeader: leads && g.appliedTerm == term})
}

// sole says whether this replica is the only one: it needs no clock to stay the leader.
func (g *group) sole() bool {
	c := g.conf
	return len(c.GetVoters()) == 1 && c.GetVoters()[0] == raftID(g.node.cfg.NodeID) && len(c.GetLearners()) == 0 && len(c.GetVotersOutgoing()) == 0
}
