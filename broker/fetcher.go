package broker

import (
	"context"

	"github.com/inkwell-project/inkwell/broker/api"
	"github.com/inkwell-project/inkwell/broker/batchprocessor"
	"github.com/inkwell-project/inkwell/broker/cachemanager"
)

// fetcher is the arrow Cache Manager -> Broker: boxes do not import each other, so their words are translated here.
type fetcher struct{ cache *cachemanager.Manager }

// Fetch implements api.Fetcher.
func (f fetcher) Fetch(ctx context.Context, req *api.FetchRequest) []api.FetchResult {
	ask := &cachemanager.FetchRequest{MinBytes: req.MinBytes, MaxBytes: req.MaxBytes, MaxWait: req.MaxWait, Partitions: make([]cachemanager.FetchPartition, len(req.Partitions))}
	for i, p := range req.Partitions {
		ask.Partitions[i] = cachemanager.FetchPartition{Partition: cachemanager.Partition(p.Partition), Offset: p.Offset, MaxBytes: p.MaxBytes}
	}
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
