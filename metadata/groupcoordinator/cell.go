package groupcoordinator

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// cell holds one group id: the group, if it exists, the requests parked in it, its timers and its writes. A cell outlives its group while
// writes are on their way, so that what a new group of the same id writes comes after the deletion of the old one.
type cell struct {
	r  *reign
	id string

	mu        sync.Mutex // guards everything below and serialises the group's events
	group     *classic.Group
	parked    map[classic.RequestID]chan<- kmsg.Response // each takes one answer without blocking
	last      classic.RequestID
	timers    map[classic.TimerKey]armedTimer
	writes    writeQueue
	saves     []<-chan struct{} // of the last event
	closed    bool              // the reign is over
	forgotten bool              // not in reign.cells any more
}

func newCell(r *reign, id string) *cell {
	return &cell{r: r, id: id, parked: map[classic.RequestID]chan<- kmsg.Response{}, timers: map[classic.TimerKey]armedTimer{}}
}

type armedTimer struct {
	timer *clock.Timer
	id    uint64
}

// with runs an event: fn with the cell locked, then what the group asks for. again: the cell was forgotten, look it up anew.
func (c *cell) with(fn func(*cell)) (called, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.forgotten:
		return false, true
	case c.closed:
		return false, false
	}
	c.saves = nil
	fn(c)
	c.carryOut()
	if c.group == nil && c.writes.idle() {
		c.forgotten = true
		c.r.forget(c)
	}
	return true, false
}

func (c *cell) setGroup(g *classic.Group) { c.group = g }

// carryOut does what the group's last events ask for.
func (c *cell) carryOut() {
	g := c.group
	if g == nil {
		return
	}
	for _, e := range g.Effects() {
		switch e := e.(type) {
		case classic.Answer:
			c.respond(e.Request, e.Response)
		case classic.SetTimer:
			c.stopTimer(e.Key)
			c.r.wg.Add(1)
			c.timers[e.Key] = armedTimer{id: e.ID, timer: c.r.c.cfg.Clock.AfterFunc(e.Delay, func() {
				defer c.r.wg.Done()
				c.timerFired(g, e.Key, e.ID)
			})}
		case classic.StopTimer:
			c.stopTimer(e.Key)
		case classic.Save:
			c.startSave(g, e)
		}
	}
	if g.Gone() {
		c.group = nil
	}
}

func (c *cell) respond(id classic.RequestID, resp kmsg.Response) {
	if answer := c.parked[id]; answer != nil {
		delete(c.parked, id)
		answer <- resp
	}
}

func (c *cell) stopTimer(key classic.TimerKey) {
	if t, armed := c.timers[key]; armed {
		delete(c.timers, key)
		if t.timer.Stop() {
			c.r.wg.Done() // it will not run
		}
	}
}

func (c *cell) timerFired(g *classic.Group, key classic.TimerKey, id uint64) {
	c.with(func(c *cell) {
		if c.group == g { // else the id has another group by now, whose timers count anew
			if c.timers[key].id == id {
				delete(c.timers, key)
			}
			g.TimerFired(c.r.c.now(), key, id)
		}
	})
}

// startSave replicates the group's metadata when its turn comes, and tells the group how it went.
func (c *cell) startSave(g *classic.Group, e classic.Save) {
	place := c.writes.enqueue(true)
	done := make(chan struct{})
	c.saves = append(c.saves, done)
	cmd := &state.SaveGroup{Group: c.id, TimestampMillis: c.r.c.now(), Value: e.Value}
	c.r.wg.Go(func() {
		defer close(done)
		var err *kerr.Error
		select {
		case <-place.begin:
			_, err = c.r.propose(c.r.ctx, cmd)
		case <-c.r.ctx.Done():
			err = c.r.endedWith()
		}
		var code int16
		if err != nil {
			if code = err.Code; err == kerr.IllegalGeneration {
				code = kerr.CoordinatorNotAvailable.Code
			}
			c.r.c.logger.Warn("group metadata was not saved", "group", c.id, "generation", e.Value.Generation, "error", err)
		}
		stable := false
		c.with(func(c *cell) {
			c.writes.done(place)
			if c.group == g {
				before := g.State()
				g.Saved(c.r.c.now(), e.ID, code)
				stable = before == classic.CompletingRebalance && g.State() == classic.Stable
			}
		})
		if stable {
			c.r.c.metrics.rebalances.Inc()
			c.r.c.logger.Info("rebalanced group", "group", c.id, "generation", e.Value.Generation, "members", len(e.Value.Members))
		}
		if err != nil {
			c.reload()
		}
	})
}

// reload brings the group back that the state still has after a deletion that failed. Called without the lock.
func (c *cell) reload() {
	var value kmsg.GroupMetadataValue
	var saved, offsets bool
	err := c.r.c.view(func(s statestore.Reader) {
		value, saved = state.ReadGroup(s, c.id)
		offsets = state.HasOffsets(s, c.id)
	})
	if err != nil || !saved && !offsets {
		return
	}
	now := c.r.c.now()
	c.r.withCell(c.id, func(c *cell) {
		switch {
		case c.group != nil:
		case saved:
			c.setGroup(classic.Load(c.id, c.r.c.group, now, &value))
		default:
			c.setGroup(classic.NewSimple(c.id, c.r.c.group, now))
		}
	})
}

// park runs an event that answers a request now or later, and waits for the answer. over is the answer when the reign has ended.
func (r *reign) park(ctx context.Context, group string, over kmsg.Response, event func(c *cell, id classic.RequestID)) (kmsg.Response, error) {
	answer := make(chan kmsg.Response, 1)
	var c *cell
	var id classic.RequestID
	if !r.withCell(group, func(found *cell) {
		c = found
		c.last++
		id = c.last
		c.parked[id] = answer
		event(c, id)
	}) {
		return over, nil
	}
	select {
	case resp := <-answer:
		return resp, nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.parked, id)
		c.mu.Unlock()
		return nil, context.Cause(ctx)
	}
}
