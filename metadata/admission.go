package metadata

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/fairqueue"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// maxCommitWait and maxRequestWait are how long a call over its cluster's rate waits for its turn before it is refused.
	maxCommitWait  = 250 * time.Millisecond
	maxRequestWait = time.Second
	// shareInterval is how often a node looks which part of a cluster's coordinators it leads.
	shareInterval = time.Second
	// measureInterval is how often a node measures a cluster that has a limit of bytes.
	measureInterval = 10 * time.Second
)

// admission decides when a call of one cluster is executed on this node, and whether it is.
type admission struct {
	cluster   kafka.ClusterID
	clock     clock.Clock
	flow      *fairqueue.Flow
	throttled *prometheus.CounterVec
	measure   func() (bytes int64, err error)
	// led says which part of a cluster's batch coordinators, and of its controller and group coordinators together, is led here.
	led func() (batch, others fraction)

	record atomic.Pointer[topics.InklessCluster] // as __cluster_metadata has it

	commits, batches, requests fairqueue.Bucket
	metadataBytes              atomic.Int64

	mu         sync.Mutex // guards what follows
	sharedAt   time.Time
	measuredAt time.Time
}

type fraction struct{ part, whole int64 }

// of is n's part, at least 1 where there is a part at all; 0 stays no limit.
func (f fraction) of(n int64) int64 {
	if n == 0 || f.whole == 0 {
		return n
	}
	return max(1, n*f.part/f.whole)
}

// leds counts the logs that are led here.
func leds(logs ...raftlog.Log) (f fraction) {
	for _, log := range logs {
		f.whole++
		if log != nil && log.Leadership().IsLeader {
			f.part++
		}
	}
	return f
}

// update takes the cluster's newest record.
func (a *admission) update(c *topics.InklessCluster) {
	a.record.Store(c)
	a.mu.Lock()
	a.sharedAt = time.Time{} // the rates are set by the next call
	a.mu.Unlock()
}

// serving refuses a cluster that is suspended. The code is one that brokers and clients ask again after, so that nobody has to be restarted when it is resumed.
func (a *admission) serving() error {
	if a.record.Load().State != topics.ClusterSuspended {
		return nil
	}
	a.throttled.WithLabelValues(string(a.cluster), "suspended").Inc()
	return fmt.Errorf("cluster %s is suspended; `inkwell cluster resume %s` has it served again: %w", a.cluster, a.cluster, kerr.CoordinatorNotAvailable)
}

// commit holds a Commit Object call to the cluster's limits, before anything is proposed: who gets an error can ask again.
func (a *admission) commit(ctx context.Context, batches int64) error {
	limits := a.record.Load().Limits
	if limits.CommitsPerSecond == 0 && limits.BatchesPerSecond == 0 && limits.MetadataBytes == 0 {
		return nil
	}
	now := a.clock.Now()
	a.refresh(now, limits)
	if has := a.metadataBytes.Load(); limits.MetadataBytes > 0 && has > limits.MetadataBytes {
		return a.over(kerr.ThrottlingQuotaExceeded, "max.metadata.bytes", limits.MetadataBytes, fmt.Sprintf("it has %d; delete topics or records", has))
	}
	wait, ok := a.commits.Take(1, now, maxCommitWait)
	if !ok {
		return a.over(kerr.ThrottlingQuotaExceeded, "commits.per.second", limits.CommitsPerSecond, "")
	}
	batchWait, ok := a.batches.Take(batches, now, maxCommitWait)
	if !ok {
		a.commits.GiveBack(1)
		return a.over(kerr.ThrottlingQuotaExceeded, "batches.per.second", limits.BatchesPerSecond, "")
	}
	return a.wait(ctx, max(wait, batchWait))
}

// request holds a proxied request to the cluster's limit.
func (a *admission) request(ctx context.Context, code *kerr.Error) error {
	limits := a.record.Load().Limits
	if limits.RequestsPerSecond == 0 {
		return nil
	}
	now := a.clock.Now()
	a.refresh(now, limits)
	wait, ok := a.requests.Take(1, now, maxRequestWait)
	if !ok {
		return a.over(code, "requests.per.second", limits.RequestsPerSecond, "")
	}
	return a.wait(ctx, wait)
}

// full says why a cluster gets no more topics, empty if it does.
func (a *admission) full() string {
	limits := a.record.Load().Limits
	if limits.MetadataBytes == 0 {
		return ""
	}
	a.refresh(a.clock.Now(), limits)
	if has := a.metadataBytes.Load(); has > limits.MetadataBytes {
		a.throttled.WithLabelValues(string(a.cluster), "max.metadata.bytes").Inc()
		return fmt.Sprintf("The cluster has %d bytes of metadata; its limit max.metadata.bytes is %d. Delete topics or records, or have an administrator raise it.", has, limits.MetadataBytes)
	}
	return ""
}

// maxPartitions is the cluster's limit, 0 for none.
func (a *admission) maxPartitions() int64 { return a.record.Load().Limits.Partitions }

func (a *admission) wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	return clock.Sleep(ctx, a.clock, d)
}

func (a *admission) over(code *kerr.Error, limit string, value int64, hint string) error {
	a.throttled.WithLabelValues(string(a.cluster), limit).Inc()
	if hint != "" {
		hint = "; " + hint
	}
	return fmt.Errorf("cluster %s is over its limit %s=%d%s: %w", a.cluster, limit, value, hint, code)
}

// refresh sets the rates to this node's share and measures, both only from time to time.
func (a *admission) refresh(now time.Time, limits topics.ClusterLimits) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if since := now.Sub(a.sharedAt); since >= shareInterval || since < 0 {
		a.sharedAt = now
		batch, others := a.led()
		a.commits.SetRate(batch.of(limits.CommitsPerSecond), now)
		a.batches.SetRate(batch.of(limits.BatchesPerSecond), now)
		a.requests.SetRate(others.of(limits.RequestsPerSecond), now)
	}
	if since := now.Sub(a.measuredAt); limits.MetadataBytes > 0 && (since >= measureInterval || since < 0) {
		a.measuredAt = now
		if bytes, err := a.measure(); err == nil { // else the store has failed, and the node with it
			a.metadataBytes.Store(bytes)
		}
	}
}
