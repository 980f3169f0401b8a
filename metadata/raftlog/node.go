package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog/wal"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// Node drives all Raft groups of this process. One event loop owns them: it takes everything that has arrived, lets Raft decide, makes the
// outcome of all groups durable with one write and one fdatasync, sends messages, and hands what is committed to workers.
type Node struct {
	cfg     Config
	nonce   uint64
	counter atomic.Uint64 // of proposals
	lock    io.Closer
	store   *pebblestore.Store
	inbox   *inbox
	applies *applyQueue
	metrics *metrics

	inFlight atomic.Int64 // bytes of proposals

	stop        chan struct{}
	stopOnce    sync.Once
	loopDone    chan struct{}
	workers     sync.WaitGroup // appliers and the compactor
	failed      chan error     // holds one
	failOnce    sync.Once
	failure     atomic.Pointer[error]
	storeFatal  atomic.Bool // Pebble said that it cannot go on: its calls may never return
	compactDue  chan struct{}
	compacting  atomic.Bool
	scrubbing   atomic.Bool
	closeOnce   sync.Once
	closeErr    error
	viewMu      sync.RWMutex // held while the store is read; Close takes it before the store goes
	storeClosed bool

	conditionsMu      sync.Mutex // guards the two below
	conditions        map[uint64]ReplicaCondition
	conditionsChanged chan struct{} // closed at the next change

	// Owned by the event loop; by Close when that has ended.
	log         *wal.Log
	groups      map[uint64]*group
	dirty       []*group
	order       []*group // by start, so that ticks have an order
	readContext uint64
	heard       map[int32]time.Time // when anything arrived from a node
	ticks       int
	awake       []*group // are ticked
	peers       []*peerState
	sharing     int    // sum of what peers share
	vouch       uint64 // see quiesce.go
	timeouts    uint64 // the seed of what groups draw their election timeouts from
	outgoing    []Message
	sending     int // snapshots
	receiving   int // snapshots
	rebuilds    map[uint64]*rebuild

	ctx      context.Context // of what runs beside the event loop
	cancel   context.CancelCauseFunc
	places   atomic.Uint64 // the last place that was used
	hashSlot chan struct{} // holds one
}

// Open opens the data folder and starts the event loop. No group serves before StartGroup.
func Open(cfg Config) (_ *Node, err error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, nonce: cfg.Rand.Uint64(), inbox: newInbox(), applies: newApplyQueue(cfg.Clock), metrics: newMetrics(cfg.Registerer),
		stop: make(chan struct{}), loopDone: make(chan struct{}), failed: make(chan error, 1),
		compactDue: make(chan struct{}, 1), groups: map[uint64]*group{},
		rebuilds: map[uint64]*rebuild{}, hashSlot: make(chan struct{}, 1), vouch: cfg.Rand.Uint64(), timeouts: cfg.Rand.Uint64(),
		heard: map[int32]time.Time{}, conditions: map[uint64]ReplicaCondition{}, conditionsChanged: make(chan struct{}),
	}
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	if err := n.openFiles(); err != nil {
		n.cancel(err)
		return nil, errors.Join(err, n.closeFiles())
	}
	n.metrics.observe(n)
	go n.run()
	for range cfg.ApplyWorkers {
		n.workers.Go(n.applyLoop)
	}
	n.workers.Go(n.compactLoop)
	return n, nil
}

func (n *Node) openFiles() (err error) {
	fs, dir := n.cfg.FS, n.cfg.Dir
	if err := wal.MakeDir(fs, dir); err != nil {
		return fmt.Errorf("making the data folder: %w; choose another folder with --data", err)
	}
	if n.lock, err = fs.Lock(fs.PathJoin(dir, "LOCK")); err != nil {
		return fmt.Errorf("the data folder %s is in use by another process (%w): stop that one, or choose another folder with --data", dir, err)
	}
	stateDir := fs.PathJoin(dir, "state")
	if err := wal.MakeDir(fs, stateDir); err != nil {
		return err
	}
	n.store, err = pebblestore.Open(pebblestore.Config{
		FS: fs, Dir: stateDir, CacheBytes: n.cfg.StateCacheBytes, MemTableBytes: n.cfg.StateMemTableBytes, Clock: n.cfg.Clock, Logger: n.cfg.Logger,
		OnDamage: n.onDamage,
		OnFatal: func(err error) {
			n.storeFatal.Store(true)
			n.fail(err)
		},
	})
	if err != nil {
		return storeOrLost(err)
	}
	n.log, err = wal.Open(wal.Config{FS: fs, Dir: fs.PathJoin(dir, "log"), NodeID: n.cfg.NodeID, SegmentBytes: n.cfg.SegmentBytes, Logger: n.cfg.Logger})
	if err != nil {
		return orLost(err)
	}
	var places map[uint64]uint64
	if err = n.finishRemovals(); err == nil {
		places, err = n.sweepPlaces()
	}
	if errors.As(err, new(*statestore.Failure)) { // what is damaged tells of all groups: none can be told from another
		return storeOrLost(fmt.Errorf("the state store in %s cannot be read: %w; %s", stateDir, err, restoreHint))
	}
	if err == nil {
		err = n.checkLog(places)
	}
	return orLost(err)
}

