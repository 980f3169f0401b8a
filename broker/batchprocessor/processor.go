package batchprocessor

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/semaphore"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// Deps is the world around a Processor.
type Deps struct {
	Bucket    objectstorage.Bucket
	Committer rpc.ObjectCommitter
	Clock     clock.Clock
	// Rand is used for jitter only, under the Processor's lock.
	Rand *rand.Rand
	// Budget bounds the PUTs; nil for no bound.
	Budget PutBudget
	// Sink sees what was committed; nil for none.
	Sink CommittedSink
	// Fenced is called once if the broker's epoch is fenced. It must not wait for Close.
	Fenced     func(error)
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil registers nothing
}

// errFenced ends a Processor whose epoch is fenced. Producers refresh their metadata and retry elsewhere.
var errFenced = errors.New("the broker's epoch is fenced")

// Processor is the Batch Processor of one broker epoch.
type Processor struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	credits *semaphore.Weighted

	ctx     context.Context // ends with the cause that everything left is answered with
	cancel  context.CancelCauseFunc
	closing chan struct{}  // closed when Close begins
	timer   *clock.Timer   // wakes the timekeeper; reset with mu
	workers sync.WaitGroup // what work began
	ended   chan struct{}  // closed when the timekeeper has ended, which is last

	// mu guards all below. It is held for pointer work only.
	mu           sync.Mutex
	isClosing    bool
	stopped      bool // ctx has ended: nothing starts any more
	open         *object
	closed       []*object // wait for an upload slot, in order
	uploads      int       // under way
	unsettled    []*object // closed objects in order of sequence, until all parts are settled
	nextSequence int64
	coordinators map[int32]*coordinator
	waiting      []*waiter // for memory, under a PUT budget; the first has the least patience
	pacedLogged  time.Time // when it was last told that the budget paces
	arrivals     arrivals
	returns      returns
	timerAt      time.Time     // when the timekeeper will look, zero for never
	drained      chan struct{} // closed when closing and nothing is left
	lastSuccess  time.Time
	buffered     int64
	refusals     refusals
	idle         []chan func() // workers with nothing to do, each holds one wish
}

// New starts a Processor. cfg has its defaults set and is valid.
func New(cfg Config, deps Deps) *Processor {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &Processor{
		cfg: cfg, deps: deps,
		log:          deps.Logger.With("cluster", cfg.Cluster),
		credits:      semaphore.NewWeighted(cfg.MaxBufferedBytes),
		ctx:          ctx,
		cancel:       cancel,
		closing:      make(chan struct{}),
		ended:        make(chan struct{}),
		coordinators: make(map[int32]*coordinator),
		drained:      make(chan struct{}),
		lastSuccess:  deps.Clock.Now(),
		refusals:     refusals{},
	}
	p.metrics = newMetrics(deps.Registerer, p)
	p.timer = deps.Clock.NewTimer(time.Hour)
	p.timer.Stop()
	go p.keepTime()
	return p
}

// Close finishes uploads and commits until ctx ends, then answers what is left with kafka.ErrClosed, and returns when every goroutine has ended.
// It may be called twice.
func (p *Processor) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.isClosing {
		p.isClosing = true
		close(p.closing)
		p.pump()
		p.checkDrained()
	}
	p.mu.Unlock()
	var err error
	select {
	case <-p.drained:
	case <-p.ended: // fenced
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.cancel(kafka.ErrClosed)
	<-p.ended
	return err
}

// checkDrained is called with mu.
func (p *Processor) checkDrained() {
	if !p.isClosing || p.open != nil || len(p.unsettled) > 0 {
		return
	}
	select {
	case <-p.drained:
	default:
		close(p.drained)
	}
}

