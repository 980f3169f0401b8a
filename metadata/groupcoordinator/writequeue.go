package groupcoordinator

import "slices"

// writeQueue orders the writes of one group: commits run at the same time, a save or a deletion runs alone, and none overtakes another kind.
// Its owner's lock guards it.
type writeQueue struct {
	waiting   []*turn
	shared    int  // running commits
	exclusive bool // a save or deletion is running
}

// turn is a place in the queue. begin is closed when it may run; done must be called in any case.
type turn struct {
	begin     chan struct{}
	exclusive bool
	running   bool
}

func (q *writeQueue) enqueue(exclusive bool) *turn {
	t := &turn{begin: make(chan struct{}), exclusive: exclusive}
	q.waiting = append(q.waiting, t)
	q.advance()
	return t
}

// done ends a turn, also one that never began because its caller gave up.
func (q *writeQueue) done(t *turn) {
	switch {
	case !t.running:
		q.waiting = slices.DeleteFunc(q.waiting, func(w *turn) bool { return w == t })
	case t.exclusive:
		q.exclusive = false
	default:
		q.shared--
	}
	q.advance()
}

func (q *writeQueue) advance() {
	for len(q.waiting) > 0 && !q.exclusive {
		t := q.waiting[0]
		if t.exclusive && q.shared > 0 {
			return
		}
		if t.exclusive {
			q.exclusive = true
		} else {
			q.shared++
		}
		t.running = true
		q.waiting = q.waiting[1:]
		close(t.begin)
	}
}

func (q *writeQueue) idle() bool { return len(q.waiting) == 0 && q.shared == 0 && !q.exclusive }
