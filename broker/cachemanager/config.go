package cachemanager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/rpc"
)

// Config bounds the Cache Manager. Zero fields get defaults.
type Config struct {
	Cluster kafka.ClusterID

	CacheBytes        int64 // both pools together, 128 MiB
	TailBytes         int64 // the pool of what was just written, half of CacheBytes
	LaggingBytes      int64 // the pool of what lagging readers read, the rest of CacheBytes
	TailDistanceBytes int64 // a reader at most this far from the high watermark is not lagging; a sixteenth of TailBytes, 1 MiB at least

	TailConcurrency    int   // GETs at a time for each pool, 16
	LaggingConcurrency int   // 32
	ReadAheadBytes     int64 // for each partition that is read in order, 64 MiB at most; they share half of LaggingBytes
	PieceBytes         int64 // of a large coordinate that are read at a time, 8 MiB; less where many partitions share LaggingBytes
	MinPieceBytes      int64 // the smallest piece, about what lies between two entries of an index, 1 MiB
	MaxSpanBytes       int64 // most bytes of one GET that serves several partitions, 16 MiB

	CoordinateCacheEntries int           // coordinates of windows and history together, 200,000
	PageCoordinates        int32         // coordinates of one Find Segment, 256
	MaxPartitions          int           // partitions whose coordinates are followed, 20,000
	PartitionIdle          time.Duration // a partition that nobody reads is forgotten after this, 5 min

	FollowWait  time.Duration // long poll of the tail, 30 s
	FindTimeout time.Duration // of one call to the coordinator, 10 s
	GetTimeout  time.Duration // of one GET, 30 s

	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil registers nothing
}

// Bucket is what is needed of object storage.
type Bucket interface {
	GetRange(ctx context.Context, key string, offset int64, dst []byte) error
}

// Coordinator is what is asked of the Batch Coordinator.
type Coordinator interface {
	rpc.SegmentFinder
	rpc.OffsetLister
	rpc.TopicFollower
}

// Deps is the world around the Cache Manager.
type Deps struct {
	Bucket      Bucket
	Coordinator Coordinator
	Buffers     *slab.Pool
	// Untold returns a channel that is closed when ObjectCommitted was called for an own object whose commit is under way, nil when none is. The tail may hear
	// of a commit before ObjectCommitted is called and waits a moment for it, rather than read from the store what is in memory. Nil: it never waits.
	Untold func(coordinator int32, object kafka.ObjectID) <-chan struct{}
	// Read is told for which topic bytes came from Bucket; nil: nobody is. It does not block.
	Read func(topic kafka.TopicID, bytes int64)
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	setDefault(&c.CacheBytes, 128<<20)
	setDefault(&c.TailBytes, c.CacheBytes/2)
	setDefault(&c.LaggingBytes, c.CacheBytes-c.TailBytes)
	setDefault(&c.TailDistanceBytes, max(1<<20, c.TailBytes/16))
	setDefault(&c.TailConcurrency, 16)
	setDefault(&c.LaggingConcurrency, 32)
	setDefault(&c.ReadAheadBytes, 64<<20)
	setDefault(&c.PieceBytes, 8<<20)
	setDefault(&c.MinPieceBytes, objectformat.IndexInterval)
	setDefault(&c.MaxSpanBytes, 16<<20)
	setDefault(&c.CoordinateCacheEntries, 200_000)
	setDefault(&c.PageCoordinates, 256)
	setDefault(&c.MaxPartitions, 20_000)
	setDefault(&c.PartitionIdle, 5*time.Minute)
	setDefault(&c.FollowWait, 30*time.Second)
	setDefault(&c.FindTimeout, 10*time.Second)
	setDefault(&c.GetTimeout, 30*time.Second)
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// SetLocalDefaults is SetDefaults for a store whose GETs cost nothing but the reading: what a reader does not need yet only keeps it waiting. PieceBytes is 4 MiB.
func (c *Config) SetLocalDefaults() {
	setDefault(&c.PieceBytes, 4<<20)
	c.SetDefaults()
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	atLeast := func(name string, value, least int64) {
		if value < least {
			errs = append(errs, fmt.Errorf("cache manager: %s is %d, the least is %d", name, value, least))
		}
	}
	if c.Cluster == "" {
		errs = append(errs, errors.New("cache manager: Cluster is empty"))
	}
	atLeast("TailBytes", c.TailBytes, 1)
	atLeast("LaggingBytes", c.LaggingBytes, 1)
	atLeast("TailDistanceBytes", c.TailDistanceBytes, 0)
	atLeast("TailConcurrency", int64(c.TailConcurrency), 1)
	atLeast("LaggingConcurrency", int64(c.LaggingConcurrency), 1)
	atLeast("ReadAheadBytes", c.ReadAheadBytes, 0)
	atLeast("MinPieceBytes", c.MinPieceBytes, 1)
	atLeast("PieceBytes", c.PieceBytes, c.MinPieceBytes)
	atLeast("MaxSpanBytes", c.MaxSpanBytes, 1)
	atLeast("CoordinateCacheEntries", int64(c.CoordinateCacheEntries), 1)
	atLeast("PageCoordinates", int64(c.PageCoordinates), 1)
	atLeast("MaxPartitions", int64(c.MaxPartitions), 1)
	atLeast("PartitionIdle", int64(c.PartitionIdle), int64(time.Second))
	atLeast("FollowWait", int64(c.FollowWait), int64(time.Millisecond))
	atLeast("FindTimeout", int64(c.FindTimeout), int64(time.Millisecond))
	atLeast("GetTimeout", int64(c.GetTimeout), int64(time.Millisecond))
	if c.TailBytes+c.LaggingBytes > c.CacheBytes {
		errs = append(errs, fmt.Errorf("cache manager: TailBytes %d and LaggingBytes %d are more than CacheBytes %d", c.TailBytes, c.LaggingBytes, c.CacheBytes))
	}
	return errors.Join(errs...)
}
