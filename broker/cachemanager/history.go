package cachemanager

import (
	"container/list"
	"sort"
	"sync"

	"github.com/inkwell-project/inkwell/rpc"
)

// page is one answer of Find Segment: all coordinates of one partition's history from an offset on. Offsets that none covers have no records (key compaction).
type page struct {
	p           *partition
	first       int64
	coordinates []rpc.Coordinate
	elem        *list.Element // in the pageList; nil once dropped
}

func (g *page) start() int64 { return g.first }
func (g *page) end() int64   { return g.coordinates[len(g.coordinates)-1].LastOffset + 1 }

// from is the coordinates from the one that holds offset on.
func (g *page) from(offset int64) []rpc.Coordinate {
	i := sort.Search(len(g.coordinates), func(i int) bool { return g.coordinates[i].LastOffset >= offset })
	return g.coordinates[i:]
}

// pageOf returns the page that holds offset, nil for none. Called under mu.
func (p *partition) pageOf(offset int64) *page {
	i := sort.Search(len(p.pages), func(i int) bool { return p.pages[i].end() > offset })
	if i == len(p.pages) || p.pages[i].start() > offset {
		return nil
	}
	return p.pages[i]
}

// addPage keeps what of the coordinates from offset on is below the window and in no page yet. Called under mu.
func (p *partition) addPage(offset int64, coordinates []rpc.Coordinate) {
	start := p.windowStart()
	coordinates = coordinates[:sort.Search(len(coordinates), func(i int) bool { return coordinates[i].BaseOffset >= start })]
	for g := p.pageOf(offset); g != nil; g = p.pageOf(offset) {
		offset = g.end()
		coordinates = coordinates[sort.Search(len(coordinates), func(i int) bool { return coordinates[i].LastOffset >= offset }):]
	}
	if len(coordinates) == 0 {
		return
	}
	first := min(offset, coordinates[0].BaseOffset)
	i := sort.Search(len(p.pages), func(i int) bool { return p.pages[i].start() > first })
	if i > 0 {
		first = max(first, p.pages[i-1].end())
	}
	if i < len(p.pages) {
		next := p.pages[i].start()
		if coordinates = coordinates[:sort.Search(len(coordinates), func(i int) bool { return coordinates[i].BaseOffset >= next })]; len(coordinates) == 0 {
			return
		}
		p.dropPagesBetween(next, coordinates[len(coordinates)-1].LastOffset) // of before a job replaced them
	}
	g := &page{p: p, first: first, coordinates: coordinates}
	p.pages = append(p.pages, nil)
	copy(p.pages[i+1:], p.pages[i:])
	p.pages[i] = g
	for i := range coordinates {
		p.m.cache.spans.add(&coordinates[i])
	}
	p.m.pages.add(g)
}

// dropPage takes g out after the list gave it up.
func (p *partition) dropPage(g *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.pages {
		if p.pages[i] == g {
			p.pages = append(p.pages[:i], p.pages[i+1:]...)
			p.unspan(g)
			return
		}
	}
}

// dropPagesBetween takes those out that have any of the offsets. Called under mu.
func (p *partition) dropPagesBetween(base, last int64) {
	kept := p.pages[:0]
	for _, g := range p.pages {
		if g.start() > last || g.end() <= base {
			kept = append(kept, g)
			continue
		}
		p.m.pages.remove(g)
		p.unspan(g)
	}
	clear(p.pages[len(kept):])
	p.pages = kept
}

// dropPages takes all out. Called under mu.
func (p *partition) dropPages() {
	for _, g := range p.pages {
		p.m.pages.remove(g)
		p.unspan(g)
	}
	p.pages = nil
}

func (p *partition) unspan(g *page) {
	for i := range g.coordinates {
		p.m.cache.spans.remove(&g.coordinates[i])
	}
}

// pageList bounds the history of all partitions together, the least recently read first.
type pageList struct {
	most int

	mu    sync.Mutex // guards all below
	list  list.List
	count int
}

func newPageList(most int) *pageList { return &pageList{most: most} }

func (l *pageList) entries() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.count)
}

func (l *pageList) add(g *page) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.elem = l.list.PushBack(g)
	l.count += len(g.coordinates)
}

func (l *pageList) used(g *page) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.elem != nil {
		l.list.MoveToBack(g.elem)
	}
}

func (l *pageList) remove(g *page) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(g)
}

func (l *pageList) drop(g *page) {
	if g.elem != nil {
		l.list.Remove(g.elem)
		g.elem = nil
		l.count -= len(g.coordinates)
	}
}

// trim makes the list fit again. Called without any lock: the victims belong to other partitions.
func (l *pageList) trim() {
	l.mu.Lock()
	var victims []*page
	for l.count > l.most && l.list.Len() > 0 {
		g := l.list.Front().Value.(*page)
		l.drop(g)
		victims = append(victims, g)
	}
	l.mu.Unlock()
	for _, g := range victims {
		g.p.dropPage(g)
	}
}
