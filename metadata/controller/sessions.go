package controller

import (
	"context"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// sessions remember when each broker was last heard of, in this reign. They are not replicated: a new leader gives every registered broker a full
// session from the moment that it takes over.
type sessions struct {
	timeout time.Duration

	mu    sync.Mutex // guards everything below
	term  uint64
	heard map[int32]session // nil before the first reign
	told  map[int32]time.Time
}

type session struct {
	epoch int64
	at    time.Time
}

// beginReign starts the sessions of a term anew, unless that is done. This replica leads it.
func (c *Controller) beginReign(term uint64) {
	s := &c.sessions
	s.mu.Lock()
	begun := s.heard != nil && s.term >= term
	s.mu.Unlock()
	if begun {
		return
	}
	now := c.cfg.Clock.Now()
	heard := map[int32]session{}
	if err := c.view(func(r statestore.Reader) {
		for _, b := range state.Brokers(r) {
			if !b.Fenced {
				heard[b.ID] = session{b.Epoch, now}
			}
		}
	}); err != nil {
		c.cfg.Logger.Error("the sessions of brokers cannot be read: this replica must not lead", "cluster", c.cfg.Cluster, "error", err)
		return // it halts, which ends the term
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard == nil || s.term < term {
		s.term, s.heard, s.told = term, heard, map[int32]time.Time{}
	}
}

// touch notes a heartbeat or a registration.
func (s *sessions) touch(term uint64, broker int32, epoch int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.term == term && s.heard != nil {
		s.heard[broker] = session{epoch, now}
	}
}

func (s *sessions) end(broker int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heard, broker)
}

// live says whether the broker was heard of lately.
func (s *sessions) live(term uint64, broker int32, epoch int64, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	heard, ok := s.heard[broker]
	return ok && s.term == term && heard.epoch == epoch && now.Sub(heard.at) < s.timeout
}

// tell says whether the log should mention again that a registration of the broker was refused.
func (s *sessions) tell(broker int32, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.told[broker]; ok && now.Sub(last) < tellAgain {
		return false
	}
	if s.told != nil {
		s.told[broker] = now
	}
	return true
}

// tellAgain is how often the log repeats that two processes want one id.
const tellAgain = 30 * time.Second

// expired lists brokers that were heard of, but not lately.
func (s *sessions) expired(term uint64, now time.Time) (all []state.FenceBroker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.term != term {
		return nil
	}
	for broker, heard := range s.heard {
		if now.Sub(heard.at) >= s.timeout {
			all = append(all, state.FenceBroker{Broker: broker, Epoch: heard.epoch})
		}
	}
	return all
}

// extend gives every session a fresh start.
func (s *sessions) extend(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for broker, heard := range s.heard {
		s.heard[broker] = session{heard.epoch, now}
	}
}

// watchSessions fences brokers that stopped to send heartbeats.
func (c *Controller) watchSessions(ctx context.Context) {
	interval := c.cfg.SessionTimeout / 4
	last := c.cfg.Clock.Now()
	for clock.Sleep(ctx, c.cfg.Clock, interval) == nil {
		now := c.cfg.Clock.Now()
		if now.Sub(last) > 2*interval { // this node was paused itself: heartbeats wait in its sockets
			c.sessions.extend(now)
		}
		last = now
		c.fenceExpired(ctx, now)
	}
}

func (c *Controller) fenceExpired(ctx context.Context, now time.Time) {
	leadership := c.cfg.Log.Leadership()
	if !leadership.IsLeader {
		c.metrics.watched()
		return
	}
	c.beginReign(leadership.Term)
	for _, f := range c.sessions.expired(leadership.Term, now) {
		attempt, cancel := context.WithCancel(ctx)
		deadline := c.cfg.Clock.AfterFunc(c.cfg.SessionTimeout, cancel)
		result, err := c.propose(attempt, &f)
		deadline.Stop()
		cancel()
		if err != nil {
			c.cfg.Logger.Warn("could not fence a broker, trying again", "cluster", c.cfg.Cluster, "broker", f.Broker, "epoch", f.Epoch, "error", err)
			return
		}
		c.sessions.end(f.Broker)
		if result.Errors[0].Err == nil {
			c.metrics.fenced.Inc()
			c.cfg.Logger.Warn("fenced a broker: no heartbeat within its session", "cluster", c.cfg.Cluster, "broker", f.Broker, "epoch", f.Epoch,
				"broker.session.timeout.ms", c.cfg.SessionTimeout.Milliseconds())
		}
	}
	c.metrics.watched()
}
