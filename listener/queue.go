package listener

import (
	"errors"
	"net"
	"sync"
)

// call is one request on its way through a connection.
type call struct {
	req  Request
	conn *connection
	api  *apiEntry

	answered bool // guarded by the queue's mu; the first answer wins
	done     bool // guarded by the queue's mu; out is set
	out      answer
}

// answer is a Response in the form in which it waits for the writer.
type answer struct {
	head    []byte      // size, response header and, without a vector, the body
	vector  net.Buffers // the body
	bytes   int64       // of both
	release func()
	none    bool
	close   bool
}

func (a *answer) drop() {
	putScratch(a.head)
	if a.release != nil {
		a.release()
	}
	*a = answer{}
}

// queue brings answers, which come from any goroutine, to the writer; in the order of the requests unless unordered.
type queue struct {
	unordered bool
	maxCalls  int
	maxBytes  int64

	mu       sync.Mutex // guards all below
	pending  []*call    // in request order, not yet ready
	ready    []*call    // for the writer, in the order of writing
	inFlight int        // calls that were added and whose answers are not yet written
	bytes    int64      // of answers that are not yet written
	noMore   bool       // the reader has ended
	dead     error      // why nothing will be written any more

	wake  chan struct{} // tells the writer of a change, capacity 1
	space chan struct{} // tells the reader of one, capacity 1
}

func (q *queue) init() {
	q.wake, q.space = make(chan struct{}, 1), make(chan struct{}, 1)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// add takes up a request. The caller waited for room.
func (q *queue) add(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight++
	if !q.unordered {
		q.pending = append(q.pending, c)
	}
}

func (q *queue) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.inFlight < q.maxCalls && q.bytes < q.maxBytes
}

func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.inFlight > 0
}

// claim says whether the caller is the first to answer c, and whether somebody is there to read the answer.
func (q *queue) claim(c *call) (first, alive bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first = !c.answered
	c.answered = true
	return first, q.dead == nil
}

// complete hands c's answer to the writer, or drops it when the connection died.
func (q *queue) complete(c *call, out answer) {
	q.mu.Lock()
	if q.dead != nil {
		q.mu.Unlock()
		out.drop()
		return
	}
	c.out, c.done = out, true
	q.bytes += out.bytes
	if q.unordered {
		q.ready = append(q.ready, c)
	} else {
		n := 0
		for n < len(q.pending) && q.pending[n].done {
			n++
		}
		if n > 0 {
			q.ready = append(q.ready, q.pending[:n]...)
			rest := copy(q.pending, q.pending[n:]) // short: at most maxCalls pointers
			clear(q.pending[rest:])
			q.pending = q.pending[:rest]
		}
	}
	wake := len(q.ready) > 0
	q.mu.Unlock()
	if wake {
		signal(q.wake)
	}
}

// take waits for answers and moves them to into. It returns false when there will be none: the connection died, or the reader ended and everything is written.
func (q *queue) take(into []*call) ([]*call, bool) {
	for {
		q.mu.Lock()
		switch {
		case q.dead != nil:
			q.mu.Unlock()
			return into, false
		case len(q.ready) > 0:
			into = append(into, q.ready...)
			clear(q.ready)
			q.ready = q.ready[:0]
			q.mu.Unlock()
			return into, true
		case q.noMore && q.inFlight == 0:
			q.mu.Unlock()
			return into, false
		}
		q.mu.Unlock()
		<-q.wake
	}
}

// written takes calls off the books whose answers are on the wire (or were dropped).
func (q *queue) written(calls int, bytes int64) {
	q.mu.Lock()
	q.inFlight -= calls
	q.bytes -= bytes
	q.mu.Unlock()
	signal(q.space)
}

// finish says that no call will be added.
func (q *queue) finish() {
	q.mu.Lock()
	q.noMore = true
	q.mu.Unlock()
	signal(q.wake)
}

var errNone = errors.New("closed")

// kill drops every answer that waits and all that will come. It says whether it was the first to do so.
func (q *queue) kill(cause error) bool {
	if cause == nil {
		cause = errNone
	}
	q.mu.Lock()
	if q.dead != nil {
		q.mu.Unlock()
		return false
	}
	q.dead = cause
	drop := q.ready
	for _, c := range q.pending {
		if c.done {
			drop = append(drop, c)
		}
	}
	q.ready, q.pending = nil, nil
	q.mu.Unlock()
	for _, c := range drop {
		c.out.drop()
	}
	signal(q.wake)
	signal(q.space)
	return true
}
