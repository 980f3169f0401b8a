package filesystem

import "sync"

// groupSync shares syncs. A sync covers what was done before it began, so a caller may not join the one that runs, but
// all that come while it runs share the next.
type groupSync struct {
	mu      sync.Mutex // guards running and next; never held during a sync
	running bool
	next    *syncRound
}

type syncRound struct {
	begin chan struct{} // closed when the round before has ended
	done  chan struct{} // closed when err is set
	err   error
}

// do returns after a sync that began after the call.
func (g *groupSync) do(sync func() error) error {
	g.mu.Lock()
	if !g.running {
		g.running = true
		g.mu.Unlock()
		err := sync()
		g.passOn()
		return err
	}
	round, leads := g.next, false
	if round == nil {
		round, leads = &syncRound{begin: make(chan struct{}), done: make(chan struct{})}, true
		g.next = round
	}
	g.mu.Unlock()
	if !leads {
		<-round.done
		return round.err
	}
	<-round.begin // from here on nobody joins this round
	round.err = sync()
	close(round.done)
	g.passOn()
	return round.err
}

// passOn lets the next round begin, if somebody waits for one.
func (g *groupSync) passOn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		g.running = false
		return
	}
	close(g.next.begin)
	g.next = nil
}
