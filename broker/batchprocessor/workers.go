package batchprocessor

// work runs fn beside the caller, in a goroutine that ran others before if one has nothing to do: its stack has grown already, and growing two
// for each small object was 6 % of the process's CPU. end waits for fn. Called with mu, and not once stopped is set.
func (p *Processor) work(fn func()) {
	p.workers.Add(1)
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1] // the last that worked: its memory is near
		p.idle = p.idle[:n-1]
		w <- fn
		return
	}
	w := make(chan func(), 1)
	w <- fn
	go p.worker(w)
}

// worker ends when its channel is closed. There are never more than have worked at once: upload slots and coordinators.
func (p *Processor) worker(w chan func()) {
	for fn := range w {
		fn()
		p.mu.Lock()
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		p.workers.Done()
	}
}

// endWorkers waits until everything that was begun has ended, and ends the goroutines. stopped is set.
func (p *Processor) endWorkers() {
	p.workers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.idle {
		close(w)
	}
	p.idle = nil
}
