package batchcoordinator

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Config of one Coordinator.
type Config struct {
	Cluster   kafka.ClusterID
	Partition int32 // of __batch_coordinates
	// Log is the partition's log, with state.New() as its state machine.
	Log        raftlog.Log
	Metadata   MetadataImage
	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics

	// RetentionCheckInterval is log.retention.check.interval.ms.
	RetentionCheckInterval time.Duration
	// ProducerIDExpiration is producer.id.expiration.ms.
	ProducerIDExpiration time.Duration
	// ProducerIDExpirationCheckInterval is producer.id.expiration.check.interval.ms.
	ProducerIDExpirationCheckInterval time.Duration
	// ObjectDeleteDelay is object.delete.delay.ms: how long after its release an object may be deleted. A broker may read by
	// a coordinate that it looked up this long ago.
	ObjectDeleteDelay time.Duration
	// WorkLease is how long a broker has to report on leased work.
	WorkLease time.Duration
	// WorkRetryDelay is added to the delay of objects that a lease came back without having deleted.
	WorkRetryDelay time.Duration
	// MaxWorkObjects bounds a lease, MaxWorkWait how long a request for work is parked.
	MaxWorkObjects int32
	MaxWorkWait    time.Duration
	// Allow says whether every node knows commands of a kind (state.KindEnableWork ...), so that they may be written into the log; nil allows all.
	Allow func(kind int) bool
	// Work bounds leases and says what is merged when.
	Work WorkConfig
	// MetadataFollowInterval is the least time between two looks at a changed image, which cost a seek for each topic.
	MetadataFollowInterval time.Duration
	// PageCoordinates bounds how many coordinates one command removes, so that commits do not wait long behind it.
	PageCoordinates int64
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{
		{&c.RetentionCheckInterval, 5 * time.Minute},
		{&c.ProducerIDExpiration, 24 * time.Hour},
		{&c.ProducerIDExpirationCheckInterval, 10 * time.Minute},
		{&c.ObjectDeleteDelay, time.Minute},
		{&c.WorkLease, time.Minute},
		{&c.WorkRetryDelay, 30 * time.Second},
		{&c.MaxWorkWait, time.Minute},
		{&c.MetadataFollowInterval, 250 * time.Millisecond},
	} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	if c.MaxWorkObjects == 0 {
		c.MaxWorkObjects = 1000
	}
	if c.PageCoordinates == 0 {
		c.PageCoordinates = 2048
	}
	if c.Allow == nil {
		c.Allow = func(int) bool { return true }
	}
	c.Work.SetDefaults()
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Cluster == "" {
		errs = append(errs, errors.New("batch coordinator: Cluster is empty"))
	}
	if c.Partition < 0 {
		errs = append(errs, fmt.Errorf("batch coordinator: Partition is %d, want 0 or more", c.Partition))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("batch coordinator: Log is not set"))
	}
	if c.Metadata == nil {
		errs = append(errs, errors.New("batch coordinator: Metadata is not set"))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"log.retention.check.interval.ms", c.RetentionCheckInterval},
		{"producer.id.expiration.ms", c.ProducerIDExpiration},
		{"producer.id.expiration.check.interval.ms", c.ProducerIDExpirationCheckInterval},
		{"object.delete.delay.ms", c.ObjectDeleteDelay},
		{"WorkLease", c.WorkLease},
		{"WorkRetryDelay", c.WorkRetryDelay},
		{"MaxWorkWait", c.MaxWorkWait},
		{"MetadataFollowInterval", c.MetadataFollowInterval},
	} {
		if d.value < time.Millisecond {
			errs = append(errs, fmt.Errorf("batch coordinator: %s is %v, want at least 1ms", d.name, d.value))
		}
	}
	if c.MaxWorkObjects < 1 || c.MaxWorkObjects > 10_000 {
		errs = append(errs, fmt.Errorf("batch coordinator: MaxWorkObjects is %d, want 1 to 10000", c.MaxWorkObjects))
	}
	if c.PageCoordinates < 1 || c.PageCoordinates > 100_000 {
		errs = append(errs, fmt.Errorf("batch coordinator: PageCoordinates is %d, want 1 to 100000", c.PageCoordinates))
	}
	return errors.Join(append(errs, c.Work.Validate())...)
}
