package batchprocessor

import (
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
)

// Config has the settings of a Processor. A broker that registers anew gets a new epoch and makes a new Processor.
type Config struct {
	Cluster     kafka.ClusterID
	Broker      int32
	BrokerEpoch int64

	// MaxObjectBytes closes an object before a batch that does not fit; a single larger batch is an object of its own.
	MaxObjectBytes int64
	// MaxObjectBatches bounds the metadata of one commit.
	MaxObjectBatches int
	// UploadSlots is how many PUTs run at a time.
	UploadSlots int
	// While another PUT, or with small batches another commit, is under way an object waits until it has GroupBytes or GroupWait has passed, because two half objects cost
	// twice the PUTs and commits. With none under way it leaves at once, with two exceptions, neither longer than GroupWait. Producers of small batches who were
	// just answered are awaited for ReturnWait (see returns). And if large batches arrive, a quarter of GroupBytes within GroupWait, it waits until nothing has
	// come for GroupGap, for producers that wait for answers send no more.
	GroupBytes int64
	GroupWait  time.Duration
	GroupGap   time.Duration
	ReturnWait time.Duration
	// CommitInterval is how long a batch may wait for company. When Deps.Budget makes it wait longer, that is counted and told.
	CommitInterval time.Duration
	// MaxBufferedBytes bounds the batches between Append and answer. Full: Append waits.
	MaxBufferedBytes int64

	// RequestTimeout is the time that a request without a Deadline gets.
	RequestTimeout time.Duration
	// UploadTimeout is the time after which an object that could not be PUT is given up; UploadAttemptTimeout that of one attempt.
	UploadTimeout        time.Duration
	UploadAttemptTimeout time.Duration
	CommitAttemptTimeout time.Duration
	// MinBackoff doubles up to MaxBackoff between attempts, with jitter.
	MinBackoff, MaxBackoff time.Duration
	// MaxCommitObjects bounds one call of CommitObjects.
	MaxCommitObjects int
}

// SetDefaults fills what is zero, for a cloud store.
func (c *Config) SetDefaults() {
	setDefault(&c.MaxObjectBytes, 8<<20)
	setDefault(&c.MaxObjectBatches, 16384)
	setDefault(&c.UploadSlots, 16)
	setDefault(&c.GroupBytes, 1<<20)
	setDefault(&c.GroupWait, 10*time.Millisecond)
	setDefault(&c.GroupGap, 3*time.Millisecond)
	setDefault(&c.ReturnWait, 1500*time.Microsecond)
	setDefault(&c.CommitInterval, 250*time.Millisecond)
	setDefault(&c.MaxBufferedBytes, 64<<20)
	setDefault(&c.RequestTimeout, 30*time.Second)
	setDefault(&c.UploadTimeout, 30*time.Second)
	setDefault(&c.UploadAttemptTimeout, 10*time.Second)
	setDefault(&c.CommitAttemptTimeout, 10*time.Second)
	setDefault(&c.MinBackoff, 10*time.Millisecond)
	setDefault(&c.MaxBackoff, time.Second)
	setDefault(&c.MaxCommitObjects, 64)
}

// SetLocalDefaults fills what is zero for a store on a local disk, where a PUT takes about a millisecond and costs a good part of a millisecond of CPU. More than two
// PUTs at a time only contend for the file system, and waiting for large objects halves the CPU time for each byte of producers with large batches.
func (c *Config) SetLocalDefaults() {
	setDefault(&c.UploadSlots, 2)
	setDefault(&c.GroupBytes, 3<<20)
	setDefault(&c.GroupWait, 12*time.Millisecond)
	setDefault(&c.CommitInterval, 20*time.Millisecond)
	c.SetDefaults()
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports every mistake.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("batchprocessor: "+format, args...))
		}
	}
	check(c.Cluster != "", "Cluster is empty")
	check(c.MaxObjectBytes >= 1<<10 && c.MaxObjectBytes <= 1<<30, "MaxObjectBytes is %d, must be from 1024 to %d", c.MaxObjectBytes, 1<<30)
	check(c.MaxObjectBatches >= 1, "MaxObjectBatches is %d, must be at least 1", c.MaxObjectBatches)
	check(c.UploadSlots >= 1 && c.UploadSlots <= 1024, "UploadSlots is %d, must be from 1 to 1024", c.UploadSlots)
	check(c.GroupBytes >= 0, "GroupBytes is %d, must not be negative", c.GroupBytes)
	check(c.GroupWait >= 0 && c.GroupWait <= c.CommitInterval, "GroupWait is %v, must be from 0 to CommitInterval (%v)", c.GroupWait, c.CommitInterval)
	check(c.GroupGap >= 0, "GroupGap is %v, must not be negative", c.GroupGap)
	check(c.ReturnWait >= 0, "ReturnWait is %v, must not be negative", c.ReturnWait)
	check(c.CommitInterval > 0, "CommitInterval is %v, must be positive", c.CommitInterval)
	check(c.MaxBufferedBytes >= c.MaxObjectBytes, "MaxBufferedBytes is %d, must be at least MaxObjectBytes (%d)", c.MaxBufferedBytes, c.MaxObjectBytes)
	check(c.RequestTimeout > 0, "RequestTimeout is %v, must be positive", c.RequestTimeout)
	check(c.UploadTimeout > 0, "UploadTimeout is %v, must be positive", c.UploadTimeout)
	check(c.UploadAttemptTimeout > 0, "UploadAttemptTimeout is %v, must be positive", c.UploadAttemptTimeout)
	check(c.CommitAttemptTimeout > 0, "CommitAttemptTimeout is %v, must be positive", c.CommitAttemptTimeout)
	check(c.MinBackoff > 0 && c.MinBackoff <= c.MaxBackoff, "MinBackoff is %v, must be positive and at most MaxBackoff (%v)", c.MinBackoff, c.MaxBackoff)
	check(c.MaxCommitObjects >= 1, "MaxCommitObjects is %d, must be at least 1", c.MaxCommitObjects)
	return errors.Join(errs...)
}