// keepTime does what is due at a time: it lets objects go whose wait has passed and answers requests whose deadline has. It ends the Processor, too.
func (p *Processor) keepTime() {
	defer close(p.ended)
	defer p.timer.Stop()
	for {
		select {
		case <-p.ctx.Done():
			p.end()
			return
		case <-p.timer.C:
		}
		p.mu.Lock()
		now := p.deps.Clock.Now()
		expired := p.takeExpired(now)
		p.timerAt = now // pump need not wake who looks anyway
		p.pump()
		p.checkDrained()
		p.timerAt = time.Time{}
		if at := p.nextEvent(); !at.IsZero() {
			p.timerAt = at
			p.timer.Reset(max(0, at.Sub(now)))
		} else {
			p.timer.Stop()
		}
		p.mu.Unlock()
		for _, pending := range expired {
			pending.expire(kerr.RequestTimedOut.Code)
		}
	}
}

// wakeBy makes sure that the timekeeper looks at time t. Called with mu.
func (p *Processor) wakeBy(t time.Time) {
	if !p.timerAt.IsZero() && !t.Before(p.timerAt) {
		return
	}
	p.timerAt = t
	p.timer.Reset(max(0, t.Sub(p.deps.Clock.Now())))
}

// nextEvent is the next time at which keepTime has to look, zero for never. Called with mu.
func (p *Processor) nextEvent() (at time.Time) {
	earliest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	earliest(p.nextRotation())
	for _, o := range p.unsettled {
		earliest(o.deadline)
	}
	if p.open != nil {
		earliest(p.open.deadline)
	}
	return at
}

// takeExpired collects the requests whose deadline has passed. Their objects stay. Called with mu.
func (p *Processor) takeExpired(now time.Time) (expired []*pending) {
	look := func(o *object) {
		if o.deadline.IsZero() || o.deadline.After(now) {
			return
		}
		o.deadline = time.Time{}
		for _, h := range o.requests {
			switch d := h.pending.deadline; {
			case !d.After(now):
				expired = append(expired, h.pending)
			case (o.deadline.IsZero() || d.Before(o.deadline)) && !h.pending.isAnswered():
				o.deadline = d
			}
		}
	}
	for _, o := range p.unsettled {
		look(o)
	}
	if p.open != nil {
		look(p.open)
	}
	return expired
}

// end answers everything that is left with the cause of the end, waits for the workers, which may still read the bytes, and then lets the bytes go.
func (p *Processor) end() {
	code := causeCode(context.Cause(p.ctx))
	p.mu.Lock()
	p.stopped = true
	left := p.unsettled
	if p.open != nil {
		left = append(left, p.open)
	}
	p.unsettled, p.open, p.closed = nil, nil, nil
	p.mu.Unlock()
	for _, o := range left {
		for _, h := range o.requests {
			h.pending.expire(code)
		}
	}
	p.endWorkers()
	for _, o := range left {
		p.giveBack(o)
	}
	p.metrics.unregister(p.deps.Registerer)
}

func causeCode(cause error) int16 {
	if errors.Is(cause, errFenced) {
		return kerr.NotLeaderForPartition.Code
	}
	return kafka.ErrorCode(cause)
}

// giveBack releases an object's bytes and credits. Called without mu.
func (p *Processor) giveBack(o *object) { p.free(o.release()) }

// free gives credit back. Called without mu.
func (p *Processor) free(credit int64) {
	if credit == 0 {
		return
	}
	p.mu.Lock()
	p.buffered -= credit
	p.mu.Unlock()
	p.credits.Release(credit)
}

// NextObject is an object id that this Processor and whoever asked before never get: jobs name what they write by it.
func (p *Processor) NextObject() kafka.ObjectID {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := kafka.ObjectID{Epoch: p.cfg.BrokerEpoch, Sequence: p.nextSequence}
	p.nextSequence++
	return id
}

// AcknowledgedBelow is the lowest sequence whose result is not known.
func (p *Processor) AcknowledgedBelow() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acknowledgedBelow()
}

func (p *Processor) acknowledgedBelow() int64 {
	if len(p.unsettled) > 0 {
		return p.unsettled[0].id.Sequence
	}
	return p.nextSequence
}
