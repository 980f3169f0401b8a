package raftlog

import (
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
)

// maxQueuedMessages bounds what peers may have waiting here; Raft sends again what is dropped.
const maxQueuedMessages = 8192

// inbox is what the event loop takes all at once: everything that arrived while the last round was written makes the next.
type inbox struct {
	mu     sync.Mutex // guards everything below
	closed bool
	work   work
	wake   chan struct{} // holds one wish
}

type work struct {
	proposals []*proposal
	reads     []*read
	messages  []Message
	controls  []func()
	ready     []*group // the apply stage has room again
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put calls add under the lock, unless the loop has ended.
func (i *inbox) put(add func(*work)) error {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return kafka.ErrClosed
	}
	add(&i.work)
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
	return nil
}

// take empties the inbox into w, and hands w's memory back for reuse.
func (i *inbox) take(w *work) {
	clear(w.proposals)
	clear(w.reads)
	clear(w.messages)
	clear(w.controls)
	clear(w.ready)
	reused := work{w.proposals[:0], w.reads[:0], w.messages[:0], w.controls[:0], w.ready[:0]}
	i.mu.Lock()
	*w, i.work = i.work, reused
	i.mu.Unlock()
}

// close refuses what comes later, and returns what is left.
func (i *inbox) close() work {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	left := i.work
	i.work = work{}
	return left
}
