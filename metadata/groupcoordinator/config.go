package groupcoordinator

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Config is what a Coordinator needs.
type Config struct {
	Cluster   kafka.ClusterID
	Partition int32 // of __consumer_offsets
	// Log is the partition's log; its state machine is state.Machine.
	Log        raftlog.Log
	Clock      clock.Clock           // the system's if nil
	NewUUID    func() string         // for member ids
	Logger     *slog.Logger          // none if nil
	Registerer prometheus.Registerer // none if nil
	Settings   Settings
}

// Settings are Kafka's broker settings of the classic protocol.
type Settings struct {
	// InitialRebalanceDelay is group.initial.rebalance.delay.ms: 0 is a value, negative is Kafka's default, 3 s.
	InitialRebalanceDelay   time.Duration
	MinSessionTimeout       time.Duration // group.min.session.timeout.ms, 6 s
	MaxSessionTimeout       time.Duration // group.max.session.timeout.ms, 30 min
	MaxSize                 int           // group.max.size, 2147483647
	NewMemberJoinTimeout    time.Duration // 5 min, not a setting of Kafka's users
	MaxOffsetMetadata       int           // offset.metadata.max.bytes, 4096; 0 is the default
	OffsetsRetention        time.Duration // offsets.retention.minutes, 7 days
	RetentionCheckInterval  time.Duration // offsets.retention.check.interval.ms, 10 min
	WriteTimeout            time.Duration // offsets.commit.timeout.ms, 5 s
	MaxExpiredOffsetsPerRun int           // offsets removed by one command, 1000
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	setDefault(&c.Clock, clock.System)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &c.Settings
	if s.InitialRebalanceDelay < 0 {
		s.InitialRebalanceDelay = 3 * time.Second
	}
	setDefault(&s.MinSessionTimeout, 6*time.Second)
	setDefault(&s.MaxSessionTimeout, 30*time.Minute)
	setDefault(&s.MaxSize, 1<<31-1)
	setDefault(&s.NewMemberJoinTimeout, 5*time.Minute)
	setDefault(&s.MaxOffsetMetadata, 4096)
	setDefault(&s.OffsetsRetention, 7*24*time.Hour)
	setDefault(&s.RetentionCheckInterval, 10*time.Minute)
	setDefault(&s.WriteTimeout, 5*time.Second)
	setDefault(&s.MaxExpiredOffsetsPerRun, 1000)
}

// Validate reports all mistakes.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	s := &c.Settings
	check(c.Log != nil, "the group coordinator needs a log")
	check(c.NewUUID != nil, "the group coordinator needs a source of UUIDs for member ids")
	check(s.MinSessionTimeout > 0, "group.min.session.timeout.ms is %d, must be positive", s.MinSessionTimeout.Milliseconds())
	check(s.MaxSessionTimeout >= s.MinSessionTimeout, "group.max.session.timeout.ms is %d, must be at least group.min.session.timeout.ms (%d)",
		s.MaxSessionTimeout.Milliseconds(), s.MinSessionTimeout.Milliseconds())
	check(s.MaxSize >= 1, "group.max.size is %d, must be at least 1", s.MaxSize)
	check(s.MaxOffsetMetadata >= 0, "offset.metadata.max.bytes is %d, must not be negative", s.MaxOffsetMetadata)
	check(s.OffsetsRetention >= time.Minute, "offsets.retention.minutes is %v, must be at least one minute", s.OffsetsRetention)
	check(s.RetentionCheckInterval >= time.Millisecond, "offsets.retention.check.interval.ms is %v, must be at least 1 ms", s.RetentionCheckInterval)
	check(s.WriteTimeout >= time.Millisecond, "offsets.commit.timeout.ms is %v, must be at least 1 ms", s.WriteTimeout)
	check(s.MaxExpiredOffsetsPerRun >= 1, "offsets per expiry command is %d, must be at least 1", s.MaxExpiredOffsetsPerRun)
	return errors.Join(errs...)
}

func (s *Settings) classic() *classic.Settings {
	return &classic.Settings{
		InitialRebalanceDelay: s.InitialRebalanceDelay,
		NewMemberJoinTimeout:  s.NewMemberJoinTimeout,
		MaxSize:               s.MaxSize,
	}
}
