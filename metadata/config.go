package metadata

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	"github.com/inkwell-project/inkwell/topics"
)

// Config of a Node. Time, randomness, disk and network are handed in.
type Config struct {
	ID  int32
	FS  vfs.FS
	Dir string // on FS; one process at a time

	Listener net.Listener // for brokers and administrators; nil for none (inkwell dev)
	TLS      *tls.Config
	// Advertised is the HOST:PORT that brokers and administrators are told; default the listener's address.
	Advertised string
	// AdminPassword is that of the user admin; empty: a connection that does not authenticate is an administrator's.
	AdminPassword string

	// Settings of the coordinators, by Kafka's names.
	Groups groupcoordinator.Settings
	Limits Limits

	// MaxFeatureLevel is the highest level of topics.MetadataFeature that this node knows; default the newest. A test makes a node of an older release by it.
	MaxFeatureLevel int32

	Clock      clock.Clock
	NewRand    func() *rand.Rand // each caller has a source of its own
	NewUUID    func() [16]byte   // safe for many
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Limits and intervals of the coordinators.
type Limits struct {
	NumPartitions          int32         // num.partitions
	MaxTopicPartitions     int32         // of one topic
	RetentionCheckInterval time.Duration // log.retention.check.interval.ms
	ObjectDeleteDelay      time.Duration // object.delete.delay.ms
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.MaxFeatureLevel == 0 {
		c.MaxFeatureLevel = topics.NewestFeatureLevel
	}
	if c.Limits.NumPartitions == 0 {
		c.Limits.NumPartitions = 1
	}
	if c.Limits.MaxTopicPartitions == 0 {
		c.Limits.MaxTopicPartitions = 10_000
	}
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	if c.ID < 1 {
		errs = append(errs, fmt.Errorf("node.id is %d, it must be 1 or more", c.ID))
	}
	if c.MaxFeatureLevel < topics.FeatureLevel1 || c.MaxFeatureLevel > topics.NewestFeatureLevel {
		errs = append(errs, fmt.Errorf("metadata: MaxFeatureLevel is %d, it must be from %d to %d", c.MaxFeatureLevel, topics.FeatureLevel1, topics.NewestFeatureLevel))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("--data is empty; set it to a folder"))
	}
	for name, missing := range map[string]bool{"FS": c.FS == nil, "NewRand": c.NewRand == nil, "NewUUID": c.NewUUID == nil, "Logger": c.Logger == nil} {
		if missing {
			errs = append(errs, fmt.Errorf("metadata: %s is not set", name))
		}
	}
	if c.Limits.NumPartitions < 1 || c.Limits.NumPartitions > c.Limits.MaxTopicPartitions {
		errs = append(errs, fmt.Errorf("num.partitions is %d, it must be from 1 to %d", c.Limits.NumPartitions, c.Limits.MaxTopicPartitions))
	}
	return errors.Join(errs...)
}
