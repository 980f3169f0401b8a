package cachemanager

import "github.com/inkwell-project/inkwell/rpc"

// plan chooses coordinates in the order of the request, as far as the budget may reach. False: nothing can be read, though something should be.
func (f *fetch) plan() bool {
	remaining := f.req.MaxBytes
	first := true
	for i := range f.cursors {
		c := &f.cursors[i]
		limit := min(c.ask.MaxBytes, remaining)
		if c.err != nil || limit <= 0 && !first {
			continue
		}
		c.planned, _ = c.p.coordinates(c.ask.Offset, int64(limit), maxPlanned)
		if len(c.planned) == 0 {
			c.planned = planFound(c.found, c.ask.Offset, int64(limit))
		}
		bytes := int64(0)
		for j := range c.planned {
			bytes += restOf(&c.planned[j].Coordinate, c.ask.Offset)
			first = false
		}
		remaining -= int(min(bytes, int64(limit)))
	}
	return !first || f.failed() || f.available() == 0
}

// planFound is a plan from the coordinator's answer alone, when the cache of coordinates did not keep it.
func planFound(found []rpc.Coordinate, offset, limit int64) (out []planned) {
	var bytes int64
	for i := range found {
		if c := &found[i]; c.LastOffset >= offset && (bytes < limit || len(out) == 0) {
			bytes += restOf(c, offset)
			out = append(out, planned{Coordinate: *c, lagging: true})
		}
	}
	return out
}

// acquire gets all blocks under way before any is waited for. A fetch that holds nothing waits for room; one that holds something
// answers with that, so that two never wait for each other.
func (f *fetch) acquire() {
	lagging, held := int64(0), false
	most := f.m.cfg.LaggingBytes / 4 // one answer may not take the pool from all others
	for i := range f.cursors {
		c := &f.cursors[i]
		for j := range c.planned {
			p := &c.planned[j]
			if p.lagging {
				if lagging += int64(p.Bytes); held && lagging > most {
					c.planned = c.planned[:j]
					break
				}
			}
			p.block = f.m.cache.get(&p.Coordinate, p.pool(), demand)
			if p.block == nil && !held {
				p.block = f.getWithRoom(p)
			}
			if p.block == nil {
				c.planned = c.planned[:j]
				break
			}
			held = true
		}
	}
}

func (f *fetch) getWithRoom(p *planned) *block {
	cache := f.m.cache
	cache.waiting.Add(1)
	defer cache.waiting.Add(-1)
	for {
		room := cache.roomFor(p.pool())
		if b := cache.get(&p.Coordinate, p.pool(), demand); b != nil {
			return b
		}
		if !f.waitFor(room) {
			return nil
		}
	}
}

// readAhead starts to read what sequential, lagging readers will ask for next.
func (f *fetch) readAhead() {
	for i := range f.cursors {
		c := &f.cursors[i]
		n := len(c.planned)
		if n == 0 || !c.planned[0].lagging || !c.p.isSequential(c.ask.Offset) {
			continue
		}
		next := c.planned[n-1].LastOffset + 1
		coordinates, more := c.p.coordinates(next, f.m.cfg.ReadAheadBytes, maxPlanned)
		for j := range coordinates {
			b := f.m.cache.get(&coordinates[j].Coordinate, laggingPool, ahead)
			if b == nil {
				break
			}
			f.m.cache.release(b)
			next = coordinates[j].LastOffset + 1
		}
		if n := len(coordinates); more && (n == 0 || next == coordinates[n-1].LastOffset+1) {
			f.m.findAll([]findAsk{{c.p, next, c.ask.Partition.MetadataOffset}})
		}
	}
}

func (p *partition) isSequential(offset int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range p.ends {
		if end == offset {
			return true
		}
	}
	return false
}

// gather takes batches from the blocks in the order of the request.
func (f *fetch) gather() {
	patient := !f.tailIsEnough()
	remaining, force := f.req.MaxBytes, true
	for i := range f.cursors {
		c := &f.cursors[i]
		if len(c.planned) == 0 {
			continue
		}
		bytes := f.gatherPartition(c, min(c.ask.MaxBytes, remaining), force, patient)
		remaining -= bytes
		force = force && bytes == 0
	}
}

func (f *fetch) gatherPartition(c *cursor, limit int, force, patient bool) (bytes int) {
	offset, stopped := c.ask.Offset, false
	for j := range c.planned {
		p := &c.planned[j]
		if stopped || limit-bytes <= 0 && !force || !f.ready(p, patient) {
			stopped = true
			f.m.cache.release(p.block)
			continue
		}
		s, err := p.block.segment(&p.Coordinate)
		if err != nil {
			stopped = true
			f.m.cache.release(p.block)
			err = f.m.storageError(c.p, &p.Coordinate, err)
			if bytes == 0 {
				c.err = err // else the next fetch, which begins there, is told
			}
			continue
		}
		slices, n, next, complete := s.take(c.slices, offset, limit-bytes, force)
		if complete {
			f.m.cache.consumed(p.block, s, &p.Coordinate)
		}
		stopped = !complete
		if n == 0 {
			f.m.cache.release(p.block)
			continue
		}
		c.slices, offset = slices, next
		bytes += n
		force = false
		c.held = append(c.held, p.block)
	}
	if bytes > 0 && c.planned[0].lagging {
		c.p.readEnded(offset)
	}
	return bytes
}

// ready waits for a block's bytes, unless the answer has enough without them: then the reader gets them with its next fetch.
func (f *fetch) ready(p *planned, patient bool) bool {
	if p.isReady() {
		return true
	}
	if !patient && p.lagging {
		return false
	}
	select {
	case <-p.block.ready:
		return true
	case <-f.ctx.Done():
	case <-f.m.ctx.Done():
	}
	return false
}

// tailIsEnough says that partitions that keep up have enough bytes in memory: they do not wait for one that lags.
func (f *fetch) tailIsEnough() bool {
	bytes := int64(0)
	for i := range f.cursors {
		c := &f.cursors[i]
		for j := range c.planned {
			p := &c.planned[j]
			if p.lagging || !p.isReady() {
				break // what follows is of no use without it
			}
			bytes += restOf(&p.Coordinate, c.ask.Offset)
		}
	}
	return bytes > 0 && bytes >= int64(f.req.MinBytes)
}

func (p *planned) isReady() bool {
	select {
	case <-p.block.ready:
		return true
	default:
		return false
	}
}
