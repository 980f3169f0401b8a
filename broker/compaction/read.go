package compaction

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

const (
	maxGetBytes = 16 << 20  // of one request
	maxGapBytes = 256 << 10 // that are read for nothing, to spare a request
	getsAtOnce  = 4
)

// piece is a run of bytes of one coordinate, at most maxGetBytes.
type piece struct {
	coordinate int // index
	object     kafka.ObjectID
	position   int64
	bytes      int64
	get        *get // that brings it
}

// get is one ranged request.
type get struct {
	object   kafka.ObjectID
	position int64
	bytes    int64
	buf      *slab.Buffer
}

// window is what is in memory at a time: some pieces in the order in which they are wanted, brought by few requests.
type window struct {
	pieces []*piece
	gets   []*get
	err    error
}

func (w *window) release() {
	for _, g := range w.gets {
		if g.buf != nil {
			g.buf.Release()
			g.buf = nil
		}
	}
}

// plan cuts the coordinates, in the order in which they are wanted, into windows. When all of it fits the memory it is one window, and each small object is read by one
// request however many partitions it has; otherwise two windows share the memory, one that is read and one that is worked on.
func plan(coordinates []rpc.Coordinate, memory int64) []*window {
	total := int64(0)
	for _, c := range coordinates {
		total += int64(c.Bytes)
	}
	room := memory
	if total > memory {
		room = memory / 2
	}
	largest := min(maxGetBytes, room)
	var windows []*window
	used := room
	for i, c := range coordinates {
		for at := int64(0); at < int64(c.Bytes); {
			n := min(int64(c.Bytes)-at, largest)
			if used+n > room {
				windows = append(windows, &window{})
				used = 0
			}
			w := windows[len(windows)-1]
			w.pieces = append(w.pieces, &piece{coordinate: i, object: c.Object, position: c.Position + at, bytes: n})
			used += n
			at += n
		}
	}
	for _, w := range windows {
		w.coalesce(room / 4)
	}
	return windows
}

// coalesce makes the requests. Bytes that are read for nothing are at most waste.
func (w *window) coalesce(waste int64) {
	sorted := slices.Clone(w.pieces)
	slices.SortFunc(sorted, func(a, b *piece) int {
		switch {
		case a.object != b.object && a.object.Less(b.object):
			return -1
		case a.object != b.object:
			return 1
		}
		return int(min(max(a.position-b.position, -1), 1))
	})
	var last *get
	for _, p := range sorted {
		if last != nil && last.object == p.object {
			end := last.position + last.bytes
			gap := p.position - end
			if gap >= 0 && gap <= min(maxGapBytes, waste) && p.position+p.bytes-last.position <= maxGetBytes {
				waste -= gap
				last.bytes += gap + p.bytes
				p.get = last
				continue
			}
		}
		first := objectstorage.WholeBlock(p.position)
		last = &get{object: p.object, position: first, bytes: p.position + p.bytes - first}
		w.gets = append(w.gets, last)
		p.get = last
	}
}

// load makes the requests of a window.
func (w *job) load(ctx context.Context, win *window) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *get)
	var workers sync.WaitGroup
	for range min(getsAtOnce, len(win.gets)) {
		workers.Go(func() {
			for g := range next {
				if err := w.fetch(ctx, g); err != nil {
					cancel(err) // the first one counts
				}
			}
		})
	}
	for _, g := range win.gets {
		if ctx.Err() != nil {
			break
		}
		next <- g
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

func (w *job) fetch(ctx context.Context, g *get) error {
	g.buf = w.memory.Get(int(g.bytes))
	err := w.store.get(ctx, g.object.Key(w.cfg.Cluster), g.position, g.buf.Bytes())
	if errors.Is(err, objectstorage.ErrNotFound) || errors.Is(err, objectstorage.ErrShortRead) {
		return &damaged{g.object, err}
	}
	if err != nil {
		return fmt.Errorf("reading object %s: %w", g.object, err)
	}
	return nil
}

// scan calls f for each batch of the coordinates in turn, checked and with the header that readers see. f may keep nothing of it.
func (w *job) scan(ctx context.Context, coordinates []rpc.Coordinate, f func(coordinate int, b recordbatch.Batch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	loaded := make(chan *window)
	var loading sync.WaitGroup
	loading.Go(func() {
		defer close(loaded)
		for _, win := range plan(coordinates, w.cfg.Settings.MemoryBytes) {
			win.err = w.load(ctx, win)
			failed := win.err != nil
			select {
			case loaded <- win:
			case <-ctx.Done():
				win.release()
				return
			}
			if failed {
				return
			}
		}
	})
	defer func() {
		cancel(nil)
		for win := range loaded {
			win.release()
		}
		loading.Wait()
	}()
	return w.scanWindows(ctx, coordinates, loaded, f)
}

// turnBytes is what a job works on before it lets others in, some dozens of microseconds. The scheduler itself would take the processor from it after 10 ms, and a
// record on its way from its producer to its acknowledgement needs a processor several times.
const turnBytes = 64 << 10

func (w *job) scanWindows(ctx context.Context, coordinates []rpc.Coordinate, loaded <-chan *window, f func(int, recordbatch.Batch) error) error {
	at, open := -1, (*batches)(nil)
	busy := 0 // bytes since others were let in
	each := func(b recordbatch.Batch) error {
		if busy += len(b); busy >= turnBytes {
			busy = 0
			runtime.Gosched()
		}
		return f(at, b)
	}
	for win := range loaded {
		err := win.err
		for _, p := range win.pieces {
			if err != nil {
				break
			}
			if p.coordinate != at {
				if open != nil {
					if err = open.end(); err != nil {
						break
					}
				}
				at, open = p.coordinate, newBatches(coordinates[p.coordinate])
			}
			from := p.position - p.get.position
			err = open.feed(p.get.buf.Bytes()[from:from+p.bytes], each)
			if err == nil {
				err = context.Cause(ctx)
			}
		}
		win.release()
		if err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil || open == nil {
		return err
	}
	if at != len(coordinates)-1 {
		return fmt.Errorf("reading ended after %d of %d coordinates", at+1, len(coordinates))
	}
	return open.end()
}
