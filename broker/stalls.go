package broker

import (
	"sync"
	"time"
)

// stalls notices that this process stood still for longer than its session. Its clients may have gone on with another broker since, and what it finds in its sockets is from before. The
// registration need not be over by then: a new controller gives every broker a whole session.
type stalls struct {
	mu    sync.Mutex // guards what follows
	last  time.Time  // tick, zero before the first
	until time.Time  // what lay in the sockets is read by then
}

// drainAfterStall is how long a process takes, with room, to read what lay in its sockets.
const drainAfterStall = 2 * time.Second

// tick is called more often than once in longest, while the process runs.
func (s *stalls) tick(now time.Time, longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice(now, longest)
	s.last = now
}

// stalled says whether what is read now may have lain there since before a stall.
func (s *stalls) stalled(now time.Time, longest time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice(now, longest) // the tick after a stall may not have come yet
	return now.Before(s.until)
}

func (s *stalls) notice(now time.Time, longest time.Duration) {
	if !s.last.IsZero() && now.Sub(s.last) > longest {
		s.until = now.Add(drainAfterStall)
	}
}
