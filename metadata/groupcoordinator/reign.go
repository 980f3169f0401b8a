package groupcoordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// reign is one term of leadership: everything that is in memory lives and dies with it.
type reign struct {
	c      *Coordinator
	term   uint64
	loaded atomic.Bool

	ctx    context.Context // ends with the reign, its cause is the *kerr.Error to answer
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // goroutines and armed timers

	mu    sync.Mutex // guards cells and ended
	cells map[string]*cell
	ended bool
}

const loadRetryInterval = time.Second

func beginReign(ctx context.Context, c *Coordinator, term uint64) *reign {
	r := &reign{c: c, term: term, cells: map[string]*cell{}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	c.reign.Store(r) // from here on COORDINATOR_LOAD_IN_PROGRESS
	r.wg.Go(func() {
		for r.load() != nil { // logged; until it succeeds clients are told to wait
			if clock.Sleep(r.ctx, c.cfg.Clock, loadRetryInterval) != nil {
				return
			}
		}
		c.metrics.lastExpiry.Store(c.now())
		r.loaded.Store(true)
		r.expireLoop()
	})
	return r
}

// load takes all groups from the state into memory, those with nothing but offsets too.
func (r *reign) load() error {
	start := r.c.cfg.Clock.Now()
	type saved struct {
		group string
		value kmsg.GroupMetadataValue
	}
	var groups []saved
	var withOffsets []string
	err := r.c.view(func(s statestore.Reader) {
		state.ScanGroups(s, func(group string, v *kmsg.GroupMetadataValue) { groups = append(groups, saved{group, *v}) })
		state.ScanGroupsWithOffsets(s, func(group string) { withOffsets = append(withOffsets, group) })
	})
	if err != nil {
		return err
	}
	now := r.c.now()
	for i := range groups {
		r.withCell(groups[i].group, func(c *cell) { c.setGroup(classic.Load(c.id, r.c.group, now, &groups[i].value)) })
	}
	for _, group := range withOffsets {
		r.withCell(group, func(c *cell) {
			if c.group == nil {
				c.setGroup(classic.NewSimple(c.id, r.c.group, now))
			}
		})
	}
	r.c.logger.Info("leading groups", "term", r.term, "groups", len(groups), "with_offsets", len(withOffsets), "took", r.c.cfg.Clock.Now().Sub(start))
	return nil
}

// end answers everything that is parked and waits for the reign's goroutines.
func (r *reign) end(why *kerr.Error) {
	r.c.reign.CompareAndSwap(r, nil)
	r.cancel(why)
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	for _, c := range r.allCells() {
		c.mu.Lock()
		c.closed = true
		if c.group != nil {
			c.group.Close(why.Code)
			c.carryOut()
		}
		c.mu.Unlock()
	}
	r.wg.Wait()
}

// endedWith is what to answer after the end.
func (r *reign) endedWith() *kerr.Error {
	var why *kerr.Error
	if errors.As(context.Cause(r.ctx), &why) {
		return why
	}
	return kerr.CoordinatorNotAvailable
}

// withCell calls fn with the group's cell locked, making one if there is none. False: the reign is over and fn was not called.
func (r *reign) withCell(group string, fn func(*cell)) bool {
	for {
		r.mu.Lock()
		if r.ended {
			r.mu.Unlock()
			return false
		}
		c := r.cells[group]
		if c == nil {
			c = newCell(r, group)
			r.cells[group] = c
		}
		r.mu.Unlock()
		called, again := c.with(fn)
		if !again {
			return called
		}
	}
}

// withGroup calls fn with the group's cell locked if the group exists, and says whether it does.
func (r *reign) withGroup(group string, fn func(*cell)) (exists bool) {
	r.mu.Lock()
	c := r.cells[group]
	r.mu.Unlock()
	if c == nil {
		return false
	}
	c.with(func(c *cell) {
		if exists = c.group != nil; exists {
			fn(c)
		}
	})
	return exists
}

// allCells are the cells in the order of their groups' names.
func (r *reign) allCells() []*cell {
	r.mu.Lock()
	defer r.mu.Unlock()
	cells := make([]*cell, 0, len(r.cells))
	for _, c := range r.cells {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b *cell) int {
		switch {
		case a.id < b.id:
			return -1
		case a.id > b.id:
			return 1
		}
		return 0
	})
	return cells
}

// forget drops an unused cell. Called with the cell locked.
func (r *reign) forget(c *cell) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cells[c.id] == c {
		delete(r.cells, c.id)
	}
}

// bounded ends with ctx, with the reign, or after the write timeout.
func (r *reign) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stopReign := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
	timer := r.c.cfg.Clock.AfterFunc(r.c.cfg.Settings.WriteTimeout, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		timer.Stop()
		stopReign()
		cancel(context.Canceled)
	}
}

// propose replicates a command. Kafka's error is nil when it was applied.
func (r *reign) propose(ctx context.Context, cmd state.Command) (state.Result, *kerr.Error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	start := r.c.cfg.Clock.Now()
	applied, err := r.c.cfg.Log.Propose(ctx, state.Encode(cmd))
	r.c.metrics.writes.Observe(r.c.cfg.Clock.Now().Sub(start).Seconds())
	if err != nil {
		return state.Result{}, r.writeError(ctx, err)
	}
	result, ok := applied.(state.Result)
	if !ok {
		return state.Result{}, r.writeError(ctx, fmt.Errorf("the log of groups answered %T", applied))
	}
	return result, result.Err
}
