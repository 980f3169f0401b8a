package objectstorage

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// RetryConfig bounds what one call may cost. Zero fields take their default.
type RetryConfig struct {
	// Attempts is how often a request is made at most, the first included. 6 by default.
	Attempts int
	// AttemptTimeout ends one request. 15 s by default: a store that is slower than that for one object is not
	// working, and a new connection is the better bet.
	AttemptTimeout time.Duration
	// TotalTimeout ends a call with all its requests and waits. 60 s by default. A caller's earlier deadline wins.
	TotalTimeout time.Duration
	// BaseBackoff is the wait before the second request, doubled for each one after it up to MaxBackoff; 50 ms and 3 s
	// by default. Each wait is shortened at random by up to half, so that brokers do not come back all at once.
	BaseBackoff time.Duration
	MaxBackoff  time.Duration

	// Clock is clock.System by default.
	Clock clock.Clock
	// Rand returns numbers in [0, 1), to many callers at once. rand.Float64 by default.
	Rand func() float64
	// Registerer gets the metrics; nil: none.
	Registerer prometheus.Registerer
	// Logger gets one line for each request that failed and is repeated; nil: none.
	Logger *slog.Logger
}

// SetDefaults fills what is zero.
func (c *RetryConfig) SetDefaults() {
	setDefault(&c.Attempts, 6)
	setDefault(&c.AttemptTimeout, 15*time.Second)
	setDefault(&c.TotalTimeout, 60*time.Second)
	setDefault(&c.BaseBackoff, 50*time.Millisecond)
	setDefault(&c.MaxBackoff, 3*time.Second)
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports all mistakes at once.
func (c *RetryConfig) Validate() error {
	var errs []error
	if c.Attempts < 1 {
		errs = append(errs, fmt.Errorf("object store: attempts is %d, must be at least 1", c.Attempts))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"attempt timeout", c.AttemptTimeout}, {"total timeout", c.TotalTimeout}, {"base backoff", c.BaseBackoff}, {"max backoff", c.MaxBackoff},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("object store: %s is %v, must be above 0", d.name, d.value))
		}
	}
	if c.TotalTimeout < c.AttemptTimeout {
		errs = append(errs, fmt.Errorf("object store: total timeout %v is below the attempt timeout %v", c.TotalTimeout, c.AttemptTimeout))
	}
	if c.MaxBackoff < c.BaseBackoff {
		errs = append(errs, fmt.Errorf("object store: max backoff %v is below the base backoff %v", c.MaxBackoff, c.BaseBackoff))
	}
	return errors.Join(errs...)
}
