package compaction

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
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// Settings are what an operator may change.
type Settings struct {
	BytesPerSecond    int64 // compaction.bytes.per.second, read and written; 0: no limit
	RequestsPerSecond int64 // compaction.requests.per.second; 0: no limit
	MaxConcurrentJobs int   // compaction.max.concurrent.jobs: merges and key compactions at a time
	MemoryBytes       int64 // compaction.memory.bytes: what one merge or key compaction holds of its input
	DedupeBufferBytes int64 // log.cleaner.dedupe.buffer.size: the map of keys of one key compaction
}

// Defaults leave most of a machine to produce and fetch.
const (
	DefaultBytesPerSecond    = 128 << 20
	DefaultRequestsPerSecond = 100
	DefaultMaxConcurrentJobs = 1
	DefaultMemoryBytes       = 64 << 20
	DefaultDedupeBufferBytes = 32 << 20
)

// DefaultSettings is where a configuration begins; zeros of the rates mean no limit.
func DefaultSettings() Settings {
	return Settings{
		BytesPerSecond: DefaultBytesPerSecond, RequestsPerSecond: DefaultRequestsPerSecond, MaxConcurrentJobs: DefaultMaxConcurrentJobs,
		MemoryBytes: DefaultMemoryBytes, DedupeBufferBytes: DefaultDedupeBufferBytes,
	}
}

// Validate reports all mistakes at once.
func (s *Settings) Validate() error {
	var errs []error
	check := func(name string, value, least, most int64) {
		if value < least || value > most {
			errs = append(errs, fmt.Errorf("%s is %d; it must be %d to %d", name, value, least, most))
		}
	}
	const most = 1 << 40
	if s.BytesPerSecond != 0 {
		check("compaction.bytes.per.second", s.BytesPerSecond, 1<<20, most)
	}
	if s.RequestsPerSecond != 0 {
		check("compaction.requests.per.second", s.RequestsPerSecond, 1, most)
	}
	check("compaction.max.concurrent.jobs", int64(s.MaxConcurrentJobs), 1, 64)
	check("compaction.memory.bytes", s.MemoryBytes, 1<<20, 1<<34)
	check("log.cleaner.dedupe.buffer.size", s.DedupeBufferBytes, 1<<10, largestMapBytes)
	return errors.Join(errs...)
}

// View is this broker's image of __metadata.
type View interface {
	// BatchCoordinators is how many partitions __batch_coordinates has; it grows while brokers run.
	BatchCoordinators() int32
	// EpochOver says that the view has seen the end of a broker epoch. It then shows every partition of __batch_coordinates that a commit of that epoch may have gone to.
	EpochOver(epoch int64) bool
}

// PutBudget is how many PUTs this broker may make, which its producers share. The begin, each part and the end of an upload are one each.
type PutBudget interface {
	// WaitJob returns when a job may PUT.
	WaitJob(ctx context.Context) error
	// TakeJob is a PUT that does not wait: a repetition.
	TakeJob()
}

// Config of the jobs of one broker.
type Config struct {
	Cluster     kafka.ClusterID
	Broker      int32
	BrokerEpoch func() int64
	View        View
	Work        rpc.WorkRequester
	Objects     rpc.ObjectDescriber
	Bucket      objectstorage.Bucket
	// NextObject is a new id of the current broker epoch, which nothing else ever gets.
	NextObject func() kafka.ObjectID
	Buffers    *slab.Pool // of the jobs alone; made if it is nil
	Clock      clock.Clock
	Jitter     func() float64 // in [0,1)
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// TookOn is told how many bytes of a topic each attempt of a merge or a key compaction has before it; nil: nobody is.
	TookOn     func(kind rpc.WorkKind, topic kafka.TopicID, bytes int64)
	Puts       PutBudget     // that flush shares; nil for no bound
	Settings   Settings      // DefaultSettings if it is zero
	MaxObjects int32         // to delete in one lease; default 500
	Wait       time.Duration // how long a request for work parks; default 1 min
	PartBytes  int           // of an upload; default 8 MiB
}

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	if c.Settings == (Settings{}) {
		c.Settings = DefaultSettings()
	}
	if c.MaxObjects == 0 {
		c.MaxObjects = 500
	}
	if c.Wait == 0 {
		c.Wait = time.Minute
	}
	if c.PartBytes == 0 {
		c.PartBytes = 8 << 20
	}
	if c.Buffers == nil {
		c.Buffers = &slab.Pool{}
	}
}

// jobBytes is what one job needs at a time: its input, a part that is filled and one on its way, and what lies between buffers of all sizes.
func (c *Config) jobBytes() int64 {
	return c.Settings.MemoryBytes + c.Settings.MemoryBytes/8 + 2*int64(c.PartBytes)
}
