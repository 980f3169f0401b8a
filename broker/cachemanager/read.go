package cachemanager

import (
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// plan chooses coordinates in the order of the request, as far as the budget may reach. False: nothing can be read, though something should be.
func (f *fetch) plan() bool {
	for {
		planned, missing := f.planOnce()
		if planned || f.failed() {
			return true
		}
		if missing == nil {
			return f.available() == 0 && !f.forgotten()
		}
		if !f.waitFor(missing.ready) {
			return true // with nothing; the next fetch finds the index
		}
	}
}

// forgotten says whether coordinates that were known are not any more: a job replaced them, perhaps, and they are to be asked for.
func (f *fetch) forgotten() bool {
	for i := range f.cursors {
		c := &f.cursors[i]
		if c.served() || len(c.found) > 0 {
			continue
		}
		c.p.mu.Lock()
		unknown := c.p.locate(c.from) == mustFind
		c.p.mu.Unlock()
		if unknown {
			return true
		}
	}
	return false
}

// planOnce says whether there is anything planned, and which index is missing for more.
func (f *fetch) planOnce() (any bool, missing *segmentIndex) {
	remaining := f.req.MaxBytes - f.spent
	first := f.spent == 0
	for i := range f.cursors {
		c := &f.cursors[i]
		limit := min(c.ask.MaxBytes, remaining)
		if c.planned = nil; c.served() || limit <= 0 && !first {
			continue
		}
		planned, now, _ := c.p.coordinates(c.from, int64(limit), maxPlanned)
		if len(planned) > 0 {
			// Commits may have made more readable since resolve, and an answer never has records above the high watermark that it tells.
			c.bounds = c.bounds.atLeast(now)
		} else {
			planned = planFound(c.found, c.from, int64(limit))
		}
		if len(planned) == 0 {
			continue
		}
		f.share(c, planned[0].lagging)
		planned, index := f.m.inPieces(planned, c.p.id.ID, c.from, int64(limit), c.piece)
		if index != nil && len(planned) == 0 {
			if f.settleIndex(c, index) {
				missing = index
			}
			continue
		}
		c.planned = planned
		bytes := int64(0)
		for j := range c.planned {
			bytes += restOf(&c.planned[j].Coordinate, c.from)
			first, any = false, true
		}
		remaining -= int(min(bytes, int64(limit)))
	}
	return any, missing
}

// settleIndex says whether the index is still to be waited for; one that failed is the partition's error.
func (f *fetch) settleIndex(c *cursor, index *segmentIndex) bool {
	select {
	case <-index.ready:
	default:
		return true
	}
	if index.err != nil {
		f.fail(c, &index.coordinate, index.err)
		return false
	}
	return true
}

// share settles how much of history c may read at a time. A reader that may go elsewhere next reads the least.
func (f *fetch) share(c *cursor, lagging bool) {
	c.piece, c.ahead = f.m.cfg.MinPieceBytes, 0
	if lagging && c.p.isSequential(c.ask.Offset) {
		c.piece, c.ahead = f.m.shares(f.m.readers.note(c.p, f.m.cfg.Clock.Now().UnixMilli()))
	}
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
// answers with that, so that two never wait for each other, and takes no room of history from what nobody has read to its end: it would be read twice.
func (f *fetch) acquire() {
	lagging, held := int64(0), f.spent > 0
	most := f.m.cfg.LaggingBytes / 2 // one answer may not take the pool from all others
	for i := range f.cursors {
		c := &f.cursors[i]
		for j := range c.planned {
			p := &c.planned[j]
			if p.Bytes == 0 {
				continue
			}
			if p.lagging {
				if lagging += int64(p.Bytes); held && lagging > most {
					c.planned = c.planned[:j]
					break
				}
			}
			u := demand
			if p.lagging && held {
				u = more
			}
			p.block = f.m.cache.get(&p.Coordinate, c.p.id.ID, p.pool(), u)
			if p.block == nil && !held {
				p.block = f.getWithRoom(p, c.p.id.ID)
			}
			if p.block == nil {
				c.planned = c.planned[:j]
				break
			}
			held = true
		}
	}
}

func (f *fetch) getWithRoom(p *planned, topic kafka.TopicID) *block {
	cache := f.m.cache
	cache.waiting.Add(1)
	defer cache.waiting.Add(-1)
	for {
		room := cache.roomFor(p.pool())
		if b := cache.get(&p.Coordinate, topic, p.pool(), demand); b != nil {
			return b
		}
		if !f.waitFor(room) {
			return nil
		}
	}
}

// readAhead starts to read what sequential, lagging readers will ask for next, and to check it: the reader has its answer in hand meanwhile and does
// not wait for the CRCs of the next.
func (f *fetch) readAhead() {
	var unchecked []planned
	for i := range f.cursors {
		c := &f.cursors[i]
		n := len(c.planned)
		if n == 0 || c.ahead == 0 {
			continue
		}
		next := c.planned[n-1].LastOffset + 1
		coordinates, _, more := c.p.coordinates(next, c.ahead, maxPlanned)
		coordinates, missing := f.m.inPieces(coordinates, c.p.id.ID, next, c.ahead, c.piece)
		more = more && missing == nil
		for j := range coordinates {
			if coordinates[j].Bytes == 0 {
				next = coordinates[j].LastOffset + 1
				continue
			}
			b := f.m.cache.get(&coordinates[j].Coordinate, c.p.id.ID, laggingPool, ahead)
			if b == nil {
				break
			}
			next = coordinates[j].LastOffset + 1
			if !f.m.cache.claimCheck(b, &coordinates[j].Coordinate) {
				f.m.cache.release(b)
				continue
			}
			coordinates[j].block = b
			unchecked = append(unchecked, coordinates[j])
		}
		if n := len(coordinates); more && (n == 0 || next == coordinates[n-1].LastOffset+1) {
			f.m.findAll([]findAsk{{c.p, next, c.ask.Partition.MetadataOffset}})
		}
	}
	if len(unchecked) > 0 && !f.m.start(func() { f.m.check(unchecked) }) {
		f.m.releaseAll(unchecked)
	}
}

// check checks what was read ahead, once it is there. Whoever reads a damaged segment is told, not this.
func (m *Manager) check(ps []planned) {
	for i := range ps {
		b := ps[i].block
		select {
		case <-b.ready:
			_, _ = b.segment(&ps[i].Coordinate)
		case <-m.ctx.Done():
		}
		m.cache.release(b)
	}
}

func (m *Manager) releaseAll(ps []planned) {
	for i := range ps {
		m.cache.release(ps[i].block)
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
	patient := !f.memoryIsEnough()
	for i := range f.cursors {
		c := &f.cursors[i]
		if len(c.planned) == 0 {
			continue
		}
		f.spent += f.gatherPartition(c, min(c.ask.MaxBytes, f.req.MaxBytes-f.spent), f.spent == 0, patient)
		c.planned = nil
	}
}

func (f *fetch) gatherPartition(c *cursor, limit int, force, patient bool) (bytes int) {
	offset, stopped := c.from, false
	for j := range c.planned {
		p := &c.planned[j]
		switch {
		case p.block == nil: // no bytes
			continue
		case stopped || limit-bytes <= 0 && !force || !f.ready(p, patient):
			stopped = true
			f.m.cache.release(p.block)
			continue
		}
		s, err := p.block.segment(&p.Coordinate)
		if err != nil {
			stopped = true
			f.m.cache.release(p.block)
			if bytes == 0 {
				f.fail(c, &p.Coordinate, err)
			} else { // the next fetch, which begins there, is told
				_ = f.m.storageError(c.p, &p.Coordinate, err)
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
	switch {
	case bytes > 0 && c.planned[0].lagging:
		c.p.readEnded(offset)
	case bytes == 0 && !stopped: // none of these has a record from here on
		c.from, c.advanced = c.planned[len(c.planned)-1].LastOffset+1, true
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

// memoryIsEnough says that enough bytes are in memory: partitions that keep up do not wait for one that lags, and a reader of history takes what is there while the rest
// is on its way. Only what is there counts: key compaction may have left nothing of a coordinate from the offset on that is wanted.
func (f *fetch) memoryIsEnough() bool {
	var bytes, history int64
	for i := range f.cursors {
		c := &f.cursors[i]
		for j := range c.planned {
			p := &c.planned[j]
			if p.block == nil {
				continue
			}
			if !p.isReady() {
				break // what follows is of no use without it
			}
			rest := int64(p.Bytes)
			if c.from > p.BaseOffset {
				s, err := p.block.segment(&p.Coordinate)
				if err != nil {
					return true // that is to be told
				}
				rest = s.bytesFrom(c.from)
			}
			if p.lagging {
				history += rest
			} else {
				bytes += rest
			}
		}
	}
	return bytes > 0 && bytes >= int64(f.req.MinBytes) || history >= max(f.m.cfg.MinPieceBytes, int64(f.req.MinBytes))
}

func (p *planned) isReady() bool {
	select {
	case <-p.block.ready:
		return true
	default:
		return false
	}
}
