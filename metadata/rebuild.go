package metadata

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// rebuildPause is before a rebuild, by chance up to twice that; it doubles with each one that fails, and with each that the replica needs again soon.
	rebuildPause    = 250 * time.Millisecond
	maxRebuildPause = time.Minute
	// rebuildPeace is how long a replica that was rebuilt has to go well.
	rebuildPeace = 10 * time.Minute
	// rebuildTimeout is for the state of one group to arrive.
	rebuildTimeout = 10 * time.Minute
	// rebuildsAtOnce bounds what one damaged file, which may hold the state of many groups, asks of the others.
	rebuildsAtOnce = 2
	// suppliersLogEvery is how many looks for nodes that have the state one line in the log stands for.
	suppliersLogEvery = 30
	suppliersLogFrom  = 5 // the first look may come before the first answers of the others
)

// rebuilds are the replicas of this node whose state is damaged, or differs from that of the others, and that are made anew from those. The partition is absent here meanwhile; its
// neighbours go on. Only the state is replaced: the replica keeps its log, its term and its vote, so it breaks no promise. One that lost those is not rebuilt.
type rebuilds struct {
	n     *Node
	rand  *rand.Rand
	turns chan struct{} // holds rebuildsAtOnce
	ended chan struct{} // holds one: some rebuild is over

	// Of the goroutine that follows __cluster_metadata.
	halted  map[uint64]error
	changed <-chan struct{}

	mu      sync.Mutex // guards what follows, and rand
	ctx     context.Context
	byGroup map[uint64]*rebuilding
	past    map[uint64]rebuilt
}

// rebuilding is one replica. It stays in the table until its log is taken.
type rebuilding struct {
	cfg    raftlog.GroupConfig
	cancel context.CancelFunc
	done   chan struct{} // closed at the end; then log may be read
	log    raftlog.Log   // nil: it was stopped
}

// rebuilt is what was done to a replica lately.
type rebuilt struct {
	times int
	at    time.Time
}

func newRebuilds(n *Node) *rebuilds {
	return &rebuilds{
		n: n, turns: make(chan struct{}, rebuildsAtOnce), ended: make(chan struct{}, 1), byGroup: map[uint64]*rebuilding{}, past: map[uint64]rebuilt{},
	}
}

// start gives what begins from now on the life of ctx.
func (r *rebuilds) start(ctx context.Context) { r.ctx, r.rand = ctx, r.n.cfg.NewRand() }

// look takes over which replicas halted.
func (r *rebuilds) look() {
	list, changed := r.n.logs.Conditions()
	r.halted, r.changed = map[uint64]error{}, changed
	for _, c := range list {
		if c.Err != nil {
			r.halted[c.Group] = c.Err
		}
	}
}

// awaitChange returns when a look would show something else, when a rebuild is over, or when ctx ends.
func (r *rebuilds) awaitChange(ctx context.Context) {
	select {
	case <-r.changed:
	case <-r.ended:
	case <-ctx.Done():
	}
}

// halted is why this node's replica of a partition halted, if it is to be rebuilt for that.
func (n *Node) halted(p *topics.PartitionPlacement) error {
	if err := n.rebuilds.halted[p.RaftGroup]; err != nil && n.mayRebuild(p, err) {
		return err
	}
	return nil
}

// mayRebuild says whether others can have the state of a partition of which this node's is no good.
func (n *Node) mayRebuild(p *topics.PartitionPlacement, err error) bool {
	other := func(node int32) bool { return node != n.cfg.ID }
	return raftlog.Rebuildable(err) && n.transport.started() && (slices.ContainsFunc(p.Voters, other) || slices.ContainsFunc(p.Target, other))
}

