package broker

import (
	"context"
	"time"

	"github.com/inkwell-project/inkwell/broker/api"
	"github.com/inkwell-project/inkwell/broker/batchprocessor"
	"github.com/inkwell-project/inkwell/broker/cachemanager"
	"github.com/inkwell-project/inkwell/broker/metadatacache"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// fetcher is the arrow Cache Manager -> Broker: boxes do not import each other, so their words are translated here.
type fetcher struct {
	cache    *cachemanager.Manager
	draining context.Context
}

// Fetch implements api.Fetcher.
func (f fetcher) Fetch(ctx context.Context, req *api.FetchRequest) []api.FetchResult {
	ask := &cachemanager.FetchRequest{MinBytes: req.MinBytes, MaxBytes: req.MaxBytes, MaxWait: req.MaxWait, Partitions: make([]cachemanager.FetchPartition, len(req.Partitions))}
	for i, p := range req.Partitions {
		ask.Partitions[i] = cachemanager.FetchPartition{Partition: cachemanager.Partition(p.Partition), Offset: p.Offset, MaxBytes: p.MaxBytes}
	}
	ctx, done := untilDraining(ctx, f.draining)
	defer done()
	found := f.cache.Fetch(ctx, ask)
	results := make([]api.FetchResult, len(found))
	for i := range found {
		results[i] = api.FetchResult(found[i])
	}
	return results
}

// ListOffset implements api.Fetcher.
func (f fetcher) ListOffset(ctx context.Context, p api.Partition, timestamp int64) api.ListedOffset {
	return api.ListedOffset(f.cache.ListOffset(ctx, cachemanager.Partition(p), timestamp))
}

// committedToCache is the arrow Batch Processor -> Cache Manager: what this broker uploads enters its cache from memory.
type committedToCache struct{ cache *cachemanager.Manager }

// ObjectCommitted implements batchprocessor.CommittedSink.
func (c committedToCache) ObjectCommitted(o *batchprocessor.CommittedObject) {
	out := &cachemanager.CommittedObject{Object: o.Object, Segments: make([]cachemanager.CommittedSegment, len(o.Segments))}
	for i, s := range o.Segments {
		runs := make([]cachemanager.CommittedRun, len(s.Runs))
		for j, r := range s.Runs {
			runs[j] = cachemanager.CommittedRun(r)
		}
		out.Segments[i] = cachemanager.CommittedSegment{Partition: s.Partition, LogStartOffset: s.LogStartOffset, Runs: runs}
	}
	c.cache.ObjectCommitted(out)
}

// parked proxies requests; those that park at their coordinator end when the broker drains.
type parked struct {
	api.Forwarder
	draining context.Context
}

// Forward implements api.Forwarder.
func (p parked) Forward(ctx context.Context, req *rpc.ForwardRequest, extra time.Duration) (*rpc.ForwardResponse, error) {
	if extra > 0 {
		var done func()
		ctx, done = untilDraining(ctx, p.draining)
		defer done()
	}
	return p.Forwarder.Forward(ctx, req, extra)
}

// untilDraining is ctx, ended when draining ends. done must be called.
func untilDraining(ctx, draining context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(draining, func() { cancel(kafka.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// view is the image as forwarding looks at it.
type view struct{ *metadatacache.Cache }

// Partitions implements forwarding.Image.
func (v view) Partitions(topic string) int32 {
	t, ok := v.Image().TopicByName(topic)
	if !ok {
		return 0
	}
	return int32(len(t.Coordinators))
}

// jobsView is the image as jobs look at it.
type jobsView struct {
	*metadatacache.Cache
	coordinators int32 // at the start, when perhaps no topic was placed on the last ones
}

// BatchCoordinators implements compaction.View.
func (v jobsView) BatchCoordinators() int32 {
	return max(v.coordinators, v.Image().BatchCoordinators())
}

// EpochOver implements compaction.View.
func (v jobsView) EpochOver(epoch int64) bool { return v.Image().EpochOver(epoch) }

// HasTopicID implements forwarding.Image.
func (v view) HasTopicID(id [16]byte) bool {
	_, ok := v.Image().TopicByID(id)
	return ok
}
