package cachemanager

import (
	"sort"

	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// followedReplacement takes coordinates that a job put in the place of others. Who reads the old ones goes on: their objects stay for a while, and
// when one is gone all the same, its reader asks where the records are now.
func (m *Manager) followedReplacement(r *topics.CoordinatesReplaced) {
	p := m.lookup(r.Partition)
	if p == nil {
		return
	}
	coordinates := make([]rpc.Coordinate, len(r.Coordinates))
	for i := range r.Coordinates {
		coordinates[i] = coordinateOf(r.Coordinates[i].Object, &r.Coordinates[i].CommittedCoordinate)
	}
	p.replaced(r.BaseOffset, r.LastOffset, coordinates)
}

// replaced puts coordinates in the place of those between two offsets.
func (p *partition) replaced(base, last int64, coordinates []rpc.Coordinate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deleted || p.forgotten {
		return
	}
	p.dropPagesBetween(base, last)
	from := p.windowIndex(base)
	to := sort.Search(len(p.window), func(i int) bool { return p.window[i].BaseOffset > last })
	if from >= to {
		return
	}
	if p.window[from].BaseOffset < base || p.window[to-1].LastOffset > last {
		p.dropFront(to) // other coordinates than were replaced: whoever reads there asks
		return
	}
	p.splice(from, to, coordinates)
}

// splice changes entries of the window. Bytes are summed up from the end, where the readers that keep up are.
func (p *partition) splice(from, to int, coordinates []rpc.Coordinate) {
	cache := p.m.cache
	for i := from; i < to; i++ {
		cache.spans.remove(&p.window[i].Coordinate)
	}
	window := make([]windowEntry, 0, len(p.window)-(to-from)+len(coordinates))
	window = append(window, p.window[:from]...)
	for i := range coordinates {
		cache.spans.add(&coordinates[i])
		window = append(window, windowEntry{Coordinate: coordinates[i]})
	}
	window = append(window, p.window[to:]...)
	end := p.total
	for i := len(window) - 1; i >= 0; i-- {
		end -= int64(window[i].Bytes)
		window[i].before = end
	}
	p.m.windowEntries.Add(int64(len(window) - len(p.window)))
	p.window = window
}