// Failed receives the error after which this node cannot go on: the log cannot be written. The process must end with an exit code that
// is not 0. Nothing that was acknowledged is lost.
func (n *Node) Failed() <-chan error { return n.failed }

// fail ends the event loop. It may be called by anyone.
func (n *Node) fail(err error) {
	n.failOnce.Do(func() {
		n.cfg.Logger.Error("the metadata node cannot go on", "error", err)
		n.failure.Store(&err)
		n.failed <- err
	})
	n.stopOnce.Do(func() { close(n.stop) })
}

// Step takes a message from another node. It may drop it.
func (n *Node) Step(m Message) {
	_ = n.inbox.put(func(w *work) { // refused: the node is closed
		if len(w.messages) < maxQueuedMessages {
			w.messages = append(w.messages, m)
		}
	})
}

// ReportUnreachable says that the last message of a group to a node was lost.
func (n *Node) ReportUnreachable(id uint64, node int32) {
	n.report(id, func(g *group) { g.raw.ReportUnreachable(raftID(node)) })
}

// ReportSnapshot says what became of a message that carried a snapshot. The transport must call it for each: until then the follower
// is sent nothing.
func (n *Node) ReportSnapshot(id uint64, node int32, received bool) {
	status := raft.SnapshotFailure
	if received {
		status = raft.SnapshotFinish
	}
	n.report(id, func(g *group) { g.raw.ReportSnapshot(raftID(node), status) })
}

func (n *Node) report(id uint64, fn func(*group)) {
	_ = n.inbox.put(func(w *work) { // refused: the node is closed
		w.controls = append(w.controls, func() {
			if g := n.groups[id]; g != nil && !g.over.Load() && !g.quiesced {
				g.guard(func() { fn(g) })
				n.markDirty(g)
			}
		})
	})
}

// do runs fn in the event loop and waits for it.
func (n *Node) do(fn func()) error {
	done := make(chan struct{})
	if err := n.inbox.put(func(w *work) { w.controls = append(w.controls, func() { defer close(done); fn() }) }); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-n.loopDone:
		select {
		case <-done:
			return nil
		default:
			return kafka.ErrClosed
		}
	}
}

// view reads the store, unless it is closed.
func (n *Node) view(fn func(*pebblestore.View)) {
	n.viewMu.RLock()
	defer n.viewMu.RUnlock()
	if !n.storeClosed {
		n.store.View(fn)
	}
}

// Close ends all groups and makes their state durable, so that the next start has little to replay. Proposals under way end
// with an unknown outcome. It is safe twice.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	n.stopOnce.Do(func() { close(n.stop) })
	n.cancel(kafka.ErrClosed)
	<-n.loopDone // 1. nothing new is committed
	n.applies.close()
	n.metrics.close()
	if n.storeFatal.Load() {
		// The workers may be stuck in the store for ever; the log is what counts.
		return errors.Join(n.log.Close(), n.lock.Close())
	}
	n.workers.Wait() // 2. everything that is committed is applied
	for _, g := range n.order {
		g.end(fmt.Errorf("%s: %w", g.name, kafka.ErrClosed))
	}
	var errs []error
	if n.failure.Load() == nil {
		errs = append(errs, n.compactOnClose()) // 3. the state is on disk, and the log no longer than needed
	}
	return errors.Join(append(errs, n.closeFiles())...)
}

func (n *Node) closeFiles() error {
	n.viewMu.Lock()
	n.storeClosed = true
	n.viewMu.Unlock()
	var errs []error
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}
