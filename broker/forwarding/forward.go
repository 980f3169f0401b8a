package forwarding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
)

// Image is the broker's view of its cluster, as far as forwarding needs it.
type Image interface {
	// WaitFor returns nil once the view holds the metadata record at offset.
	WaitFor(ctx context.Context, offset int64) error
	// Partitions of a topic, 0 if there is none.
	Partitions(topic string) int32
	HasTopicID(id [16]byte) bool
	// Changed is closed when the view moves on. Take it before looking.
	Changed() <-chan struct{}
}

// Config of a Forwarder.
type Config struct {
	Metadata rpc.Forwarder
	Image    Image
	Clock    clock.Clock
	Jitter   func() float64 // in [0,1)
	Logger   *slog.Logger
	// Sender is this broker's registration, nil while it has none.
	Sender func() *rpc.Sender
	// Stalled says whether this process stood still for longer than its session until just now. No OffsetCommit is taken then, see tooLate; nil: never.
	Stalled func() bool
	// Timeout bounds one proxied call, waiting for a leader included. Calls that park at the coordinator (JoinGroup, SyncGroup) bring their own.
	Timeout time.Duration
}

// Forwarder sends requests to the coordinators.
type Forwarder struct {
	cfg     Config
	commits commitOrder
}

// New makes a Forwarder.
func New(cfg Config) *Forwarder {
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second // clients wait for 30 s by default: they hear from us before they give up
	}
	return &Forwarder{cfg: cfg}
}

const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = time.Second
)

// Forward sends a request and returns the answer once this broker's own image shows what the answer promises, so that
// a client that created a topic here finds it here. extra is added to the usual timeout: for calls that park.
func (f *Forwarder) Forward(ctx context.Context, req *rpc.ForwardRequest, extra time.Duration) (*rpc.ForwardResponse, error) {
	resp, err := f.forward(ctx, req, extra)
	if err != nil {
		return nil, retriable(req.Target.Kind, err, ctx.Err() != nil)
	}
	return resp, nil
}

func (f *Forwarder) forward(ctx context.Context, req *rpc.ForwardRequest, extra time.Duration) (*rpc.ForwardResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout+extra)
	defer cancel()
	patience, leave, err := f.commits.enter(ctx, req.Request)
	if err != nil {
		return nil, fmt.Errorf("waiting for an earlier commit of the member: %w", err)
	}
	defer leave()
	began := f.cfg.Clock.Now()
	if f.cfg.Sender != nil {
		req.Sender = f.cfg.Sender() // the one that it came under, also when it is sent again
	}
	if _, commit := req.Request.(*kmsg.OffsetCommitRequest); commit && f.cfg.Stalled != nil && f.cfg.Stalled() {
		return nil, fmt.Errorf("this broker stood still, and the commit may be older than what its member has committed elsewhere: %w", kerr.CoordinatorNotAvailable)
	}
	before := f.lookBefore(req.Request)
	repeated := false
	var last *rpc.ForwardResponse // an answer that says that the coordinator is elsewhere
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		resp, err := f.cfg.Metadata.Forward(ctx, req)
		switch {
		case err == nil && moved(resp.Response):
			last = resp
		case err == nil:
			if repeated && before != nil {
				f.settle(ctx, before, resp.Response)
			}
			return resp, f.shown(ctx, resp)
		case unknown(err) && (before != nil || harmless(req.Request)) && ctx.Err() == nil:
			repeated = true
		case !nothingDone(err):
			return nil, err
		}
		wait := time.Duration(float64(backoff) * (0.5 + f.cfg.Jitter()))
		sleepErr := clock.Sleep(patience, f.cfg.Clock, wait)
		if sleepErr == nil && tooLate(req.Request, f.cfg.Clock.Now().Sub(began)) {
			sleepErr = context.DeadlineExceeded
		}
		if sleepErr != nil {
			if err == nil {
				return last, nil
			}
			return nil, fmt.Errorf("no coordinator took the request: %w", errors.Join(err, sleepErr))
		}
	}
}

// shown waits until this broker's image shows what the answer depends on.
func (f *Forwarder) shown(ctx context.Context, resp *rpc.ForwardResponse) error {
	if resp.MetadataOffset < 0 {
		return nil
	}
	if err := f.cfg.Image.WaitFor(ctx, resp.MetadataOffset); err != nil {
		return fmt.Errorf("waiting for metadata offset %d: %w", resp.MetadataOffset, err)
	}
	return nil
}