// begin rebuilds a replica, whose coordinator has ended, because of cause.
func (r *rebuilds) begin(cfg raftlog.GroupConfig, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byGroup[cfg.ID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	b := &rebuilding{cfg: cfg, cancel: cancel, done: make(chan struct{})}
	r.byGroup[cfg.ID] = b
	r.n.cfg.Logger.Error("this node's replica of a partition is no good and is rebuilt from the other nodes; the others go on", "name", cfg.Name, "group", cfg.ID, "error", cause)
	r.n.following.Go(func() {
		defer close(b.done)
		defer cancel()
		b.log = r.run(ctx, cfg)
		select {
		case r.ended <- struct{}{}:
		default: // it is known already
		}
	})
}

// run tries until the replica runs again, or ctx ends.
func (r *rebuilds) run(ctx context.Context, cfg raftlog.GroupConfig) raftlog.Log {
	logger := r.n.cfg.Logger.With("name", cfg.Name, "group", cfg.ID)
	looks := 0
	for failures := 0; ; {
		if clock.Sleep(ctx, r.n.cfg.Clock, r.pause(cfg.ID, failures)) != nil {
			return nil
		}
		from, err := r.n.suppliers(cfg.ID)
		if err != nil {
			if looks%suppliersLogEvery == suppliersLogFrom {
				logger.Warn("a replica waits to be rebuilt", "error", err)
			}
			looks++
			if clock.Sleep(ctx, r.n.cfg.Clock, statusInterval) != nil {
				return nil
			}
			continue
		}
		log, err := r.once(ctx, cfg, from)
		switch {
		case err == nil:
			r.succeeded(cfg.ID)
			return log
		case ctx.Err() != nil:
			return nil
		}
		failures++
		logger.Warn("a replica was not rebuilt, and will be tried again", "from", from, "error", err)
	}
}

func (r *rebuilds) once(ctx context.Context, cfg raftlog.GroupConfig, from []int32) (raftlog.Log, error) {
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := within(ctx, r.n.cfg.Clock, rebuildTimeout)
	defer cancel()
	return r.n.logs.Rebuild(ctx, cfg, from)
}

// pause is how long to wait before the next try.
func (r *rebuilds) pause(group uint64, failures int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.past[group]; p.times > 0 {
		if r.n.cfg.Clock.Now().Sub(p.at) < rebuildPeace {
			failures += p.times
		} else {
			delete(r.past, group)
		}
	}
	pause := min(rebuildPause<<min(failures, 16), maxRebuildPause)
	return pause + time.Duration(r.rand.Int64N(int64(pause)))
}

func (r *rebuilds) succeeded(group uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.past[group] = rebuilt{r.past[group].times + 1, r.n.cfg.Clock.Now()}
}

// take returns the log of a replica that was rebuilt, once. underWay says that there is none yet.
func (r *rebuilds) take(group uint64) (log raftlog.Log, underWay bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.byGroup[group]
	if b == nil {
		return nil, false
	}
	select {
	case <-b.done:
		delete(r.byGroup, group)
		return b.log, false // nil: it was stopped, and what is wrong with it shows again
	default:
		return nil, true
	}
}

// has says whether a replica is in the table.
func (r *rebuilds) has(group uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byGroup[group] != nil
}

// any is the name of a replica in the table, empty for none.
func (r *rebuilds) any() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := ""
	for _, b := range r.byGroup {
		if name == "" || b.cfg.Name < name {
			name = b.cfg.Name
		}
	}
	return name
}

// stop ends a rebuild and waits. The replica stays in the table.
func (r *rebuilds) stop(group uint64) {
	r.mu.Lock()
	b := r.byGroup[group]
	r.mu.Unlock()
	if b != nil {
		b.cancel()
		<-b.done
	}
}

// forget takes a replica that was stopped out of the table.
func (r *rebuilds) forget(group uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byGroup, group)
}

// suppliers are the nodes that a group's state may come from: its leader, then its other voters. The leader must say that enough of the voters follow it without this node: then what it
// sends is what a majority stands for, and nothing depends on the replica that is about to change.
func (n *Node) suppliers(group uint64) ([]int32, error) {
	s, ok := n.peers.byLeader(group)
	if !ok {
		return nil, fmt.Errorf("no other node that answers leads group %d", group)
	}
	if !slices.Contains(s.Voters, n.cfg.ID) && !slices.Contains(s.Learners, n.cfg.ID) {
		return nil, fmt.Errorf("node %d, which leads group %d, says that this node is no member", s.Leader, group)
	}
	follow := 0
	for _, v := range s.InSync {
		if v != n.cfg.ID {
			follow++
		}
	}
	if need := len(s.Voters)/2 + 1; follow < need {
		return nil, fmt.Errorf("of the voters %v of group %d only %v follow its leader, node %d, and %d other than this one must", s.Voters, group, s.InSync, s.Leader, need)
	}
	from := []int32{s.Leader}
	for _, v := range s.Voters {
		if v != s.Leader && v != n.cfg.ID {
			from = append(from, v)
		}
	}
	return from, nil
}
