package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// FollowerConfig of a Follower.
type FollowerConfig struct {
	Cluster kafka.ClusterID
	Log     raftlog.Log // of __metadata, any replica
	Clock   clock.Clock
	Logger  *slog.Logger // none if nil
	// RetryDelay is the pause after a record that cannot be applied, 1 s.
	RetryDelay time.Duration
	ReadBytes  int // of records at once, 4 MiB
}

// Follower keeps the image of a cluster on a metadata node, from the node's own replica of __metadata. Batch Coordinators look at it.
type Follower struct {
	cfg    FollowerConfig
	latest *clusterimage.Latest
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	done   sync.WaitGroup
}

// Follow starts a Follower.
func Follow(cfg FollowerConfig) *Follower {
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&cfg.RetryDelay, time.Second)
	setDefault(&cfg.ReadBytes, 4<<20)
	ctx, cancel := context.WithCancelCause(context.Background())
	f := &Follower{cfg: cfg, latest: clusterimage.NewLatest(), ctx: ctx, cancel: cancel}
	f.done.Go(func() { f.follow(ctx) })
	return f
}

// Image is the newest image.
func (f *Follower) Image() *clusterimage.Image { return f.latest.Image() }

// Offset is that of the last record that the image shows, -1 for none.
func (f *Follower) Offset() int64 { return f.latest.Offset() }

// WaitFor returns nil when the image shows the record at offset; at once for a negative offset. It ends with the Follower.
func (f *Follower) WaitFor(ctx context.Context, offset int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ctx, func() {
		cancel(fmt.Errorf("this node's view of %s stands still at offset %d of __metadata: %w", f.cfg.Cluster, f.Offset(), kerr.CoordinatorNotAvailable))
	})()
	return f.latest.WaitFor(ctx, offset)
}

// Changed is closed when the image moves on. Take it before looking at the image.
func (f *Follower) Changed() <-chan struct{} { return f.latest.Changed() }

// LiveBrokers are the registrations that may commit, by broker id, as the image stands at offset asOf. An epoch at or below asOf that is
// not among them never comes back.
func (f *Follower) LiveBrokers() (asOf int64, live []*topics.Broker) {
	image := f.latest.Image()
	for _, b := range image.Brokers() {
		if !b.Fenced {
			live = append(live, b)
		}
	}
	return image.Offset(), live
}

// Close returns when the loop has ended. The last image stays.
func (f *Follower) Close() error {
	f.cancel(kafka.ErrClosed)
	f.done.Wait()
	return nil
}

func (f *Follower) follow(ctx context.Context) {
	builder, next := clusterimage.Empty().Edit(), int64(0)
	failing := false
	for ctx.Err() == nil {
		var err error
		builder, next, err = f.catchUp(builder, next)
		if err == nil {
			failing = false
			err = f.cfg.Log.Wait(ctx, next)
			if err == nil {
				continue
			}
		}
		if ctx.Err() != nil {
			return
		}
		if !failing {
			f.cfg.Logger.Error("cannot follow __metadata: this node's view of the cluster stands still", "cluster", f.cfg.Cluster, "offset", next, "error", err)
		}
		failing = true
		if clock.Sleep(ctx, f.cfg.Clock, f.cfg.RetryDelay) != nil {
			return
		}
	}
}

// catchUp applies what there is and publishes it as one image, so that no image shows a start of the log as if it were all.
func (f *Follower) catchUp(b *clusterimage.Builder, next int64) (*clusterimage.Builder, int64, error) {
	for {
		start, highWatermark := f.cfg.Log.Bounds() // before reading: what is missing below it was compacted away
		records, err := f.cfg.Log.Read(next, f.cfg.ReadBytes)
		if errors.Is(err, kerr.OffsetOutOfRange) && next != start {
			b, next = clusterimage.Empty().Edit(), start
			continue
		}
		if err != nil {
			return b, next, err
		}
		for _, r := range records {
			if r.Offset < next {
				continue
			}
			if err := b.Apply(r.Offset, r.Key, r.Value); err != nil {
				f.show(b)
				return b, next, fmt.Errorf("a newer release may have to run on this node: %w", err)
			}
			next = r.Offset + 1
		}
		if len(records) == 0 {
			next = max(next, highWatermark)
			b.Advance(next - 1)
			f.show(b)
			return b, next, nil
		}
	}
}

// show publishes the image unless the one that is shown is as new.
func (f *Follower) show(b *clusterimage.Builder) {
	if b.Offset() > f.latest.Offset() {
		f.latest.Publish(b.Build())
	}
}
