package listener

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// stallTimeout is for how long no byte of a frame must have come, while others wait for credits, before its connection is closed.
const stallTimeout = 5 * time.Second

// progress is how far the reader of a connection has come in a frame that holds credits.
type progress struct {
	bytes  atomic.Int64 // that this connection has received
	frames atomic.Int64 // begun, counted in steps of 2 and odd while one is being read; givenUp once it is not waited for
}

const givenUp = -1

func (p *progress) begin()              { p.frames.Add(1) }
func (p *progress) end()                { p.frames.Add(1) }
func (p *progress) isGivenUp() bool     { return p.frames.Load() < 0 }
func (p *progress) giveUp(f int64) bool { return p.frames.CompareAndSwap(f, givenUp) }

// frameAt is a point in a connection's frame.
type frameAt struct{ frame, bytes int64 }

// stalls finds frames that came to a stop in the middle while others wait for the credits that they hold: producers that were cut off would keep everybody
// from being read until their frames' own time was over. Connections are looked at only
// once frames have waited without a break for stallTimeout: busy producers touch the bound for moments, all the time.
type stalls struct {
	s *Server

	mu      sync.Mutex // guards what follows; taken before Server.mu
	waiting int
	timer   *clock.Timer // while somebody waits
	seen    map[*connection]frameAt
}

// beginWait says that a frame waits for credits.
func (w *stalls) beginWait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting++; w.waiting == 1 {
		w.timer = w.s.cfg.Clock.AfterFunc(stallTimeout, w.check)
	}
}

func (w *stalls) endWait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.timer.Stop()
		w.timer, w.seen = nil, nil
	}
}

func (w *stalls) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 {
		w.look()
		w.timer.Reset(stallTimeout)
	}
}

// look interrupts the frames that are where they were a stallTimeout ago. Called with mu.
func (w *stalls) look() {
	seen := map[*connection]frameAt{}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for c := range w.s.conns {
		at := frameAt{c.progress.frames.Load(), c.progress.bytes.Load()}
		switch last, known := w.seen[c]; {
		case at.frame%2 != 1: // none, or given up
		case known && last == at && c.progress.giveUp(at.frame):
			c.interruptRead()
		default:
			seen[c] = at
		}
	}
	w.seen = seen
}

// stalled is why a connection was closed whose frame was given up.
func (c *connection) stalled(size int) error {
	return fmt.Errorf("%w: nothing came of a frame of %d bytes for %v, while others waited for queued.max.request.bytes=%d", ErrStalled, size, stallTimeout, c.s.cfg.ByteCredits)
}
