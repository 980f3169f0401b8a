package sim

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// process is one server of a run, a metadata node or a broker, that a supervisor starts again when it ends.
type process struct {
	w    *World
	host string
	// run opens the server and returns what closes it. While it runs it may end by itself: failed is closed then.
	run func(ctx context.Context, inc *incarnation) (closeIt func() error, failed <-chan error, err error)
	cut func(keep int) // what a crash does to the disk
	// holdDisk and freeDisk are the pause of a process that has a disk.
	holdDisk, freeDisk func()

	mu       sync.Mutex // guards what follows
	started  int
	stopping bool         // start waits for nothing: who stops it starts it again
	retired  bool         // it is never started again
	current  *incarnation // nil: down
	skew     time.Duration
}

func (w *World) newProcess(p *process) *process {
	p.w = w
	if most := w.plan.Skew; most > 0 {
		p.skew = time.Duration(w.source.Rand(p.host+" skew").Int64N(int64(2*most))) - most
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
	return p
}

// isBroker: brokers have no disks.
func (p *process) isBroker() bool { return p.cut == nil }

// incarnation is one start of a process.
type incarnation struct {
	p       *process
	number  int
	clock   *processClock
	serving atomic.Bool
	dead    atomic.Bool // killed: nothing that it does is seen by anybody
	ctx     context.Context
	end     context.CancelFunc
	over    chan struct{} // closed when every goroutine has ended

	mu     sync.Mutex // guards what follows
	paused chan struct{}
}

func (i *incarnation) name() string { return fmt.Sprintf("%s.%d", i.p.host, i.number) }
func (i *incarnation) alive() bool  { return !i.dead.Load() }

// unpaused waits for the end of a pause.
func (i *incarnation) unpaused(ctx context.Context) error {
	i.mu.Lock()
	paused := i.paused
	i.mu.Unlock()
	if paused == nil {
		return nil
	}
	select {
	case <-paused:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start starts the process unless it runs.
func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil || p.stopping || p.retired || p.w.ending.Load() {
		return
	}
	p.started++
	inc := &incarnation{p: p, number: p.started, clock: &processClock{skew: p.skew}, over: make(chan struct{})}
	inc.ctx, inc.end = context.WithCancel(context.Background())
	p.current = inc
	p.w.net.Start(p.host)
	p.w.trace.Add("start", inc.name())
	p.w.running.Go(func() {
		defer close(inc.over)
		inc.live()
	})
}

// live is from the start of a process to its end. A process that ends by itself is started again by its supervisor.
func (i *incarnation) live() {
	closeIt, failed, err := i.p.run(i.ctx, i)
	if err != nil {
		i.p.w.trace.Add("does not start", i.name(), err.Error())
		i.p.ended(i)
		return
	}
	i.p.w.trace.Add("serves", i.name())
	i.serving.Store(true)
	select {
	case <-i.ctx.Done():
	case err := <-failed:
		if i.ctx.Err() == nil {
			i.p.w.trace.Add("failed", i.name(), fmt.Sprint(err))
		}
	}
	if err := closeIt(); err != nil && i.alive() {
		i.p.w.trace.Add("closed", i.name(), err.Error())
	}
	i.p.ended(i)
}

// supervisorWait is the time before a process that ended by itself is started again.
const supervisorWait = time.Second

func (p *process) ended(inc *incarnation) {
	inc.end()
	p.mu.Lock()
	was := p.current == inc
	if was {
		p.current = nil
	}
	p.mu.Unlock()
	if !was || inc.dead.Swap(true) {
		return // killed or stopped: who did that starts it again
	}
	p.w.net.Pause(p.host, false) // it may have ended in a pause, whose end looks for the next one's
	inc.resume()
	p.w.net.Kill(p.host, false)
	p.w.running.Go(func() {
		time.Sleep(supervisorWait)
		p.start()
	})
}

// kill ends the process as kill -9 or a power cut would. Its goroutines are let go, with no way to the world.
func (p *process) kill(powerOff bool, keep int) {
	p.mu.Lock()
	inc := p.current
	p.current = nil
	if inc == nil {
		p.mu.Unlock()
		return
	}
	inc.dead.Store(true)
	p.mu.Unlock()
	if p.isBroker() {
		p.w.crashes.Add(1)
	}
	p.w.trace.Add("kill", inc.name(), fmt.Sprintf("power off: %v, kept of what was not synced: %d%%", powerOff, keep))
	p.w.net.Pause(p.host, false)
	p.w.net.Kill(p.host, powerOff)
	if p.cut != nil {
		p.cut(keep)
	}
	inc.resume()
	inc.end()
}

// stop ends the process in order and waits for it.
func (p *process) stop() {
	p.mu.Lock()
	inc := p.current
	p.current = nil
	p.stopping = p.stopping || inc != nil
	p.mu.Unlock()
	if inc == nil {
		return
	}
	p.w.trace.Add("stop", inc.name())
	p.w.net.Pause(p.host, false)
	inc.resume()
	inc.end()
	<-inc.over
	p.w.net.Kill(p.host, false)
	inc.dead.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopping = false
}

func (p *process) pause() {
	p.mu.Lock()
	inc := p.current
	p.mu.Unlock()
	if inc == nil {
		return
	}
	inc.mu.Lock()
	if inc.paused != nil {
		inc.mu.Unlock()
		return
	}
	inc.paused = make(chan struct{})
	inc.mu.Unlock()
	p.w.trace.Add("pause", inc.name())
	inc.clock.pause()
	p.w.net.Pause(p.host, true)
	if p.holdDisk != nil {
		p.holdDisk()
	}
}

func (p *process) resume() {
	p.mu.Lock()
	inc := p.current
	p.mu.Unlock()
	if inc == nil {
		return
	}
	inc.mu.Lock()
	was := inc.paused != nil
	inc.mu.Unlock()
	if was {
		p.w.trace.Add("resume", inc.name())
		p.w.net.Pause(p.host, false)
		inc.resume()
	}
}

func (i *incarnation) resume() {
	i.mu.Lock()
	paused := i.paused
	i.paused = nil
	i.mu.Unlock()
	if paused != nil {
		close(paused)
		i.clock.resume()
		if i.p.freeDisk != nil {
			i.p.freeDisk()
		}
	}
}

func (p *process) jump(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skew += d
	p.w.trace.Add("clock jumps", p.host, d)
	if p.current != nil {
		p.current.clock.jump(d)
	}
}

// awaitServing waits for the first start.
func (p *process) awaitServing(ctx context.Context) error {
	for {
		p.mu.Lock()
		serving := p.current != nil && p.current.serving.Load()
		p.mu.Unlock()
		if serving {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", p.host, err)
		}
	}
}

// logger writes warnings into the trace, and takes what may never be logged as a violation.
func (i *incarnation) logger() *slog.Logger { return slog.New(&logHandler{inc: i}) }

type logHandler struct {
	inc   *incarnation
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.inc.p.w.plan.LogLevel && h.inc.alive()
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.inc.p.w.logged(h.inc, r.Level, r.Message, text)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.inc, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(string) slog.Handler { return h }
