package objectverify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// Metadata is what is asked of the Metadata Kafka Cluster.
type Metadata interface {
	rpc.ObjectDescriber
	rpc.ClusterDescriber
	rpc.TopicFollower
	CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error)
}

// Config of a Verifier.
type Config struct {
	Cluster  kafka.ClusterID
	Metadata Metadata
	Bucket   objectstorage.Bucket
	// Readers is how many coordinates are read at once, 4.
	Readers int
	// Page is how many coordinates and keys are asked for at once, 1000.
	Page int
	// MaxFindings bounds the findings that are told of one by one, 100.
	MaxFindings int
	// SkipBytes leaves the batches out: of each object only header and footer are read.
	SkipBytes bool
	// OldUpload is the age from which an unfinished upload is a finding, 24 h: no job and no put lasts that long.
	OldUpload time.Duration
	Clock     clock.Clock
	// Repair deletes the objects that are found to be Unreferenced and aborts the uploads that are Unfinished, as far as they are said to be repairable.
	Repair bool
	// Found is told each finding that is kept, at once; nil for nobody.
	Found func(Finding)
}

// maxUnchecked ends a run that cannot look at so much: the store or the coordinators are away.
const maxUnchecked = 100

// Verifier is one run.
type Verifier struct {
	cfg     Config
	footers *footers
	tallies []tally // by coordinator

	mu     sync.Mutex // guards report
	report Report
}

// New prepares a run.
func New(cfg Config) *Verifier {
	for _, d := range []struct {
		to    *int
		value int
	}{{&cfg.Readers, 4}, {&cfg.Page, 1000}, {&cfg.MaxFindings, 100}} {
		if *d.to <= 0 {
			*d.to = d.value
		}
	}
	if cfg.OldUpload <= 0 {
		cfg.OldUpload = 24 * time.Hour
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	cfg.Page = min(max(cfg.Page, 2), rpc.MaxDescribedObjects) // pages overlap by one
	return &Verifier{cfg: cfg, footers: newFooters(cfg.Bucket, cfg.Cluster), report: Report{ByKind: map[Kind]int64{}}}
}

// errTooMuch ends a run.
var errTooMuch = errors.New("too much could not be looked at")

// Run looks at everything. The report is what was seen, also beside an error.
func (v *Verifier) Run(ctx context.Context) (*Report, error) {
	ctx = objectstorage.WithPurpose(ctx, "verify")
	err := v.run(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.report
	return &r, err
}

func (v *Verifier) run(ctx context.Context) error {
	d, err := v.cfg.Metadata.DescribeCluster(ctx, &rpc.DescribeClusterRequest{})
	if err != nil {
		return fmt.Errorf("asking which coordinators cluster %s has: %w", v.cfg.Cluster, err)
	}
	if d.Cluster != v.cfg.Cluster {
		return fmt.Errorf("the Metadata cluster answers for cluster %q, not for %q; check --cluster and its password", d.Cluster, v.cfg.Cluster)
	}
	v.report.Coordinators = d.BatchCoordinators
	v.tallies = make([]tally, d.BatchCoordinators)
	for c := range d.BatchCoordinators {
		if v.tallies[c].topicEnd, err = v.topicEnd(ctx, rpc.BatchCoordinatesTopic, c); err != nil {
			return err
		}
		if err := v.walkCoordinator(ctx, c); err != nil {
			return err
		}
	}
	if err := v.walkBucket(ctx); err != nil {
		return err
	}
	if err := v.walkUploads(ctx); err != nil {
		return err
	}
	return v.compareTallies(ctx)
}

// topicEnd is the offset of the next record of one of the cluster's topics on the Metadata cluster.
func (v *Verifier) topicEnd(ctx context.Context, topic string, partition int32) (int64, error) {
	resp, err := v.cfg.Metadata.FollowTopic(ctx, &rpc.FollowTopicRequest{Topic: topic, Partition: partition, Offset: math.MaxInt64, MaxBytes: 1})
	if resp == nil || err != nil && !errors.Is(err, kerr.OffsetOutOfRange) {
		return 0, fmt.Errorf("asking for the end of %s-%d: %w", topic, partition, err)
	}
	return resp.HighWatermark, nil
}

// found records a finding that was looked at twice.
func (v *Verifier) found(f Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Findings++
	v.report.ByKind[f.Kind]++
	if len(v.report.First) < v.cfg.MaxFindings {
		v.report.First = append(v.report.First, f)
		if v.cfg.Found != nil {
			v.cfg.Found(f)
		}
	}
}

// unchecked records that something could not be looked at. It returns an error when that is the end of the run.
func (v *Verifier) unchecked(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Unchecked++
	if len(v.report.FirstUnchecked) < 10 {
		v.report.FirstUnchecked = append(v.report.FirstUnchecked, fmt.Sprintf("%s: %v", what, err))
	}
	if v.report.Unchecked >= maxUnchecked {
		return fmt.Errorf("%w: %d times, the last time %s: %w", errTooMuch, v.report.Unchecked, what, err)
	}
	return nil
}

func (v *Verifier) count(fn func(r *Report)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn(&v.report)
}
