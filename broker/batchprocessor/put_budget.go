package batchprocessor

import "time"

// PutBudget is how many PUTs this broker may make, which its jobs share.
type PutBudget interface {
	// At is when there is a PUT left: now or later.
	At(now time.Time) time.Time
	// Take is a PUT, whether one is left or not.
	Take(now time.Time)
}

// budgetPatience is the part of a request's time, from when its object was opened, that the budget may hold it back for: an object leaves after 1/budgetPatience of it,
// whatever the budget says. The rest is for the upload, its repetitions and the commit, so that no request times out for thrift. It also bounds how long a
// full memory (MaxBufferedBytes) holds up the requests in the sockets behind.
const budgetPatience = 4

// pacedLogInterval is how often it is told at most that the budget paces.
const pacedLogInterval = time.Minute

// budgetAt is when the PUT budget lets the next object leave, or the earliest request's patience. Called with mu.
func (p *Processor) budgetAt(now time.Time) time.Time {
	if p.deps.Budget == nil {
		return now
	}
	at := p.deps.Budget.At(now)
	if !at.After(now) {
		return now
	}
	for _, behind := range p.closed { // few: memory is bounded; they cannot leave before the first does
		at = behind.patience(at)
	}
	if p.open != nil {
		at = p.open.patience(at)
	}
	if len(p.waiting) > 0 && p.waiting[0].latest.Before(at) {
		at = p.waiting[0].latest
	}
	return at
}

// waiter is a request that waits for memory, which objects that leave give back. Its patience is theirs, too.
type waiter struct {
	latest time.Time
	gone   bool
}

// beginWait is called without mu; so is the function that it returns, when the wait is over.
func (p *Processor) beginWait(deadline time.Time) (end func()) {
	if p.deps.Budget == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.deps.Clock.Now()
	w := &waiter{latest: now.Add(deadline.Sub(now) / budgetPatience)}
	// Only those stay that are the earliest of all once the ones before them have gone; mostly requests come and go in one order.
	for len(p.waiting) > 0 && !p.waiting[len(p.waiting)-1].latest.Before(w.latest) {
		p.waiting = p.waiting[:len(p.waiting)-1]
	}
	p.waiting = append(p.waiting, w)
	p.wakeBy(w.latest)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.gone = true
		for len(p.waiting) > 0 && p.waiting[0].gone {
			p.waiting = p.waiting[1:]
		}
	}
}

// patience is when o leaves at the latest, at if that is earlier.
func (o *object) patience(at time.Time) time.Time {
	if o.deadline.IsZero() { // nobody waits any more
		return at
	}
	if latest := o.opened.Add(o.deadline.Sub(o.opened) / budgetPatience); latest.Before(at) {
		return latest
	}
	return at
}

// pay takes o's PUT from the budget, and notes what the budget did to it. Called with mu.
func (p *Processor) pay(o *object, now time.Time) {
	if p.deps.Budget.At(now).After(now) {
		p.metrics.budgetOverdrafts.Inc()
	}
	p.deps.Budget.Take(now)
	waited := now.Sub(o.opened)
	if !o.heldBack || waited <= p.cfg.CommitInterval {
		return
	}
	p.metrics.budgetPaced.Inc()
	if p.pacedLogged.IsZero() || now.Sub(p.pacedLogged) >= pacedLogInterval {
		p.pacedLogged = now
		o.tellPaced = waited // by the upload, without the lock
	}
}
