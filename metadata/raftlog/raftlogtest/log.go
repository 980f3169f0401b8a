package raftlogtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Fault is what happens to one proposal.
type Fault struct {
	// Err is returned by Propose; nil lets the proposal pass, so that the n-th one can be chosen.
	Err error
	// Applied: the command was applied all the same, as after a lost answer.
	Applied bool
}

// Log is a raftlog.Log. It begins as the leader of term 1.
type Log struct {
	machine raftlog.StateMachine

	mu         sync.Mutex // guards everything below
	state      state
	index      uint64
	commands   [][]byte
	records    []raftlog.Record
	leadership raftlog.Leadership
	changed    chan struct{}   // closed at the next change of leadership
	appended   chan struct{}   // closed at the next record
	faults     []Fault         // of the next proposals
	held       []*heldProposal // in order
	holding    bool
	halted     error
}

type heldProposal struct {
	command []byte
	outcome chan outcome
}

type outcome struct {
	result any
	err    error
}

var _ raftlog.Log = (*Log)(nil)

// New is a log of one replica, node 1, with machine as its state machine.
func New(machine raftlog.StateMachine) *Log {
	return &Log{
		machine:    machine,
		state:      newState(),
		leadership: raftlog.Leadership{Term: 1, Leader: 1, IsLeader: true},
		changed:    make(chan struct{}),
		appended:   make(chan struct{}),
	}
}

// SetLeader makes this replica the leader of a new term, or a follower of node 2 in a new term. Held proposals end with an unknown outcome.
func (l *Log) SetLeader(leader bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leadership.IsLeader == leader {
		return
	}
	l.leadership.Term++
	l.leadership.IsLeader = leader
	l.leadership.Leader = 1
	if !leader {
		l.leadership.Leader = 2
		for _, h := range l.held {
			h.outcome <- outcome{err: fmt.Errorf("leadership lost: %w", kafka.ErrUnknownOutcome)}
		}
		l.held = nil
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// Inject adds faults for the next proposals, one each.
func (l *Log) Inject(faults ...Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, faults...)
}

// Hold keeps proposals from being applied until Release.
func (l *Log) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = true
}

// Release applies the held proposals in order.
func (l *Log) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = false
	for _, h := range l.held {
		h.outcome <- l.propose(h.command)
	}
	l.held = nil
}

// Propose implements raftlog.Log.
func (l *Log) Propose(ctx context.Context, command []byte) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	command = bytes.Clone(command)
	l.mu.Lock()
	if !l.leadership.IsLeader {
		l.mu.Unlock()
		return nil, kerr.NotCoordinator
	}
	if !l.holding {
		defer l.mu.Unlock()
		o := l.propose(command)
		return o.result, o.err
	}
	h := &heldProposal{command: command, outcome: make(chan outcome, 1)}
	l.held = append(l.held, h)
	l.mu.Unlock()
	select {
	case o := <-h.outcome:
		return o.result, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", kafka.ErrUnknownOutcome, context.Cause(ctx))
	}
}

// propose runs under mu.
func (l *Log) propose(command []byte) outcome {
	var fault Fault
	if len(l.faults) > 0 {
		fault, l.faults = l.faults[0], l.faults[1:]
	}
	if fault.Err != nil && !fault.Applied {
		return outcome{err: fault.Err}
	}
	if l.halted != nil {
		return outcome{err: fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, l.halted)}
	}
	l.index++
	l.commands = append(l.commands, command)
	result, records, err := l.machine.Apply(&l.state, l.index, command)
	if err != nil {
		l.halted = err
		return outcome{err: fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err)}
	}
	for _, r := range records {
		r.Offset = int64(len(l.records))
		l.records = append(l.records, r)
	}
	if len(records) > 0 {
		close(l.appended)
		l.appended = make(chan struct{})
	}
	if fault.Err != nil {
		return outcome{err: fault.Err}
	}
	return outcome{result: result}
}

// ReadBarrier implements raftlog.Log.
func (l *Log) ReadBarrier(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leadership.IsLeader {
		return kerr.NotCoordinator
	}
	return nil
}

// View implements raftlog.Log.
func (l *Log) View(fn func(statestore.Reader)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(&l.state)
}

// Leadership implements raftlog.Log.
func (l *Log) Leadership() raftlog.Leadership {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leadership
}

// LeadershipChanged implements raftlog.Log.
func (l *Log) LeadershipChanged() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Bounds implements raftlog.Log.
func (l *Log) Bounds() (start, highWatermark int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return 0, int64(len(l.records))
}

// Read implements raftlog.Log.
func (l *Log) Read(offset int64, maxBytes int) ([]raftlog.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset < 0 || offset > int64(len(l.records)) {
		return nil, kerr.OffsetOutOfRange
	}
	end, size := offset, 0
	for ; end < int64(len(l.records)); end++ {
		size += len(l.records[end].Key) + len(l.records[end].Value)
		if size > maxBytes && end > offset {
			break
		}
	}
	return append([]raftlog.Record(nil), l.records[offset:end]...), nil
}

// Wait implements raftlog.Log.
func (l *Log) Wait(ctx context.Context, offset int64) error {
	for {
		l.mu.Lock()
		above, appended := int64(len(l.records)) > offset, l.appended
		l.mu.Unlock()
		if above {
			return nil
		}
		select {
		case <-appended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Commands are all commands that were applied, so that a test can replay them on another replica.
func (l *Log) Commands() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][]byte(nil), l.commands...)
}

// Dump is the whole state in key order, "key=value" in Go syntax, so that a test can compare replicas.
func (l *Log) Dump() []string {
	var lines []string
	l.View(func(r statestore.Reader) {
		r.Scan(nil, nil, func(key, value []byte) bool {
			lines = append(lines, fmt.Sprintf("%q=%q", key, value))
			return true
		})
	})
	return lines
}
