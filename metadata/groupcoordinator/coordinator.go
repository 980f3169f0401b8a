package groupcoordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// Coordinator serves the groups of one partition while its replica of the log leads.
type Coordinator struct {
	cfg     Config
	group   *classic.Settings
	logger  *slog.Logger
	metrics *metrics

	reign  atomic.Pointer[reign] // nil while another replica leads
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // the loop that follows leadership
}

// New starts a coordinator. cfg must be valid; it panics otherwise, for that is a mistake of the wiring.
func New(cfg Config) *Coordinator {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &Coordinator{
		cfg: cfg, group: cfg.Settings.classic(), cancel: cancel,
		logger: cfg.Logger.With("cluster", string(cfg.Cluster), "topic", "__consumer_offsets", "partition", cfg.Partition),
	}
	c.metrics = newMetrics(c)
	c.wg.Go(func() { c.followLeadership(ctx) })
	return c
}

// Close answers parked requests and returns when all its goroutines have ended.
func (c *Coordinator) Close() error {
	c.cancel(kafka.ErrClosed)
	c.wg.Wait()
	c.metrics.unregister()
	return nil
}

// followLeadership begins a reign whenever the replica becomes leader of a term and ends it when that term is over.
func (c *Coordinator) followLeadership(ctx context.Context) {
	var r *reign
	end := func(why *kerr.Error) {
		if r != nil {
			r.end(why)
			r = nil
		}
	}
	for {
		changed := c.cfg.Log.LeadershipChanged()
		l := c.cfg.Log.Leadership()
		if r != nil && (!l.IsLeader || l.Term != r.term) {
			c.logger.Info("lost leadership of groups", "term", r.term, "leader", l.Leader)
			end(kerr.NotCoordinator)
		}
		if r == nil && l.IsLeader {
			r = beginReign(ctx, c, l.Term)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			end(kerr.CoordinatorNotAvailable)
			return
		}
	}
}

// leading returns the current reign, or what to answer instead.
func (c *Coordinator) leading() (*reign, *kerr.Error) {
	r := c.reign.Load()
	switch {
	case r == nil:
		return nil, kerr.NotCoordinator
	case !r.loaded.Load():
		return nil, kerr.CoordinatorLoadInProgress
	}
	return r, nil
}

// leadingNow is leading for reads: when it returns a reign, the log's View shows everything that was acknowledged before.
func (c *Coordinator) leadingNow(ctx context.Context) (*reign, *kerr.Error) {
	r, kerror := c.leading()
	if kerror != nil {
		return nil, kerror
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return nil, r.writeError(ctx, err)
	}
	return r, nil
}

// Handle answers one request, which has its version set. It blocks until the answer is known; JoinGroup and SyncGroup may take as long as a
// rebalance. When ctx ends first its error is returned and the answer, should it come, is dropped. Other errors mean a request that is not
// for a group coordinator; Kafka's errors are in the response.
func (c *Coordinator) Handle(ctx context.Context, client rpc.Client, req kmsg.Request) (kmsg.Response, error) {
	resp, err := c.handle(ctx, client, req)
	if err != nil {
		return nil, err
	}
	resp.SetVersion(req.GetVersion())
	c.metrics.requests.WithLabelValues(kmsg.NameForKey(req.Key())).Inc()
	return resp, nil
}

func (c *Coordinator) handle(ctx context.Context, client rpc.Client, req kmsg.Request) (kmsg.Response, error) {
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		return c.joinGroup(ctx, client, req)
	case *kmsg.SyncGroupRequest:
		return c.syncGroup(ctx, req)
	case *kmsg.HeartbeatRequest:
		return c.heartbeat(req), nil
	case *kmsg.LeaveGroupRequest:
		return c.leaveGroup(ctx, req)
	case *kmsg.OffsetCommitRequest:
		return c.offsetCommit(ctx, req)
	case *kmsg.OffsetFetchRequest:
		return c.offsetFetch(ctx, req)
	case *kmsg.DescribeGroupsRequest:
		return c.describeGroups(ctx, req)
	case *kmsg.ListGroupsRequest:
		return c.listGroups(ctx, req)
	case *kmsg.DeleteGroupsRequest:
		return c.deleteGroups(ctx, req)
	case *kmsg.OffsetDeleteRequest:
		return c.offsetDelete(ctx, req)
	default:
		return nil, fmt.Errorf("%w: %s is no request to a group coordinator", kerr.InvalidRequest, kmsg.NameForKey(req.Key()))
	}
}

// view is Log.View; a damaged state is an error here, which fails the request and not the process.
func (c *Coordinator) view(fn func(statestore.Reader)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			failure, ok := p.(*statestore.Failure)
			if !ok {
				panic(p)
			}
			c.logger.Error("the state of groups cannot be read", "error", failure)
			err = fmt.Errorf("%w: %w", kerr.KafkaStorageError, failure)
		}
	}()
	c.cfg.Log.View(fn)
	return nil
}

// now is the clock's time as Kafka writes it.
func (c *Coordinator) now() int64 { return c.cfg.Clock.Now().UnixMilli() }

// writeError is what a client is told when a write or a read barrier failed under ctx, as Kafka maps errors of an append: a time-out
// and everything unknown become COORDINATOR_NOT_AVAILABLE, which every client retries.
func (r *reign) writeError(ctx context.Context, err error) *kerr.Error {
	if r.ctx.Err() != nil || errors.Is(context.Cause(ctx), kerr.NotCoordinator) {
		return r.endedWith()
	}
	switch known := kafka.ErrorOf(err); known {
	case kerr.KafkaStorageError:
		return kerr.NotCoordinator
	case kerr.RequestTimedOut, kerr.ThrottlingQuotaExceeded, // consumers do not expect the latter
		kerr.IllegalGeneration: // a later leader's generation is saved
		return kerr.CoordinatorNotAvailable
	default:
		if known == kerr.UnknownServerError {
			r.c.logger.Error("writing to the log of groups failed", "error", err)
		}
		return known
	}
}
